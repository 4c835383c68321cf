"""How each family of methods is put into the integration loop: kernels, tables, workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sciad.native import kernels as native
from sciad.native.runtime import call
from sciad.solvers.linear.lu_kernels import linked_algebra
from sciad.solvers.stepping import esdirk_step as step_esdirk
from sciad.solvers.stepping import explicit_step as step_rk
from sciad.solvers.stepping import integration_loop as loop
from sciad.solvers.stepping import rosenbrock_step as step_rosenbrock

__all__ = ["FAMILIES", "linked", "loop_constants"]


@dataclass(frozen=True)
class Family:
    """How the linker and the driver deal with one kind of tableau."""

    kinds: tuple[str, ...]
    kernels: dict
    tables: Callable
    workspace: Callable  # of model and algebra: float64 of scratch space besides the model's own
    factored: bool = False  # whether all linear systems of a step have one matrix, whose factors can be kept

    def constants(self, method) -> dict:
        own = {"SCALED": method.scaled, "FACTORED": self.factored}
        return {**self.kernels, **self.tables(method), **own}


def _explicit_tables(method) -> dict:
    return {
        "STAGES": method.stages,
        "A": tuple(map(tuple, method.matrix.tolist())),
        "B": method.b,
        "C": tuple(method.nodes.tolist()),
        "ESTIMATE": method.error or (),
        "DAMPING": method.error_damping or (),
        "CLOSED": method.fsal,
        "CLOSING": method.stages,
        "STIFFNESS_TEST": method.fsal and method.stages > 1 and method.c[-1] == 1.0,
        "INEXACT": False,
        "STABILITY": method.stability_limit if method.family == "explicit" else 0.0,
        "damping_of": step_rk.rk_damping_of if method.error_damping else step_rk.no_damping,
    }


FAMILIES = {
    "explicit": Family(
        kinds=("primal",),
        kernels={
            "begin": step_rk.rk_begin,
            "attempt": step_rk.rk_attempt,
            "close": step_rk.rk_close,
            "complete": step_rk.rk_complete,
            "error_of": step_rk.rk_error_of,
            "carry": step_rk.not_carried,
        },
        tables=_explicit_tables,
        workspace=lambda model, algebra: 1,
    )
}


def _rosenbrock_tables(method) -> dict:
    return {
        "STAGES": method.stages,
        "A": ((), *method.a),
        "C": ((), *method.C),
        "B": method.b,
        "ERROR_WEIGHTS": method.error,
        "NODES": method.c,
        "TIMES": method.d,
        "GAMMA": method.gamma,
        "START": method.stages,
        "CLOSING": method.stages + 1,
        "CLOSED": False,
        "STIFFNESS_TEST": False,
        "INEXACT": False,
        "STABILITY": 0.0,
    }


FAMILIES["rosenbrock"] = Family(
    kinds=("primal", "jacobian", "pushforward"),
    kernels={
        "begin": step_rosenbrock.rosenbrock_begin,
        "attempt": step_rosenbrock.rosenbrock_attempt,
        "close": step_rosenbrock.rosenbrock_close,
        "complete": step_rosenbrock.rosenbrock_complete,
        "error_of": step_rosenbrock.rosenbrock_error_of,
        "carry": step_rosenbrock.carry_by_solving,
        "damping_of": step_rk.no_damping,
    },
    tables=_rosenbrock_tables,
    workspace=lambda model, algebra: algebra.size + model.n + model.m,
    factored=True,
)


def _esdirk_tables(method) -> dict:
    return {
        **_explicit_tables(method),
        "BEFORE": tuple(row[:i] for i, row in enumerate(method.a)),
        "GAMMA": method.gamma,
        "CLOSED": True,
        "STIFFNESS_TEST": False,
        "INEXACT": True,
    }


FAMILIES["esdirk"] = Family(
    kinds=("primal", "jacobian"),
    kernels={
        "begin": step_esdirk.esdirk_begin,
        "attempt": step_esdirk.esdirk_attempt,
        "close": step_esdirk.esdirk_close,
        "complete": step_esdirk.esdirk_complete,
        "error_of": step_esdirk.esdirk_error_of,
        "carry": step_rosenbrock.carry_by_solving,
        "damping_of": step_rk.no_damping,
    },
    tables=_esdirk_tables,
    workspace=lambda model, algebra: algebra.size + step_esdirk.OWN,
)


def linked(method, propose, n: int, guarded: bool = False, switched: bool = False):
    """The loop, linked for this method and, where ``n`` is not 0, for this number of unknowns; ``guarded``
    for solves that are to be differentiated, ``switched`` for models with held branches.
    """
    key = (method, propose, n, guarded, switched)
    if key not in _kernels:
        constants = {**loop_constants(method, propose, n), "GUARDED": guarded, "SWITCHED": switched}
        if n == 0:  # one for the loop and for what watches over it: inlining gains nothing for long vectors
            constants["attempt"] = native.as_apart(constants["attempt"])
        entry = (loop.run_guarded, loop.GUARDED_SIGNATURE) if guarded else (loop.run_loop, loop.SIGNATURE)
        _kernels[key] = native.link(*entry, constants, unrolled=n > 0)
    return _kernels[key]


def loop_constants(method, propose, n: int) -> dict:
    """What the linker puts into the loop's kernels for this method, controller kernel and number of
    unknowns.
    """
    rows, dense = method.rows, len(method.dense)
    family = FAMILIES[method.family]
    constants = family.constants(method)
    return {
        **constants,
        "OPENING": constants.get("START", 0),
        **(linked_algebra(n) if method.implicit else {}),
        "N": n,
        "ROWS": rows,
        "Y": rows,
        "Y1": rows + 1,
        "U": rows + 2,
        "RTOL": rows + 3,
        "ATOL": rows + 4,
        "SLOPE": rows + 5,
        "D": rows + 6,
        "DENSE": method.dense,
        "DENSE_ROWS": dense,
        "ALL_ROWS": rows + 6 + dense,
        "ADAPTIVE": method.adaptive,
        "CONTROL_ORDER": method.control_order,
        "GUARDED": False,
        "SWITCHED": False,
        "propose": propose,
        "call_rhs": call,
    }


_kernels: dict = {}
