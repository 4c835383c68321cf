"""``solve_ivp``, the front door, and ``solve``, the differentiable primitive behind it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np

import sciad
from sciad import tree
from sciad.value import Traced, operand, raw
from solvers import state
from solvers.auto import AUTO, integrate_auto
from solvers.build import build_model
from solvers.complex_state import solve_complex
from solvers.control import Controller
from solvers.errors import SolverError
from solvers.events import Events
from solvers.explicit import Tsit5
from solvers.integrate import Options, Trajectory, integrate
from solvers.mass import check_consistent, with_mass
from solvers.methods import method_named
from solvers.problem import Model
from solvers.progress import showing
from solvers.solution import DenseOutput, Solution

__all__ = ["Problem", "run", "solve", "solve_ivp"]


def solve_ivp(
    fun: Callable,
    t_span,
    y0,
    method="auto",
    t_eval=None,
    dense_output: bool = False,
    events=None,
    vectorized: bool = False,
    args: tuple | None = None,
    *,
    rtol=1e-3,
    atol=1e-6,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: int | None = None,
    tstops=None,
    jac=None,
    jac_sparsity=None,
    mass_matrix=None,
    controller: Controller | None = None,
    adjoint="auto",
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
        Of any shape; time is the last axis of the result. Complex values work with the explicit methods.
    method : str or tableau
        See ``solvers.methods.NAMES``.
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
        Largest number of attempted steps.
    tstops : array_like, optional
        Times inside the span that steps must hit exactly: jumps of the right-hand side, for instance.
    jac : callable or array_like, optional
        ``jac(t, y, *args)``, or a constant matrix. Compiled models have exact Jacobians of their own and
        do not need it; it serves models that are called in Python.
    mass_matrix : array_like (n, n), optional
        M of M y' = f(t, y), constant, maybe singular (a differential-algebraic system of index 1);
        Rosenbrock methods only.
    jac_sparsity, vectorized
        Accepted for SciPy's sake; without effect.
    controller : Controller, optional
    adjoint : "auto" or an adjoint
        How derivatives of this solve are computed; see the package ``adjoints``.
    events : callable or list of callables
        ``event(t, y, *args) -> float`` whose zeros are found; see ``solvers.events.Events``.
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
    >>> from solvers import solve_ivp
    >>> sol = solve_ivp(lambda t, y, k: -k * y, (0, 1), np.array([2.0]), t_eval=[0.5, 1.0], args=(3.0,),
    ...                 method="Tsit5", rtol=1e-8, atol=1e-8)
    >>> np.round(sol.y, 6)
    array([[0.44626 , 0.099574]])
    """
    args = _tuple_of(args)
    t0, t1 = _span(t_span)
    if y0.__class__ is not np.ndarray or y0.dtype is not _FLOAT:
        if np.iscomplexobj(y0):
            if method == "auto":
                method = "Tsit5"
            options = {
                "first_step": first_step,
                "max_step": max_step,
                "max_steps": max_steps,
                "tstops": tstops,
            }
            options |= {"controller": controller, "progress": progress, "dense_output": dense_output}
            options |= {"t_span": t_span, "method": method, "t_eval": t_eval}
            tolerances = {"rtol": rtol, "atol": atol}
            return solve_complex(solve_ivp, fun, np.asarray(y0), args, events, tolerances, **options)
        y0 = _array(y0, "y0")
    tableau = method_named(method)
    shape = np.shape(y0)
    model, p = build_model(fun, shape, args, jac, lambda: _trial(fun, t0, y0, args))
    ts = None if t_eval is None else _array(t_eval, "t_eval")
    options = _options(model, rtol, atol, first_step, max_step, max_steps, tstops, controller, dense_output)
    if mass_matrix is not None:
        tableau, options = with_mass(mass_matrix, tableau, options, model.n)
    problem = Problem(model, tableau, options, adjoint)

    if any(isinstance(x, Traced) for x in (t0, t1, ts, y0, p)):
        if mass_matrix is not None:
            raise sciad.NotDifferentiable("a solve with a mass matrix cannot be differentiated yet")
        if events is not None:
            raise sciad.NotDifferentiable(
                "a solve with events cannot be differentiated yet; solve to a fixed time instead"
            )
        return _differentiable(problem, t0, t1, ts, y0, p, dense_output)

    level = 2 if dense_output else int(ts is None)
    y0, p = _flat(y0), _contiguous(p)
    if options.mass is not None:
        check_consistent(model, options.mass, t0, y0, p, rtol, atol)
    ts = _NO_TIMES if ts is None else _contiguous(ts)
    _check(args, t0, t1, y0, p, ts, first_step)
    watch = None if events is None else Events(events, args, shape, first_step or 0.0)
    with showing(progress, t0, t1) as shown:
        if tableau is AUTO:
            segments = integrate_auto(model, (t0, t1), y0, p, ts, options, level, watch, shown)
        else:
            segments = [integrate(model, tableau, (t0, t1), y0, p, ts, options, level, watch, shown)]
    return _solution(segments, shape, t_eval is not None, dense_output, watch)


class Problem:
    """What of a solve is not differentiated: model, method, options, adjoint."""

    __slots__ = ("adjoint", "method", "model", "options", "times", "trajectory")

    def __init__(self, model: Model, method, options: Options, adjoint="auto"):
        self.model, self.method, self.options, self.adjoint = model, method, options, adjoint
        self.trajectory: Trajectory | None = None
        self.times = False  # whether derivatives with respect to t0, t1 or ts are wanted


def run(problem: Problem, t0: float, t1: float, ts, y0, p, record: int) -> Trajectory:
    """Integrate, with ``record`` as in ``integrate``; a failure raises ``SolverError``. Rules of
    ``solve`` use this.

    All arguments are plain numbers and arrays. The trajectory is also left in ``problem.trajectory``.
    """
    y0, p, ts = _flat(y0), _contiguous(p), _contiguous(ts)
    _check((), t0, t1, y0, p, ts, problem.options.first_step)
    span = (float(t0), float(t1))
    auto = problem.method is AUTO
    method = Tsit5 if auto else problem.method
    trajectory = integrate(problem.model, method, span, y0, p, ts, problem.options, record, watched=auto)
    if auto and (trajectory.code == state.SWITCH or trajectory.code == state.TOO_SMALL):
        # One method for the whole solve, so that its steps can be transposed as one sequence.
        method = method_named("Rodas5P")
        trajectory = integrate(problem.model, method, span, y0, p, ts, problem.options, record)
    problem.trajectory = trajectory
    if trajectory.code < 0:
        raise SolverError(f"the solve by {method.name} failed, so it has no derivative. {trajectory.message}")
    return trajectory


def _solve(problem: Problem, t0, t1, ts, y0, p):
    """Outputs y(ts), time last, of the solve of ``problem.model`` from (t0, y0) towards t1 with parameters p.

    The differentiable primitive. ``ts`` (k,) and ``p`` (m,) are flat float64 arrays and ``y0`` one of any
    shape, traced or not, t0 and t1 numbers; ``problem`` is static. Since outputs are at ``ts``, nothing
    depends on t1 alone.
    """
    return time_last(run(problem, t0, t1, ts, y0, p, record=0).ys, np.shape(y0))


solve = sciad.custom(_solve, rules_from="adjoints")


def time_last(ys: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows (k, n) of outputs as users see them: of shape (*shape, k)."""
    return ys.T if len(shape) == 1 else ys.T.reshape(*shape, len(ys))


# -- solutions -----------------------------------------------------------------------------------------


def _solution(segments, shape, timed: bool, dense_output: bool, watch) -> Solution:
    last = segments[-1]
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
        t_events=None if watch is None else [np.array(t) for t in watch.t],
        y_events=None if watch is None else [np.array(y) for y in watch.y],
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


SUCCESS = "The solver successfully reached the end of the integration interval."


def _differentiable(problem, t0, t1, ts, y0, p, dense_output) -> Solution:
    """The same through the primitive; under differentiation a failure raises."""
    if ts is None:
        # The steps' times are held; only the ends move with t0 and t1.
        plain = run(problem, strip(t0), strip(t1), _NO_TIMES, strip(y0), strip(p), record=1)
        inner = plain.t_steps[1:].tolist()
        ts = (
            np.stack([t0, *inner, t1])
            if isinstance(t0, Traced) or isinstance(t1, Traced)
            else (np.array([t0, *inner, t1]))
        )
    problem.times = any(isinstance(x, Traced) for x in (t0, t1, ts))
    y = solve(problem, t0, t1, ts, y0, p)
    trajectory = problem.trajectory
    sol = None
    if dense_output:

        def sol(t):
            """The solution at t, differentiable: the same steps, taken again."""
            times = np.reshape(t, (-1,))
            order = np.argsort(strip(times) * (1.0 if strip(t1) >= strip(t0) else -1.0), kind="stable")
            back = np.argsort(order)
            values = solve(problem, t0, t1, times[order], y0, p)
            return values[..., 0] if np.ndim(t) == 0 else values[..., back]

    counts = trajectory.counts if trajectory is not None else {}
    return Solution(
        t=ts,
        y=y,
        sol=sol,
        t_events=None,
        y_events=None,
        nfev=counts.get("nfev", 0),
        njev=counts.get("njev", 0),
        nlu=counts.get("nlu", 0),
        accepted=counts.get("accepted", 0),
        rejected=counts.get("rejected", 0),
        status=0,
        message=SUCCESS,
        method=trajectory.method.name,
        methods=[(float(strip(t0)), trajectory.method.name)],
    )


def strip(x):
    """The plain value inside a traced one, at any level."""
    while isinstance(x, Traced):
        x = x.value
    return x


# -- arguments -----------------------------------------------------------------------------------------

_FLOAT = np.dtype(float)
_NO_TIMES = np.empty(0)


def _tuple_of(args) -> tuple:
    if args is None:
        return ()
    if isinstance(args, tuple):
        return args
    if isinstance(args, list):
        return tuple(args)
    text = f"({args!r},)" if np.ndim(args) == 0 and not isinstance(args, dict) else "(p,), with the comma"
    raise TypeError(f"Supplied 'args' cannot be unpacked. Give a tuple, even for one argument: args={text}")


def _trial(fun, t0, y0, args) -> None:
    """Run the model once in Python, so that a mistake in it is raised as Python raises it."""
    leaves, structure = tree.flatten(args)
    out = fun(raw(t0), raw(y0), *tree.unflatten(structure, [raw(operand(leaf)) for leaf in leaves]))
    if out is None:
        raise ValueError("the right-hand side returns nothing: is its `return` missing?")


def _span(t_span):
    t_span = operand(t_span) if isinstance(t_span, np.ndarray) else t_span
    if isinstance(t_span, Traced):
        t_span = [t_span[i] for i in range(len(t_span))]
    try:
        t0, t1 = t_span
    except (TypeError, ValueError):
        raise ValueError(f"t_span must be two times (t0, t1), not {t_span!r}") from None
    t0 = t0 if isinstance(t0, Traced) else float(t0)
    t1 = t1 if isinstance(t1, Traced) else float(t1)
    if not math.isfinite(strip(t0)) or math.isnan(strip(t1)):
        raise ValueError(f"t_span must be two times, the first of them finite, not {t_span!r}")
    return t0, t1


def _array(x, name: str):
    """A float array, or a traced one of it."""
    x = operand(x)
    if isinstance(x, Traced):
        return x
    array = np.asarray(x)
    if array.dtype == object:
        leaves = [*array.ravel()]
        if any(isinstance(leaf, Traced) for leaf in leaves):
            return np.reshape(np.stack(leaves), array.shape)
    if array.dtype.kind == "c":
        raise TypeError(f"{name} is complex")
    try:
        return array.astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, not {x!r}") from None


def _flat(y0):
    return np.ascontiguousarray(y0, dtype=float).reshape(-1)


def _contiguous(x):
    """float64, C-contiguous and writable, as kernels want their arrays."""
    x = np.ascontiguousarray(x, dtype=float)
    return x if x.flags.writeable else x.copy()


def _options(model, rtol, atol, first_step, max_step, max_steps, tstops, controller, dense) -> Options:
    key = None
    if rtol.__class__ is float and atol.__class__ is float and tstops is None:
        key = (rtol, atol, first_step, max_step, max_steps, controller, dense)
        found = _common.get(key)
        if found is not None:
            return found
    for name, value in (("rtol", rtol), ("atol", atol)):
        array = np.asarray(value, dtype=float)
        if not np.all(array >= 0):
            raise ValueError(f"{name} must not be negative or NaN, but is {value!r}")
        if array.ndim and array.size != model.n:
            raise ValueError(
                f"{name} has shape {array.shape}, but y0 has {model.n} components: give one number or as many"
            )
    if np.any(np.asarray(rtol) < SMALLEST_RTOL) and not np.all(np.asarray(rtol) == 0):
        warnings.warn(
            f"At least one element of `rtol` is too small; {SMALLEST_RTOL:.2g} is used.", stacklevel=3
        )
        rtol = np.maximum(rtol, SMALLEST_RTOL)
    if np.any((np.asarray(rtol) == 0) & (np.asarray(atol) == 0)):
        raise ValueError(
            "rtol and atol are both zero: no step is short enough for that; set one of them above zero"
        )
    if not max_step > 0:
        raise ValueError(f"max_step must be positive, but is {max_step!r}")
    if first_step is not None and not first_step > 0:
        raise ValueError(f"first_step must be positive, but is {first_step!r}")
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, but is {max_steps!r}")
    options = Options(
        rtol=rtol if np.ndim(rtol) == 0 else np.asarray(rtol, dtype=float).ravel(),
        atol=atol if np.ndim(atol) == 0 else np.asarray(atol, dtype=float).ravel(),
        first_step=first_step,
        max_step=float(max_step),
        max_steps=max_steps,
        stops=() if tstops is None else tuple(np.asarray(tstops, dtype=float).ravel().tolist()),
        controller=controller,
        dense_always=dense,
    )
    if key is not None and len(_common) < 1000:
        _common[key] = options
    return options


SMALLEST_RTOL = 100 * np.finfo(float).eps
_common: dict = {}


def _check(args, t0, t1, y0, p, ts, first_step) -> None:
    """Values that no solve can start from, found cheaply and then named precisely."""
    bad = np.flatnonzero(~np.isfinite(y0)) if not math.isfinite(y0.dot(y0)) else ()
    if len(bad):
        raise ValueError(
            f"All components of the initial state `y0` must be finite. y0[{bad[0]}] is {y0[bad[0]]}"
        )
    bad = np.flatnonzero(~np.isfinite(p)) if not math.isfinite(p.dot(p)) else ()
    if len(bad):
        where = f" (in args{_path_of(args, bad[0])})" if args else ""
        raise ValueError(
            f"parameter {bad[0]} of args{where} is {p[bad[0]]}: parameters must be finite numbers"
        )
    if ts.ndim != 1:
        raise ValueError(f"t_eval must be one-dimensional, but has shape {ts.shape}")
    if first_step is not None and t1 != t0 and first_step > abs(t1 - t0) * (1 + 1e-12):
        raise ValueError(f"first_step = {first_step} is longer than the whole t_span ({abs(t1 - t0)})")


def _path_of(args, index: int) -> str:
    """How one would write the leaf that holds flat parameter ``index``."""
    from solvers.build import is_parameter

    for path, leaf in zip(tree.paths(args), tree.tree_leaves(args), strict=True):
        if is_parameter(leaf):
            if index < np.size(leaf):
                return path + (f"[{index}]" if np.ndim(leaf) else "")
            index -= np.size(leaf)
    return ""
