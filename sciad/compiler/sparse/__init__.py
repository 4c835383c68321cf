"""Sparse Jacobians: patterns by running a program on sets, colouring, compressed evaluation."""
