"""Second derivatives of a solve: the reverse sweep over the record of the solution and its tangent together.

The pair (y, dy) solves an equation of its own, y' = f, dy' = J dy + f_p dp, whose pullback is the forward
derivative of the pullback of f with the roles of the cotangents exchanged. So the reverse sweep of the
first order, run over the doubled record with that pullback in place of f's, gives gradients and Hessian-
vector products at once.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from adjoints import discrete
from sciad import NotDifferentiable
from sciad.compiler.native import kernel
from sciad.compiler.runtime import call as call_model
from sciad.compiler.runtime import view
from solvers.problem import Model

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
        As for `adjoints.discrete.pull`.
    dy0, dp, dgys : ndarray (n,), (m,), (k, n)

    Returns
    -------
    cotangents, dcotangents : Cotangents
        Of y0 and p, and their tangents.
    """
    n, m = model.n, model.m
    if trajectory.method.family != "explicit":
        raise NotDifferentiable(
            f"second derivatives of a solve by {trajectory.method.name} are not available (they "
            "need third derivatives of "
            "the model); use an explicit method, or differences of the gradient"
        )
    if not len(trajectory.record):
        zero = np.zeros(m)
        return discrete.Cotangents(gys.sum(axis=0), zero), discrete.Cotangents(dgys.sum(axis=0), zero)
    record = trajectory.record
    drecord = np.empty((len(record), record.shape[1] - 2))
    discrete.push(model, trajectory, p, dy0, dp, drecord=drecord)
    doubled = np.empty((len(record), 2 + 2 * drecord.shape[1]))
    doubled[:, :2] = record[:, :2]
    rows = doubled[:, 2:].reshape(len(record), -1, 2, n)
    rows[:, :, 0] = record[:, 2:].reshape(len(record), -1, n)
    rows[:, :, 1] = drecord.reshape(len(record), -1, n)
    pair = dataclasses.replace(trajectory, record=doubled)
    both = np.concatenate([dgys, gys], axis=1)
    c = discrete.pull(_paired(model), pair, np.concatenate([p[:m], dp[:m], [0.0]]), both)
    return discrete.Cotangents(c.y0[n:], c.p[m : 2 * m]), discrete.Cotangents(c.y0[:n], c.p[:m])


class PairModel(Model):
    """The model of (y, dy), as far as the reverse sweep asks for it."""

    def __init__(self, model: Model):
        super().__init__((2 * model.n,), 2 * model.m + 1)
        self.model = model

    # what the linker puts where the sweep calls the pullback
    @property
    def links(self) -> dict:
        return {"call": pair_call}

    @property
    def specialised(self) -> bool:
        return False

    def address(self, kind: str) -> int:
        return self.model.address({"pullback": "second"}[kind])

    def work_size(self, kind: str) -> int:
        return self.model.work_size({"pullback": "second"}[kind]) + 4 * self.n

    def failure(self, status: int) -> BaseException:
        return self.model.failure(status)


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
    return call_model(
        f,
        (
            t,
            view(y, 0, n),
            view(p, 0, m),
            view(g, n, n),
            p[2 * m],
            view(y, n, n),
            view(p, m, m),
            view(g, 0, n),
            view(ignored, 0, n),
            view(ignored, n, n),
            view(gp, 2 * m, 1),
            view(gy, n, n),
            view(gp, m, m),
            gt,
            view(gy, 0, n),
            view(gp, 0, m),
            work,
        ),
    )
