"""Sensitivities of `solve_sde`."""
