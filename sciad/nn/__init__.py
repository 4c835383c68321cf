"""Networks as pure functions of nested dicts, for right-hand sides and losses; they compile."""
