"""Generated Python to LLVM: a translator for exactly the Python that kernels and emitted programs use."""
