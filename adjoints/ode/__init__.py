"""Sensitivities of `solve_ivp`: one file per method, and the rules of its primitive."""
