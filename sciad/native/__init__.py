"""From restricted Python to machine code: kernels, specialised text, numba, LLVM, the cache.

Imports nothing else of sciad.
"""
