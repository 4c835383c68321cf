"""What the linker puts into the kernels of the integration loop and its steps, and into sweeps over them.

``families.loop_constants`` gives the values. In the rows of ``z``, the state of a step, stages come first.
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.native.placeholders import placeholder

N: int = placeholder("the number of unknowns, or 0 where it is known at run time only")

# Rows of z
ROWS: int = placeholder("the number of stages, the closing one and those of the dense output included")
Y: int = placeholder("the row of the state at the start of the step")
Y1: int = placeholder("the row of the state at its end")
U: int = placeholder("the row of the argument of a stage")
RTOL: int = placeholder("the row of the relative tolerances")
ATOL: int = placeholder("the row of the absolute tolerances")
SLOPE: int = placeholder("the row of what a step solves linear systems for")
D: int = placeholder("the first of the DENSE_ROWS rows of the dense output")
ALL_ROWS: int = placeholder("the number of rows")
START: int = placeholder("the row of f at the start of the step")
OPENING: int = placeholder("the row of the slope at the start of the step, of every method")
CLOSING: int = placeholder("the row of f at its end")

# The method
STAGES: int = placeholder("the number of stages of a step")
A: tuple = placeholder("the weights of the stages in the argument of each")
B: tuple = placeholder("the weights of the stages in the step")
C: tuple = placeholder("the times of the stages, in steps; of Rosenbrock methods the matrix C")
NODES: tuple = placeholder("the times of the stages of Rosenbrock methods, in steps")
TIMES: tuple = placeholder("the weights d_i of the derivative in time")
GAMMA: float = placeholder("the diagonal of the implicit methods")
BEFORE: tuple = placeholder("the weights of the stages before it in the argument of each")
ESTIMATE: tuple = placeholder("the weights of the error estimate")
ERROR_WEIGHTS: tuple = placeholder("the weights of the error estimate of Rosenbrock methods")
DAMPING: tuple = placeholder("the weights of the second error estimate of DOP853")
ADAPTIVE: bool = placeholder("whether the method has an error estimate")
CLOSED: bool = placeholder("whether an attempted step evaluates f at its end")
STIFFNESS_TEST: bool = placeholder("whether the last two stages tell of stiffness")
SCALED: bool = placeholder("whether stages are slopes, to be multiplied by the step size")
FACTORED: bool = placeholder("whether all linear systems of a step have one matrix")
CONTROL_ORDER: int = placeholder("the order of the error estimate")
GUARDED: bool = placeholder("whether steps are to be short enough for derivatives, too")
SWITCHED: bool = placeholder("whether the model has held branches, whose differences are watched")
INEXACT: bool = placeholder("whether stages are found by iterations that leave an error")
STABILITY: float = placeholder("the stability limit on the negative real axis, 0 for implicit methods")
DENSE: tuple = placeholder("the weights of the stages in each vector of the dense output")
DENSE_ROWS: int = placeholder("the number of these vectors")

# The kernels of a family of methods, and the step-size controller
begin: Callable = placeholder("begin(model, t, z, p, whole, scratch): before the attempts of a step")
attempt: Callable = placeholder("attempt(model, t, h, z, p, whole, scratch): try a step")
close: Callable = placeholder("close(model, t, z, p, whole, scratch): f at the end of a step")
complete: Callable = placeholder("complete(model, t, h, z, p, whole, scratch): stages of the dense output")
propose: Callable = placeholder("propose(square, size, accepted, whole, real): the next step size")
carry: Callable = placeholder(
    "carry(model, n, t, time, at, y, v, forcing, moved, spare, p): a tangent over steps not looked at"
)
error_of: Callable = placeholder("error_of(z, h, k): the embedded error of an attempted step")
damping_of: Callable = placeholder("damping_of(z, h, k): the second one of DOP853")
call_rhs: Callable = placeholder("call_rhs(f, arguments): evaluate the right-hand side")
