"""Solves as routines of compiled programs: what `ad.jit` calls in machine code, without Python between."""
