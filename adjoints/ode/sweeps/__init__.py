"""The discrete adjoint's sweep over a record of steps, one file per family of methods."""
