"""The eager core: traced values, forward mode by dual numbers, reverse mode by a tape, NumPy's arrays."""
