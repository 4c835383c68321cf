"""`solve_sde` and what it is made of: Brownian motion, steps, loops over paths, ensembles."""
