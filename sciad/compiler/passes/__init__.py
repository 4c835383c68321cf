"""IR to IR: sharing, index checks, counters, loops, places of results; `pipeline` says when each runs."""
