"""Methods as data: coefficients that check their own order conditions, and their names."""
