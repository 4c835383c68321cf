"""Solves of undecorated functions under ``vmap``: all elements in machine code, each with its own steps."""

from __future__ import annotations

import math

import numpy as np

from sciad.compiler.differentiable_program import Primitive
from sciad.compiler.ir.nodes import Address, Alloc, Block, Call, Input, Program, RoutineCall, Value, View
from sciad.compiler.ir.routines import RoutineSite
from sciad.eager.traced import Traced
from sciad.solvers.model.held_model import held_model
from sciad.solvers.model.models import CompiledModel
from sciad.solvers.ode.solve_primitive import Problem
from sciad.solvers.routines.solve_routine import SolveRoutine
from sciad.solvers.suggestions import adjoint_given

__all__ = ["serves", "solve_mapped"]


def serves(problem: Problem, *inputs) -> bool:
    """Whether the solves of a batch can be left to machine code, and differentiated at most once there."""
    if not isinstance(problem.model, CompiledModel) or problem.options.mass is not None:
        return False
    if type(adjoint_given(problem.adjoint, "solve_ivp")).__name__ != "DiscreteAdjoint":
        return False
    most = max(map(_derivatives, inputs))
    if most and problem.options.kinks and held_model(problem.model) is not None:
        return False  # machine code does not stop where the model switches
    return most <= 1


def _derivatives(x) -> int:
    """How many derivatives are being taken with respect to a value."""
    count = 0
    while isinstance(x, Traced):
        count += not x.batched
        x = x.value
    return count


def solve_mapped(problem: Problem, t0, t1, ts, y0, p):
    """Outputs of the solves of a batch, time last; arguments as for ``solve``, batches among them."""
    options, model, count = problem.options, problem.model, np.shape(ts)[0]
    first = options.first_step
    if first is None:
        first = 0.0 if getattr(problem.method, "adaptive", True) else options.max_step
    if not math.isfinite(first):
        raise ValueError(f"{problem.method.name} has a fixed step: give it as first_step")
    parts = [[first, options.max_step], np.ravel(options.rtol), np.ravel(options.atol), options.stops]
    control = np.concatenate([np.asarray(x, dtype=float) for x in parts])
    sizes = tuple(map(len, parts[1:]))
    key = ("mapped", problem.method, options.controller, options.max_steps, count, sizes)
    primitive = model.plans.get(key)
    if primitive is None:
        adjoint = adjoint_given(problem.adjoint, "solve_ivp")
        routine = SolveRoutine(model, problem.method, options, count, adjoint, *sizes, settled=True)
        primitive = model.plans[key] = Primitive(_program(routine, len(control)))
    shape = np.shape(y0)
    out = primitive(np.stack([t0, t1]), np.reshape(y0, (model.n,)), p, ts, control)
    rows = np.reshape(out, (count, model.n))
    return rows.T if len(shape) == 1 else np.reshape(rows.T, (*shape, count))


def _program(routine: SolveRoutine, control: int) -> Program:
    """A program that does nothing but the solve."""
    model = routine.model
    sizes = {"span": 2, "start": model.n, "p": model.m, "times": routine.count, "control": control}
    n_out, alias = routine.count * model.n, 0
    args = tuple(View(name, Address(), (size,), (1,), alias) for name, size in sizes.items())
    at = Value("i", "at", 0)
    ys = View("T", Address() + at, (n_out,), (1,), 1)
    out = View("out", Address(), (n_out,), (1,), alias)
    body = Block([Alloc(at, n_out, 1), RoutineCall(routine, (ys,), args, 1), Call("copy", (out,), (ys,))])
    inputs = [Input(name, size) for name, size in sizes.items()]
    site = RoutineSite(routine.name, routine.name, None, routine)
    return Program(f"{routine.name}_elements", inputs, n_out, body, sites=[site], classes=[0, 1])
