"""What the linker puts into the sweeps over the record of a solve, besides the names of the forward loop."""

from __future__ import annotations

from collections.abc import Callable

from sciad.native.placeholders import placeholder

# Rows of z, behind the stages; `reverse_loop.sweep_rows` gives their numbers
LAM: int = placeholder("the row of the cotangent of the state at the end of the step")
Y1DOT: int = placeholder("the row of the tangent of the state at the end of the step")
YBAR: int = placeholder("the row of the cotangent of the state at the start of the step")
YDOT: int = placeholder("the row of the tangent of the state at the start of the step")
O: int = placeholder("a row to work in, of an argument's tangent or cotangent")
F: int = placeholder("a row to work in, of values of f that are not wanted")
Q: int = placeholder("the first of the DENSE_ROWS rows of (co)tangents of the dense output")
SWEEP_ROWS: int = placeholder("the number of rows")
CARRIED: int = placeholder("the row of the stages that goes from one step to the next, or -1")

# The steps of a family of methods
pull_step: Callable = placeholder("the transpose of a step")
pull_first: Callable = placeholder("the transpose of what comes before the first step")
push_step: Callable = placeholder("the tangent of a step")
push_first: Callable = placeholder("the tangent of what comes before the first step")

# How they reach the model, which may be that of a solution and its tangent together
call_pullback: Callable = placeholder("call_pullback(f, arguments): the pullback of the model")
call_along: Callable = placeholder("call_along(f, arguments): the pullback of its derivative in a direction")
factors_of: Callable = placeholder("factors_of(model, n, t, h, saved, p, work, scratch): factor W")
solve_transposed: Callable = placeholder(
    "solve_transposed(model, n, t, saved, p, factors, x, work, scratch): solve with the transpose of W"
)
