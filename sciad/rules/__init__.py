"""Derivative rules of NumPy and SciPy: declarations only, entered in `sciad.rule_table`."""
