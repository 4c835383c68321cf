"""`solve_ivp` and what it is made of: events, mass matrices, the primitive `solve`, solutions."""
