"""Derivatives of solve_sde: which method computes them, and the rules of its primitive."""

from __future__ import annotations

import numpy as np

import sciad as ad
from sciad.adjoints.ode.backsolve import BacksolveAdjoint
from sciad.adjoints.ode.discrete import DiscreteAdjoint
from sciad.adjoints.ode.forward_sensitivity import ForwardSensitivity
from sciad.adjoints.sde.reversible import ReversibleAdjoint
from sciad.adjoints.sde.sde_sweeps import BACKWARD, REVERSIBLE, TANGENT
from sciad.errors import NotDifferentiable, SolverError
from sciad.solvers.sde.solve_sde import simulate

__all__ = ["discrete", "forward", "push", "reversible"]


@simulate.def_pullback
def pullback(args):
    """Run the solve; its pull goes through the paths backwards."""
    problem, y0, p = args
    _first_order(y0, p)
    out = simulate(problem, y0, p)
    _reached_end(problem)
    records, witness = problem.records, _witness(problem, y0, p, out)

    def pull(gout):
        problem.records = records
        if witness is not None:
            witness.check()
        gout = np.ascontiguousarray(np.asarray(gout, float))
        gy0, gp = _way(problem)(problem, np.asarray(y0, float), np.asarray(p, float), gout)
        if not (np.all(np.isfinite(gy0)) and np.all(np.isfinite(gp))):
            raise SolverError(
                "the gradient of the paths is not finite: the model's derivatives overflow on the way back"
            )
        return None, gy0, gp

    return out, pull


@simulate.def_pushforward
def pushforward(args, tangents):
    """The solve and its derivative along (dy0, dp), by forward sensitivities of the same steps."""
    problem, y0, p = args
    _, dy0, dp = tangents
    _first_order(y0, p, dy0, dp)
    dy0 = np.zeros_like(y0) if dy0 is None else np.asarray(dy0, float)
    dp = np.zeros_like(p) if dp is None else np.asarray(dp, float)
    if problem.grid is None:
        problem.forward(y0, p)
        _reached_end(problem)
    return push(problem, np.asarray(y0, float), np.asarray(p, float), dy0, dp)


def push(problem, y0, p, dy0, dp):
    """Outputs and their derivative along one direction."""
    run = problem.sweep(TANGENT)
    shape = (len(problem.ts), problem.n, problem.count)
    out, dout = np.empty(shape), np.empty(shape)
    columns = np.ascontiguousarray(dy0.reshape(-1, 1))

    def part(which):
        for piece, grid in problem.by_grids(which):
            run(piece, y0, p, columns, dp, out, dout, grid=grid)

    problem.over_parts(part)
    return out, dout


# -- ways to a gradient --------------------------------------------------------------------------------


def discrete(problem, y0, p, gout):
    """Transpose the computed steps; see ``adjoints.DiscreteAdjoint``."""
    return _backward(problem, BACKWARD, y0, p, gout)


def reversible(problem, y0, p, gout):
    """Run the paths backwards; see ``adjoints.ReversibleAdjoint``."""
    if problem.method.copies != 2:
        raise ValueError(
            f"ReversibleAdjoint needs a method that can be undone, ReversibleHeun, not {problem.method.name}"
        )
    return _backward(problem, REVERSIBLE, y0, p, gout)


def forward(problem, y0, p, gout):
    """One forward sensitivity per initial value and parameter; see ``adjoints.ForwardSensitivity``."""
    gy0, gp = np.zeros(len(y0)), np.zeros(len(p))
    for target, other, swap in ((gy0, gp, False), (gp, gy0, True)):
        for i in range(len(target)):
            unit = np.zeros(len(target))
            unit[i] = 1.0
            still = np.zeros(len(other))
            _, dout = push(problem, y0, p, *((still, unit) if swap else (unit, still)))
            target[i] = np.sum(gout * dout)
    return gy0, gp


def continuous(problem, y0, p, gout):
    """Solve the adjoint equation backwards; see ``adjoints.BacksolveAdjoint``."""
    from sciad.adjoints.sde.sde_backsolve import backsolve

    return backsolve(problem, y0, p, gout)


WAYS = {
    DiscreteAdjoint: discrete,
    ReversibleAdjoint: reversible,
    ForwardSensitivity: forward,
    BacksolveAdjoint: continuous,
}


def _way(problem):
    """How the adjoint that was chosen computes gradients; `check_adjoint` has let nothing else through."""
    if isinstance(problem.adjoint, str):
        return discrete
    return next(way for kind, way in WAYS.items() if isinstance(problem.adjoint, kind))


def _backward(problem, loop, y0, p, gout):
    run = problem.sweep(loop)
    gy0 = np.zeros((len(y0), problem.count))

    def part(which):
        gp = np.zeros(len(p))
        for piece, grid in problem.by_grids(which):
            run(piece, y0, p, gout, gy0, gp, grid=grid)
        return gp

    # added in the order of the parts, which does not depend on the number of threads
    gp = np.sum(problem.over_parts(part), axis=0)
    return gy0.sum(axis=1), gp


def _reached_end(problem):
    if not problem.run.success:
        raise SolverError(problem.run.message)


def _witness(problem, y0, p, out):
    """What the model is at both ends of the first path, where it could change before its pullback."""
    y0, p = np.array(y0, float), np.array(p, float)
    first = y0.reshape(len(y0), -1)[:, 0]
    start, end = problem.brownian.start, problem.ts[-1]
    return problem.step.witness([(float(start), first, p), (float(end), out[-1, :, 0].copy(), p)])


def _first_order(*values):
    if any(ad.is_traced(v) for v in values):
        raise NotDifferentiable(
            "second derivatives of solve_sde are not available; differentiate once, or use finite "
            "differences of the gradient with the same seed"
        )
