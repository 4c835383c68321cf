"""solve_sde: stochastic differential equations, many paths at a time, differentiable."""

from __future__ import annotations

import warnings

import numpy as np

import sciad as ad
from sciad.errors import NotDifferentiable, SolverError, UnsupportedSyntax
from sciad.solvers.model.parameters import example, is_parameter, join, kind_of, present
from sciad.solvers.sde import step_functions as step_sde
from sciad.solvers.sde.brownian import AREAS, SNAP, SPACE_TIME, BrownianMotion
from sciad.solvers.sde.compiled_step import CallbackStep, CompiledStep, step_function
from sciad.solvers.sde.sde_problem import Problem, check_dependence, fixed_grid, shape_of_noise
from sciad.solvers.sde.sde_solution import SDESolution
from sciad.solvers.sde.stochastic_methods import ITO, NOISES, STRATONOVICH, find_method
from sciad.tree import flatten, unflatten

__all__ = ["solve_sde"]


def solve_sde(
    drift,
    diffusion,
    t_span,
    y0,
    *,
    args=(),
    noise="diagonal",
    calculus="ito",
    method="auto",
    t_eval=None,
    dt=None,
    rtol=None,
    atol=None,
    seed=None,
    paths=None,
    brownian=None,
    quantiles=None,
    first_step=None,
    max_step=np.inf,
    max_steps=100_000,
    adjoint="auto",
    threads=None,
    progress=False,
):
    """Solve ``dy = drift(t, y) dt + diffusion(t, y) dW``.

    Parameters
    ----------
    drift : callable
        ``drift(t, y, *args) -> ndarray`` of the shape of y.
    diffusion : callable
        ``diffusion(t, y, *args) -> ndarray``; its shape depends on `noise`.
    t_span : (float, float)
        Start and end; time runs forwards.
    y0 : array_like
        Initial state, of any shape.
    args : tuple
        Further arguments: nested tuples, lists, dicts, NamedTuples and dataclasses of numbers and arrays.
    noise : {"diagonal", "scalar", "additive", "general"}
        - ``"diagonal"``: diffusion has the shape of y, one Brownian motion per component;
        - ``"scalar"``: diffusion has the shape of y, one Brownian motion for all;
        - ``"general"``: diffusion has the shape of y and one more axis, along which the Brownian motions run;
        - ``"additive"``: diffusion does not depend on y; shaped as for diagonal or general noise.
    calculus : {"ito", "stratonovich"}
        The sense of the noise term. The method must have the same.
    method : str or Method
        See ``sciad.solvers.sde.stochastic_methods.METHODS``. "auto" takes SRA1 for additive, SRIW1 for
        diagonal and scalar noise, EulerMaruyama for general noise, and Heun in the Stratonovich sense.
    t_eval : array_like, optional
        Increasing times at which to return the solution; steps end there exactly, and the solve at the last
        of them. By default the ends of the steps (for ensembles with steps of their own: start and end).
    dt : float, optional
        Size of fixed steps; the last one is shorter where it does not divide the span.
    rtol, atol : float, optional
        Tolerances of adaptive steps (1e-3 and 1e-6 where one is given), for methods with an error estimate.
        Either these or `dt`.
    seed : int, optional
        Of the noise; a fresh one if not given. It is an attribute of the solution.
    paths : int, optional
        Number of independent paths. The results do not depend on the number of threads.
    brownian : BrownianMotion, optional
        The noise itself, to share a path between solves or to use given increments.
    quantiles : sequence of float, optional
        Return mean, standard deviation and these quantiles instead of all paths, in memory that does not grow
        with `paths`.
    first_step, max_step, max_steps : float, float, int
        Of adaptive steps.
    adjoint : {"auto"} or an instance of a method of ``adjoints``
        How gradients are computed: DiscreteAdjoint (the default), ReversibleAdjoint, BacksolveAdjoint or
        ForwardSensitivity.
    threads : int, optional
        All cores by default.
    progress : bool
        Show a progress bar.

    Returns
    -------
    SDESolution
        With ``t`` of shape (T,) and ``y`` of shape ``y0.shape + (T,)``, or ``(paths,) + y0.shape + (T,)``.

    Raises
    ------
    ValueError
        For wrong input; the message says which.
    SolverError
        Where a derivative is wanted of a solve that failed.

    Examples
    --------
    Geometric Brownian motion:

    >>> import numpy as np
    >>> from sciad.solvers import solve_sde
    >>> sol = solve_sde(lambda t, y: 0.1 * y, lambda t, y: 0.2 * y, (0, 1), [1.0],
    ...                 dt=0.01, seed=1, paths=1000, t_eval=[1.0])
    >>> sol.y.shape
    (1000, 1, 1)
    >>> bool(abs(sol.y.mean() - np.exp(0.1)) < 0.03)
    True
    """
    problem, start, p = _prepare(**{k: v for k, v in locals().items() if k != "quantiles"})
    if quantiles is not None:
        return _statistics(problem, start, p, quantiles)
    y, info = run_paths(problem, start, p)
    return SDESolution(problem, _shaped(problem, y), info)


def _simulate(problem, y0, p):
    return problem.forward(np.ascontiguousarray(y0, float), np.ascontiguousarray(p, float))


def run_paths(problem, y0, p):
    """Run the primitive; returns its output and what is known of the run."""
    out = simulate(problem, y0, p)
    traced = ad.is_traced(out)
    if traced and not problem.info.success:
        raise SolverError(problem.info.message)
    return out, problem.info


simulate = ad.custom(_simulate, rules_from="sciad.adjoints.sde.sde_rules")
"""The primitive ``(problem, y0 (size,), p (n_p,)) -> out (T, n, paths)``; its rules "
"are in adjoints/sde.py."""


def _prepare(
    drift,
    diffusion,
    t_span,
    y0,
    args,
    noise,
    calculus,
    method,
    t_eval,
    dt,
    rtol,
    atol,
    seed,
    paths,
    brownian,
    first_step,
    max_step,
    max_steps,
    adjoint,
    threads,
    progress,
):
    _no_derivative(t_eval=t_eval, dt=dt, rtol=rtol, atol=atol, first_step=first_step, max_step=max_step)
    t0, t1 = _span(t_span)
    args = tuple(args) if isinstance(args, tuple | list) else (args,)
    y0 = y0 if ad.is_traced(y0) else _state(y0)
    leaves, structure = flatten(args)
    leaves = [present(leaf) for leaf in leaves]
    kinds = [kind_of(leaf) for leaf in leaves]
    _check_numbers(y0, leaves)
    if noise not in NOISES:
        raise ValueError(f"noise = {noise!r} is not one of {', '.join(NOISES)}")
    adaptive = rtol is not None or atol is not None
    _check_steps(dt=dt, rtol=rtol, atol=atol, first_step=first_step, max_step=max_step, max_steps=max_steps)
    method = _method(method, noise, calculus, adaptive)
    if adaptive == (dt is not None):
        raise ValueError("give either dt (fixed steps) or rtol and atol (adaptive steps)")
    if dt is not None and (t1 - t0) / dt > MOST_STEPS:
        raise ValueError(
            f"dt = {dt} makes {(t1 - t0) / dt:.3g} steps of t_span ({t0}, {t1}); that is too many"
        )
    if threads is not None and not (isinstance(threads, int | np.integer) and threads > 0):
        raise ValueError(f"threads = {threads!r} must be a positive integer")
    if paths is not None and not (isinstance(paths, int | np.integer) and paths > 0):
        raise ValueError(f"paths = {paths!r} must be a positive integer")

    plain = tree_plain(args)
    shape = np.shape(plain_value(y0))
    kind, noise_shape = shape_of_noise(drift, diffusion, noise, t0, plain_value(y0), plain)
    times = {"diagonal": step_sde.elementwise, "scalar": step_sde.elementwise}.get(
        kind, step_sde.matrix if len(shape) == 1 else step_sde.tensor
    )
    check_dependence(diffusion, noise, kind, method, t0, t1, plain_value(y0), plain)
    brownian, seed = _motion(brownian, seed, t0, t1, dt, noise_shape, paths)
    method = method.form(kind, brownian.size)
    if method.noise == AREAS and min(dt, t1 - t0) < brownian.leaf * (1 - 1e-9):
        raise ValueError(
            f"dt = {dt} is shorter than {brownian.leaf:.6g}, to which the Brownian motion given resolves "
            f"Levy areas: make it with dt = {dt} or less"
        )

    y = np.zeros(shape) if shape else 0.0
    w = np.zeros(noise_shape) if noise_shape else 0.0
    y = (y, y) if method.copies == 2 else y
    if method.noise == SPACE_TIME:
        w = (w, w)
    elif method.noise == AREAS:
        w = (w, np.zeros(brownian.size * (brownian.size - 1) // 2))
    model = (drift, diffusion, times)
    template = unflatten(structure, [example(leaf, kind) for leaf, kind in zip(leaves, kinds, strict=True)])
    step = make_step(method.fixed, method.derivative, model, y, w, template)
    embedded = make_step(method.embedded, method.derivative, model, y, w, template) if adaptive else None
    problem = Problem(
        step=step,
        embedded=embedded,
        method=method,
        shape=shape,
        brownian=brownian,
        seed=seed,
        paths=paths,
        grid=fixed_grid(t0, t1, dt, t_eval, brownian) if not adaptive else None,
        ts=_outputs(t0, t1, t_eval, paths) if adaptive else None,
        control=(
            1e-3 if rtol is None else rtol,
            1e-6 if atol is None else atol,
            first_step or (t1 - t0) / 100,
            max_step,
            max_steps,
        ),
        adjoint=adjoint,
        threads=threads,
        progress=progress,
        parts=(drift, diffusion, times, noise, kind, calculus, y, w, template),
    )
    p = join(leaves, kinds, step.captured)
    start = np.ravel(y0)
    if method.copies == 2:
        start = np.concatenate([start, start])
    return problem, start, p


def make_step(step, derivative: bool, model, y, w, args):
    """The step with the user's functions, compiled, or in Python where that is not possible."""
    drift, diffusion, times = model
    try:
        if derivative:
            from sciad.solvers.sde.diffusion_derivative import along_itself

            times = along_itself(diffusion, y, args)
        return CompiledStep(step_function(step, drift, diffusion, times), y, w, args)
    except UnsupportedSyntax as refusal:
        warnings.warn(f"the model is not compiled and runs as Python, slowly: {refusal}", stacklevel=5)
        times = step_sde.along_itself if derivative else model[2]
        return CallbackStep(step_function(step, drift, diffusion, times), y, w, args)


def _shaped(problem, y):
    """(T, n, paths) to (paths, *shape, T), or (*shape, T) of a single path."""
    y = np.transpose(y, (2, 1, 0))
    y = np.reshape(y, (y.shape[0], *problem.shape, y.shape[2]))
    return y if problem.paths is not None else y[0]


def _statistics(problem, start, p, quantiles):
    from sciad.solvers.sde.ensemble import Moments

    levels = tuple(float(q) for q in quantiles)
    if not all(0 <= q <= 1 for q in levels):
        raise ValueError(f"quantiles = {levels} must lie in [0, 1]")
    if problem.paths is None:
        raise ValueError("quantiles need an ensemble: give paths")
    if ad.is_traced(start) or ad.is_traced(p):
        raise TypeError("quantiles are not differentiable; differentiate a function of sol.y instead")
    moments = Moments()
    problem.in_parts(start, p, moments.add)
    problem.in_parts(start, p, moments.sort)

    def shaped(values):
        return np.reshape(np.moveaxis(values, 0, -1), (*problem.shape, values.shape[0]))

    info = problem.info
    return SDESolution(
        problem,
        None,
        info,
        mean=shaped(moments.mean),
        std=shaped(moments.std),
        quantiles={q: shaped(moments.quantile(q)) for q in levels},
    )


# -- checking what the user gave ---------------------------------------------------------------------


MOST_STEPS = 1e9


def _no_derivative(**options):
    """Refuse numbers that are being differentiated where there is no derivative."""
    for name, value in options.items():
        parts = value if isinstance(value, list | tuple) else (value,)
        if any(ad.is_traced(part) for part in parts):
            why = "a Brownian path has no derivative in time" if name[0] == "t" else "steps are held constant"
            raise NotDifferentiable(
                f"{name} of a stochastic equation cannot be differentiated: {why}; "
                f"give ad.stop_gradient({name}) where it is meant as a constant"
            )


def _span(t_span):
    _no_derivative(t_span=t_span)
    if np.shape(t_span) != (2,):
        raise ValueError(f"t_span = {t_span!r} must be two times, start and end")
    t0, t1 = (float(t) for t in t_span)
    if not (np.isfinite(t0) and np.isfinite(t1) and t1 > t0):
        raise ValueError(f"t_span = ({t0}, {t1}) must be finite and increase")
    return t0, t1


def _state(y0):
    y0 = np.asarray(y0)
    if y0.dtype == object:
        return np.stack(list(y0.ravel())).reshape(y0.shape)
    if y0.dtype.kind not in "fiub":
        raise ValueError(f"y0 of dtype {y0.dtype}: real numbers are wanted")
    if not y0.size:
        raise ValueError(f"y0 of shape {y0.shape} holds no numbers")
    return y0.astype(float)


def _check_steps(dt, rtol, atol, first_step, max_step, max_steps):
    for name, value, least in (
        ("dt", dt, "positive and finite"),
        ("rtol", rtol, "not negative and finite"),
        ("atol", atol, "not negative and finite"),
        ("first_step", first_step, "positive and finite"),
        ("max_step", max_step, "positive"),
        ("max_steps", max_steps, "positive"),
    ):
        if value is None:
            continue
        number = np.ndim(value) == 0 and isinstance(value, int | float | np.number | np.ndarray)
        low = number and (value > 0 or (value == 0 and least.startswith("not")))
        if not (low and (value < np.inf or not least.endswith("finite"))):
            raise ValueError(
                f"{name} = {value!r} must be a number that is {least}".replace("that is not", "not")
            )
    if rtol == 0 and atol == 0:
        raise ValueError("rtol and atol are both 0: one must be positive")


def _check_numbers(y0, leaves):
    values = [("y0", y0)] + [("args", x) for x in leaves if is_parameter(x)]
    for name, value in values:
        if not np.all(np.isfinite(np.asarray(plain_value(value), float))):
            raise ValueError(f"{name} holds values that are not finite")


def _method(method, noise, calculus, adaptive):
    if calculus not in (ITO, STRATONOVICH):
        raise ValueError(f'calculus = {calculus!r} is not one of "ito", "stratonovich"')
    if isinstance(method, str) and method == "auto":
        if calculus == STRATONOVICH and noise != "additive":
            method = "Heun"
        else:
            method = {"additive": "SRA1", "general": "EulerMaruyama"}.get(noise, "SRIW1")
    method = find_method(method)
    if noise not in method.noises:
        raise ValueError(
            f"{method.name} is for {' and '.join(method.noises)} noise, not for {noise} noise; "
            f"for that take EulerMaruyama (Ito) or Heun (Stratonovich)"
        )
    if method.calculus != calculus and noise != "additive":
        other = "Heun, Midpoint or EulerHeun" if calculus == STRATONOVICH else "EulerMaruyama or SRIW1"
        raise ValueError(
            f"{method.name} solves in the sense of {method.calculus.capitalize()}, "
            f"and calculus = {calculus!r}: "
            f"take {other}, or state the equation in the other sense (the drifts "
            f"differ by half the derivative "
            f"of the diffusion along itself)"
        )
    if adaptive and method.embedded is None:
        raise ValueError(
            f"{method.name} has no error estimate: give dt, or take SRA1, SRA3, SRIW1 "
            f"or SOSRI for adaptive steps"
        )
    return method


def _motion(brownian, seed, t0, t1, dt, noise_shape, paths):
    if brownian is None:
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        return BrownianMotion((t0, t1), noise_shape, seed, min(dt, t1 - t0) if dt else None), seed
    if seed is not None:
        raise ValueError("give seed or brownian, not both: the Brownian motion has a seed of its own")
    if not isinstance(brownian, BrownianMotion):
        raise ValueError(
            f"brownian = {brownian!r:.60} is not a BrownianMotion; for given increments make one with "
            f"BrownianMotion(t_span, shape, increments=...)"
        )
    given = brownian.table.shape[0]
    if brownian.table.shape[1] and 1 < given < (paths or 1):
        raise ValueError(f"the Brownian motion has the increments of {given} paths, and paths = {paths}")
    if brownian.size != int(np.prod(noise_shape)):
        raise ValueError(
            f"the equation has noise of shape {noise_shape}, the Brownian motion given has {brownian.shape}"
        )
    slack = SNAP * brownian.dt
    if t0 < brownian.start - slack or t1 > brownian.stop + slack:
        raise ValueError(
            f"t_span ({t0}, {t1}) leaves the span ({brownian.start}, {brownian.stop}) of the Brownian motion"
        )
    return brownian, brownian.seed


def _outputs(t0, t1, t_eval, paths):
    if t_eval is None:
        return (np.array([t0, t1]), None if paths is None else slice(None))
    ts = np.asarray(t_eval, float)
    check_outputs(ts, t0, t1)
    ends = np.unique(np.concatenate([[t0], ts]))
    return ends, np.searchsorted(ends, ts)


def check_outputs(ts, t0, t1):
    """Raise unless `ts` increases and lies in the span."""
    if ts.ndim != 1 or not ts.size:
        raise ValueError(f"t_eval must be a list of times; its shape is {ts.shape}")
    if not (np.all(np.diff(ts) > 0) and ts[0] >= t0 and ts[-1] <= t1):
        raise ValueError(f"t_eval must increase and lie in t_span ({t0}, {t1})")


def plain_value(x):
    """The number or array under all tracing."""
    while ad.is_traced(x):
        x = x.value
    return x


def tree_plain(tree):
    """A nested structure with all tracing taken off."""
    from sciad.tree import tree_map

    return tree_map(plain_value, tree)
