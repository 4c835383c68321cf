"""Second derivatives of a solve: the reverse sweep over the record of the solution and its tangent together.

The pair (y, dy) solves an equation of its own, y' = f, dy' = J dy + f_p dp, whose pullback is the forward
derivative of the pullback of f with the roles of the cotangents exchanged. So the reverse sweep of the
first order, run over the doubled record with that pullback in place of f's, gives gradients and Hessian-
vector products at once. For Rosenbrock methods the matrix of the pair is [[W, 0], [-dJ, W]], with dJ the
derivative of J along (dy, dp): two solves with the factors of W.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from sciad import NotDifferentiable
from sciad.adjoints.ode import discrete
from sciad.adjoints.ode.sweeps.rosenbrock_sweep import factor, recorded
from sciad.native.kernels import kernel
from sciad.native.runtime import call, view
from sciad.solvers.linear.linked_systems import system_solve_transposed
from sciad.solvers.linear.lu_kernels import FACTOR_SIZE, JACOBIAN_SIZE, MASS_SIZE
from sciad.solvers.model.models import Model
from sciad.solvers.stepping.linked_names import ROWS

__all__ = ["pull_pair"]


def pull_pair(
    model: Model,
    trajectory,
    p: np.ndarray,
    dy0: np.ndarray,
    dp: np.ndarray,
    gys: np.ndarray,
    dgys: np.ndarray,
) -> tuple[discrete.Cotangents, discrete.Cotangents]:
    """The reverse sweep and its derivative along (dy0, dp, dgys).

    Parameters
    ----------
    model, trajectory, p, gys
        As for `sciad.adjoints.ode.discrete.pull`.
    dy0, dp, dgys : ndarray (n,), (m,), (k, n)

    Returns
    -------
    cotangents, dcotangents : Cotangents
        Of y0 and p, and their tangents.
    """
    n, m = model.n, model.m
    if trajectory.method.family not in LINKS:
        raise NotDifferentiable(
            f"second derivatives of a solve by {trajectory.method.name} are not available; use a Rosenbrock "
            "method such as Rodas5P, or differences of the gradient"
        )
    if not len(trajectory.record):
        zero = np.zeros(m)
        return discrete.Cotangents(gys.sum(axis=0), zero), discrete.Cotangents(dgys.sum(axis=0), zero)
    record = trajectory.record
    steps, size = len(record), (1 + trajectory.method.rows) * n
    drecord = np.empty((steps, size))
    discrete.push(model, trajectory, p, dy0, dp, drecord=drecord)
    states = np.stack([record[:, 2 : 2 + size].reshape(steps, -1, n), drecord.reshape(steps, -1, n)], axis=2)
    doubled = np.concatenate([record[:, :2], states.reshape(steps, -1), record[:, 2 + size :]], axis=1)
    pair = dataclasses.replace(trajectory, record=doubled)
    both = np.concatenate([dgys, gys], axis=1)
    c = discrete.pull(_paired(model), pair, np.concatenate([p[:m], dp[:m], [0.0]]), both)
    return discrete.Cotangents(c.y0[n:], c.p[m : 2 * m]), discrete.Cotangents(c.y0[:n], c.p[:m])


class PairModel(Model):
    """The model of (y, dy), as far as the reverse sweep asks for it."""

    def __init__(self, model: Model):
        super().__init__((2 * model.n,), 2 * model.m + 1)
        self.model = model

    def links(self, method) -> dict:
        """What the linker puts where the sweep calls the model and solves."""
        return LINKS[method.family]

    def algebra(self, mass):
        """That of the model itself, called by address."""
        from sciad.solvers.linear.solver_choice import algebra_of

        return algebra_of(self.model, mass, inline=False)

    @property
    def specialised(self) -> bool:
        return False

    def address(self, kind: str) -> int:
        return self.model.address(OF_THE_PAIR[kind])

    def work_size(self, kind: str) -> int:
        return self.model.work_size(OF_THE_PAIR[kind]) + 4 * self.n

    def failure(self, status: int) -> BaseException:
        return self.model.failure(status)


# derivatives of f that serve as those of (f, df); the Jacobian is asked for f alone
OF_THE_PAIR = {"pullback": "second", "pullback_along": "second_along", "jacobian": "jacobian"}


def _paired(model: Model) -> PairModel:
    if "pair" not in model.plans:
        model.plans["pair"] = PairModel(model)
    return model.plans["pair"]


@kernel
def pair_call(f, args):
    """The pullback of (y, dy) -> (f, df), from the forward derivative of the pullback of f."""
    t, y, p, g, ignored, gt, gy, gp, work = args
    n = y.shape[0] // 2
    m = (p.shape[0] - 1) // 2
    return call(
        f,
        (
            *(t, view(y, 0, n), view(p, 0, m), view(g, n, n)),
            *(0.0, view(y, n, n), view(p, m, m), view(g, 0, n)),
            *(view(ignored, 0, n), view(ignored, n, n)),
            *(view(gp, 2 * m, 1), view(gy, n, n), view(gp, m, m)),
            *(gt, view(gy, 0, n), view(gp, 0, m), work),
        ),
    )


@kernel
def pair_call_along(f, args):
    """The same for the derivative of (f, df) along (s, u)."""
    t, y, p, s, u, g, ignored, gt, gy, gp, gs, gu, work = args
    n = y.shape[0] // 2
    m = (p.shape[0] - 1) // 2
    return call(
        f,
        (
            *(t, view(y, 0, n), view(p, 0, m), s, view(u, 0, n), view(g, n, n)),
            *(0.0, view(y, n, n), view(p, m, m), 0.0, view(u, n, n), view(g, 0, n)),
            *(view(ignored, 0, n), view(ignored, n, n)),
            *(view(gp, 2 * m, 1), view(gy, n, n), view(gp, m, m), gs, view(gu, n, n)),
            *(gt, view(gy, 0, n), view(gp, 0, m), gs, view(gu, 0, n), work),
        ),
    )


@kernel
def pair_factors_of(model, n, t, h, saved, p, work, scratch):
    """The factors of W serve both solves."""
    if recorded(model, saved, 2 + (1 + ROWS) * n):
        return 0
    return factor(model, n // 2, t, h, saved, p, work, scratch)


@kernel
def pair_solve_transposed(model, n, t, saved, p, factors, x, work, scratch):
    """[[W, 0], [-dJ, W]]^T x: W^T w = b2, then W^T v = b1 + dJ^T w."""
    q = n // 2
    m = (p.shape[0] - 1) // 2
    w = view(x, q, q)
    system_solve_transposed(model, q, factors, w)
    at = model[FACTOR_SIZE] + model[JACOBIAN_SIZE] + model[MASS_SIZE]
    zeros = view(scratch, at, q)
    for k in range(q):
        zeros[k] = 0.0
    ignored = view(scratch, at + q, q + m + 1)
    status = call(
        model[2],
        (
            *(t, view(saved, 2, q), view(p, 0, m), 0.0, zeros, w),
            *(0.0, view(saved, 2 + q, q), view(p, m, m), 0.0, zeros, zeros),
            *(ignored, ignored, ignored, ignored, ignored, ignored, ignored),
            *(ignored, ignored, ignored, ignored, view(x, 0, q), work),
        ),
    )
    system_solve_transposed(model, q, factors, view(x, 0, q))
    return status


LINKS = {
    "explicit": {"call_pullback": pair_call},
    "rosenbrock": {
        "call_pullback": pair_call,
        "call_along": pair_call_along,
        "factors_of": pair_factors_of,
        "solve_transposed": pair_solve_transposed,
    },
}
