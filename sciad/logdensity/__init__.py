"""Logarithms of densities, and maps of real numbers onto constrained values, for compiled posteriors."""
