"""From a function's source to IR: its statements are executed on traced values."""
