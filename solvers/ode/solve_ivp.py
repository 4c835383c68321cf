"""``solve_ivp``, the front door."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sciad import tree
from sciad.eager.tape import Var
from sciad.eager.traced import Traced, operand, raw
from sciad.foreign import plain_arguments, plain_array
from sciad.solvers.methods.names import AUTO, LOADED, method_named
from sciad.solvers.model.arguments import (
    argument_tuple,
    check_step_limits,
    checked_start,
    float_array,
    time_span,
    trial,
)
from sciad.solvers.model.build_model import build_model
from sciad.solvers.ode.complex_state import solve_complex
from sciad.solvers.ode.event_chain import chain
from sciad.solvers.ode.events import Events
from sciad.solvers.ode.jacobian_arguments import check_jac, pattern_given, with_pattern
from sciad.solvers.ode.mass_matrix import with_mass
from sciad.solvers.ode.short_solve import compile_solves
from sciad.solvers.ode.solution import DenseOutput, Solution
from sciad.solvers.ode.solve_primitive import Problem
from sciad.solvers.ode.tolerance import SMALLEST_RTOL, factor, tightened
from sciad.solvers.ode.traced_solve import SUCCESS, differentiable
from sciad.solvers.progress import showing
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.auto import integrate_auto
from sciad.solvers.stepping.controllers import Controller
from sciad.solvers.stepping.integrate import Options, integrate
from sciad.solvers.strict import refuse_failure
from sciad.solvers.suggestions import check_adjoint
from sciad.solvers.warn import warn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from sciad.solvers.adjoint import Adjoint
    from sciad.solvers.argument_types import Method, SparseMatrix

__all__ = ["solve_ivp", "step_limit"]


def solve_ivp(
    fun: Callable,
    t_span: ArrayLike,
    y0: ArrayLike,
    method: str | Method = "auto",
    t_eval: ArrayLike | None = None,
    dense_output: bool = False,
    events: Callable | Sequence[Callable] | None = None,
    vectorized: bool = False,
    args: Sequence | None = None,
    *,
    rtol: ArrayLike = 1e-3,
    atol: ArrayLike = 1e-6,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: float | None = None,
    tstops: ArrayLike | None = None,
    jac: Callable | ArrayLike | SparseMatrix | None = None,
    jac_sparsity: ArrayLike | SparseMatrix | None = None,
    mass_matrix: ArrayLike | None = None,
    controller: Controller | None = None,
    adjoint: str | Adjoint = "auto",
    kinks: bool = True,
    progress: bool = False,
) -> Solution:
    """Solve an initial value problem y' = f(t, y), y(t0) = y0, differentiably.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args) -> dy/dt``, of the shape of ``y0``. Written in plain Python and NumPy; it is
        compiled, or, where that is not possible, called in Python with one warning.
    t_span : (t0, t1)
        Integrates backwards if t1 < t0.
    y0 : array_like
        Of any shape; time is the last axis of the result. Complex values work with the explicit methods;
        the model is then called in Python.
    method : str or tableau
        See ``sciad.solvers.methods.names.NAMES``.
    t_eval : array_like, optional
        Output times, sorted, inside the span. Without it, the steps taken are returned.
    dense_output : bool
        Whether ``sol.sol`` is wanted, the solution as a function of time.
    args : tuple
        More arguments of ``fun``: any nesting of tuples, lists, dicts, NamedTuples and dataclasses of
        numbers and arrays.
    rtol, atol : float or array_like
        The local error of component k is kept under ``atol + rtol |y_k|`` (root mean square over components).
    first_step, max_step : float, optional
    max_steps : int, optional
        Largest number of attempted steps, a million if not given, so that a fit does not hang in one trial
        point; ``math.inf`` for no limit.
    tstops : array_like, optional
        Times that steps must hit exactly: jumps of the right-hand side, for instance. Each step next to
        one sees the model on its own side of it, whichever way the model compares.
    jac : callable, array_like or sparse matrix, optional
        ``jac(t, y, *args)``, or a constant matrix. Compiled models have exact Jacobians of their own and
        do not need it; it serves models that are called in Python.
    jac_sparsity : array_like or sparse matrix (n, n), optional
        Where the Jacobian may have entries. Found from the source of compiled models, except where indices
        depend on values; it serves those, and models that are called in Python.
    mass_matrix : array_like (n, n), optional
        M of M y' = f(t, y), constant, maybe singular (a differential-algebraic system of index 1);
        Rosenbrock methods only. What of y0 M y does not hold is a guess: it is made consistent.
    vectorized : bool
        Accepted for SciPy's sake; without effect.
    controller : Controller, optional
    adjoint : "auto" or an adjoint
        How derivatives of this solve are computed; see the package ``adjoints``.
    kinks : bool
        Whether a solve that is differentiated stops where a compiled model switches (``if``, ``abs``,
        ``maximum``, ``where``, ``sign`` of what depends on the time or the state), so that the derivative
        is as accurate there as elsewhere, and the time of a jump is differentiated. Not with a mass matrix or
        fixed steps, and not for second derivatives. See `sciad.solvers.stepping.held_integration`.
    events : callable or list of callables
        ``event(t, y, *args) -> float`` whose zeros are found. With an attribute ``terminal`` the solve
        ends there, with ``apply`` it goes on from a changed state, with ``samples = k`` it is looked at in k
        places inside every step, too; see ``sciad.solvers.ode.events.Events``.
    progress : bool
        Show the time reached and the step size.

    Returns
    -------
    solution : Solution

    Raises
    ------
    ValueError
        For arguments that make no sense, saying which and why.
    SolverError
        If the solve fails while it is being differentiated. Otherwise a failure is in ``status`` and
        ``message``.

    Examples
    --------
    >>> import numpy as np
    >>> from sciad.solvers import solve_ivp
    >>> sol = solve_ivp(lambda t, y, k: -k * y, (0, 1), np.array([2.0]), t_eval=[0.5, 1.0], args=(3.0,),
    ...                 method="Tsit5", rtol=1e-8, atol=1e-8)
    >>> np.round(sol.y, 6)
    array([[0.44626 , 0.099574]])
    """
    if not callable(fun):
        raise TypeError(f"the model comes first: solve_ivp(fun, t_span, y0, ...), but fun is {fun!r}")
    if args.__class__ is not tuple:
        args = argument_tuple(args)
    if not _USUAL.issuperset(map(type, args)):
        args = plain_arguments(args, fun)
    t0, t1 = time_span(t_span)
    if y0.__class__ is tuple and t_span.__class__ is np.ndarray:
        warn(f"t_span = {t_span!r} and y0 = {y0!r} look swapped: the order is solve_ivp(fun, t_span, y0)")
    if y0.__class__ is not np.ndarray or y0.dtype is not _FLOAT:
        y0 = plain_array(y0)
        if np.iscomplexobj(y0) or _complex_list(y0):
            if method == "auto":
                method = "Tsit5"
            options = {
                "first_step": first_step,
                "max_step": max_step,
                "max_steps": max_steps,
                "tstops": tstops,
            }
            options |= {"controller": controller, "progress": progress, "dense_output": dense_output}
            options |= {"adjoint": adjoint}
            options |= {"t_span": t_span, "method": method, "t_eval": t_eval, "mass_matrix": mass_matrix}
            tolerances = {"rtol": rtol, "atol": atol}
            return solve_complex(solve_ivp, fun, y0, args, events, tolerances, **options)
        y0 = float_array(y0, "y0")
    tableau = LOADED.get(method) if method.__class__ is str else None
    if tableau is None:
        tableau = method_named(method)
    if adjoint != "auto":
        check_adjoint(adjoint, "solve_ivp")
    if factor() != 1.0:
        rtol, atol, first_step, max_step = tightened(tableau, rtol, atol, first_step, max_step)
    shape = np.shape(y0)
    sparsity = None if jac_sparsity is None else pattern_given(jac_sparsity, np.size(y0))
    if jac is not None:
        check_jac(jac, t0, y0, args)

    def rebuild(args):
        model, p = build_model(fun, shape, args, jac, None, sparsity)
        return model if sparsity is None else with_pattern(model, sparsity, t0, y0, p), p

    model, p = build_model(
        fun, shape, args, jac, lambda: trial(fun, raw(t0), raw(y0), _raw_args(args)), sparsity
    )
    if sparsity is not None:
        model = with_pattern(model, sparsity, t0, y0, p)
    if t_eval.__class__ is np.ndarray and t_eval.dtype is _FLOAT:
        ts = t_eval.copy()
    else:
        ts = None if t_eval is None else float_array(t_eval, "t_eval")
    options, key = None, None
    if rtol.__class__ is float and atol.__class__ is float and tstops is None:
        key = (rtol, atol, first_step, max_step, max_steps, controller, dense_output, kinks)
        options = _common.get(key)
    if options is None:
        options = _options(
            model, rtol, atol, first_step, max_step, max_steps, tstops, controller, dense_output, kinks
        )
        if key is not None and len(_common) < 1000:
            _common[key] = options
    if mass_matrix is not None:
        tableau, options = with_mass(mass_matrix, tableau, options, model.n)
    problem = Problem(model, tableau, options, adjoint)

    inputs = (problem, rebuild, t0, t1, ts, y0, p, args, events, dense_output)
    if (
        isinstance(p, Traced)
        or isinstance(y0, Traced)
        or isinstance(ts, Traced)
        or isinstance(t0, Traced)
        or isinstance(t1, Traced)
    ):
        solution = differentiable(*inputs)
        solution._inputs = inputs
        return solution

    level = 2 if dense_output else int(ts is None)
    y0, p, ts = checked_start(args, t0, t1, y0, p, _NO_TIMES if ts is None else ts, first_step)
    watch = None if events is None else Events(events, args, shape)
    with showing(progress, t0, t1) as shown:
        if watch is not None or options.mass is not None:
            pieces = chain(problem, (t0, t1), y0, p, ts, level, watch, rebuild, shown)
            if watch is not None and watch.traced:
                return _with_inputs(differentiable(*inputs), inputs)
            segments = [part for piece in pieces for part in piece.parts]
        elif tableau is AUTO:
            segments = integrate_auto(model, (t0, t1), y0, p, ts, options, level, None, shown)
        else:
            segments = [integrate(model, tableau, (t0, t1), y0, p, ts, options, level, None, shown)]
    return _with_inputs(_solution(segments, shape, t_eval is not None, dense_output, watch), inputs)


solve_ivp.compile_ahead = partial(compile_solves, solve_ivp)  # for `sciad.compile`
solve_ivp.lowered_in = "sciad.solvers.routines.lowered_solve_ivp"


# -- solutions -----------------------------------------------------------------------------------------


def _with_inputs(solution: Solution, inputs: tuple) -> Solution:
    """Let `adjoints.explain` know what the solve was of."""
    solution._inputs = inputs
    return solution


def _solution(segments, shape, timed: bool, dense_output: bool, watch) -> Solution:
    last = segments[-1]
    if last.code < 0:
        refuse_failure(last.message)
    if timed:
        t, y = (
            (last.ts, last.ys)
            if len(segments) == 1
            else (
                np.concatenate([part.ts for part in segments]),
                np.concatenate([part.ys for part in segments]),
            )
        )
    else:
        t = np.concatenate([*(part.t_steps for part in segments), [last.t]])
        y = np.concatenate([*(part.y_steps for part in segments), last.y[None]])
    whole = last.whole if len(segments) == 1 else sum(part.whole for part in segments)
    return Solution(
        t=t,
        y=y.T if len(shape) == 1 else np.moveaxis(y.reshape(len(t), *shape), 0, -1),
        sol=DenseOutput.of(segments, shape) if dense_output else None,
        t_events=None if watch is None else watch.t,
        y_events=None if watch is None else watch.y,
        nfev=int(whole[state.NFEV]),
        njev=int(whole[state.NJEV]),
        nlu=int(whole[state.NLU]),
        accepted=int(whole[state.ACCEPTED]),
        rejected=int(whole[state.REJECTED]),
        status=-1 if last.code < 0 else int(last.code == state.EVENT),
        message=last.message or SUCCESS,
        method=last.method.name,
        methods=[(float(part.t_start), part.method.name) for part in segments],
    )


# -- arguments -----------------------------------------------------------------------------------------


def _complex_list(y0) -> bool:
    """Whether a list holds complex traced values."""
    return isinstance(y0, (list, tuple)) and any(np.iscomplexobj(raw(operand(y))) for y in y0)


_FLOAT = np.dtype(float)
_USUAL = frozenset({float, int, np.ndarray, np.float64, Var})
_NO_TIMES = np.empty(0)


def _raw_args(args) -> tuple:
    """Arguments with the plain values inside traced ones, batches as they are."""
    return tree.tree_map(lambda leaf: raw(operand(leaf)), args)


def _options(model, rtol, atol, first_step, max_step, max_steps, tstops, controller, dense, kinks) -> Options:
    check_step_limits(rtol, atol, first_step, max_step, max_steps)
    for name, value in (("rtol", rtol), ("atol", atol)):
        if np.ndim(value) and np.size(value) != model.n:
            raise ValueError(
                f"{name} has shape {np.shape(value)}, but y0 has {model.n} components: give one number or as "
                "many"
            )
    if np.any(np.asarray(rtol) < SMALLEST_RTOL) and not np.all(np.asarray(rtol) == 0):
        warn(f"At least one element of `rtol` is too small; {SMALLEST_RTOL:.2g} is used.")
        rtol = np.maximum(rtol, SMALLEST_RTOL)
    return Options(
        rtol=rtol if np.ndim(rtol) == 0 else np.array(rtol, dtype=float).ravel(),
        atol=atol if np.ndim(atol) == 0 else np.array(atol, dtype=float).ravel(),
        first_step=first_step,
        max_step=float(max_step),
        max_steps=step_limit(max_steps),
        stops=() if tstops is None else tuple(np.asarray(tstops, dtype=float).ravel().tolist()),
        controller=controller,
        dense_always=dense,
        kinks=bool(kinks),
    )


def step_limit(max_steps: float | None) -> int | None:
    """The largest number of steps that the argument `max_steps` asks for."""
    if max_steps is None:
        return MAX_STEPS
    return None if max_steps == math.inf else int(max_steps)


MAX_STEPS = 1_000_000
_common: dict = {}  # options by what was asked for
