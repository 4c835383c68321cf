"""IR to IR: pushforward, pullback and Jacobian of a program."""
