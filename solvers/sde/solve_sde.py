"""solve_sde: stochastic differential equations, many paths at a time, differentiable."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from sciad.eager.traced import is_traced
from sciad.errors import SolverError
from sciad.foreign import plain_arguments
from sciad.solvers.model.arguments import argument_tuple, checked_start, contiguous, float_array
from sciad.solvers.model.parameters import example, join, kinds_of
from sciad.solvers.sde.ensemble import Moments
from sciad.solvers.sde.equation import Equation, check_dependence, shape_of_noise
from sciad.solvers.sde.sde_arguments import (
    StepChoice,
    brownian_motion,
    check_areas,
    check_counts,
    forward_span,
    increasing_times,
    method_for,
    one_of_batch,
    refuse_derivatives,
)
from sciad.solvers.sde.sde_problem import SDEProblem
from sciad.solvers.sde.sde_solution import SDESolution
from sciad.solvers.sde.time_grid import fixed_grid, output_times
from sciad.solvers.strict import refuse_failure
from sciad.solvers.suggestions import check_adjoint
from sciad.transforms.delegated import Delegated
from sciad.tree import flatten, unflatten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from sciad.solvers.adjoint import Adjoint
    from sciad.solvers.sde.brownian import BrownianMotion

__all__ = ["solve_sde"]


def solve_sde(
    drift: Callable,
    diffusion: Callable,
    t_span: ArrayLike,
    y0: ArrayLike,
    *,
    args: Sequence = (),
    noise: str = "diagonal",
    calculus: str = "ito",
    method: str = "auto",
    t_eval: ArrayLike | None = None,
    dt: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int | None = None,
    paths: int | None = None,
    brownian: BrownianMotion | None = None,
    quantiles: Sequence[float] | None = None,
    first_step: float | None = None,
    max_step: float = np.inf,
    max_steps: int = 100_000,
    adjoint: str | Adjoint = "auto",
    threads: int | None = None,
    progress: bool = False,
) -> SDESolution:
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
    for name, fun in (("drift", drift), ("diffusion", diffusion)):
        if not callable(fun):
            raise TypeError(
                f"the model comes first: solve_sde(drift, diffusion, t_span, y0, ...), but {name} is {fun!r}"
            )
    refuse_derivatives(
        t_span=t_span, t_eval=t_eval, dt=dt, rtol=rtol, atol=atol, first_step=first_step, max_step=max_step
    )
    args = plain_arguments(argument_tuple(args), drift)
    span, y0 = forward_span(t_span), float_array(y0, "y0")
    if not np.size(y0):
        raise ValueError(f"y0 of shape {np.shape(y0)} holds no numbers")
    steps = StepChoice.checked(span, dt, rtol, atol, first_step, max_step, max_steps)
    method = method_for(method, noise, calculus, steps.adaptive)
    check_adjoint(adjoint, "solve_sde")
    check_counts(threads=threads, paths=paths)
    ts = increasing_times(t_eval, span)

    leaves, structure = flatten(args)
    kinds = kinds_of(leaves)
    plain_y0, plain = one_of_batch(y0), [one_of_batch(leaf) for leaf in leaves]
    _check_numbers(args, span, plain_y0, join(plain, kinds, []), first_step)

    plain = unflatten(structure, plain)
    kind, noise_shape = shape_of_noise(drift, diffusion, noise, span[0], plain_y0, plain)
    check_dependence(diffusion, noise, kind, method, *span, plain_y0, plain)
    motion = brownian_motion(brownian, seed, span, steps.dt, noise_shape, paths)
    method = method.form(kind, motion.size)
    check_areas(method, steps.dt, span, motion)
    template = unflatten(structure, [example(leaf, kind) for leaf, kind in zip(leaves, kinds, strict=True)])
    equation = Equation(drift, diffusion, noise, calculus, np.shape(plain_y0), kind, noise_shape, template)
    build = functools.partial(
        equation.step, method=method, size=motion.size, derivative=method.derivative, copies=method.copies
    )
    step = build(method.fixed)
    problem = SDEProblem(
        equation=equation,
        method=method,
        step=step,
        embedded=build(method.embedded, estimate=True) if steps.adaptive else None,
        brownian=motion,
        steps=steps,
        grid=None if steps.adaptive else fixed_grid(*span, steps.dt, ts, motion),
        outputs=output_times(*span, ts, paths) if steps.adaptive else None,
        paths=paths,
        adjoint=adjoint,
        threads=threads,
        progress=progress,
    )
    start, p = np.concatenate([np.reshape(y0, (-1,))] * method.copies), join(leaves, kinds, step.captured)
    if quantiles is not None:
        return _statistics(problem, start, p, quantiles)
    return SDESolution(problem, _shaped(problem, run_paths(problem, start, p)))


def _check_numbers(args, span, y0, p, first_step) -> None:
    checked_start(args, *span, y0, p, np.empty(0), first_step)


def _simulate(problem, y0, p):
    return problem.forward(np.ascontiguousarray(y0, float), contiguous(p))


def run_paths(problem, y0, p):
    """Outputs (T, n, paths) by the primitive."""
    out = simulate(problem, y0, p)
    if is_traced(out) and not problem.run.success:
        raise SolverError(problem.run.message)
    if not problem.run.success:
        refuse_failure(problem.run.message)
    return out


simulate = Delegated(_simulate, rules_from="sciad.adjoints.sde.sde_rules")
"""The primitive ``(problem, y0 (size,), p (n_p,)) -> out (T, n, paths)``; `adjoints/sde` has its rules."""


def _shaped(problem, y):
    """(T, n, paths) to (paths, *shape, T), or (*shape, T) of a single path."""
    y = np.transpose(y, (2, 1, 0))
    y = np.reshape(y, (y.shape[0], *problem.shape, y.shape[2]))
    return y if problem.paths is not None else y[0]


def _statistics(problem, start, p, quantiles):
    levels = tuple(float(q) for q in quantiles)
    if not all(0 <= q <= 1 for q in levels):
        raise ValueError(f"quantiles = {levels} must lie in [0, 1]")
    if problem.paths is None:
        raise ValueError("quantiles need an ensemble: give paths")
    if is_traced(start) or is_traced(p):
        raise TypeError("quantiles are not differentiable; differentiate a function of sol.y instead")
    moments = Moments()
    problem.in_parts(start, p, moments.add)
    problem.in_parts(start, p, moments.sort)

    def shaped(values):
        return np.reshape(np.moveaxis(values, 0, -1), (*problem.shape, values.shape[0]))

    return SDESolution(
        problem,
        None,
        mean=shaped(moments.mean),
        std=shaped(moments.std),
        quantiles={q: shaped(moments.quantile(q)) for q in levels},
    )
