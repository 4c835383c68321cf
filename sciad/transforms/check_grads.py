"""Check derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable

from sciad.errors import CheckFailed
from sciad.plain_numpy import np
from sciad.transforms.gradients import jvp, vjp
from sciad.tree import flatten, unflatten


def check_grads(
    f: Callable,
    args: tuple,
    order: int = 2,
    modes: tuple[str, ...] = ("forward", "reverse"),
    rtol: float = 1e-6,
    atol: float = 1e-6,
    step: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check the derivatives of `f` along random directions.

    Forward mode is compared with central differences, reverse mode with forward mode by <v, J u> = <J' v,
    u>; for ``order=2`` the same is asked of the derivatives themselves.

    Parameters
    ----------
    f : callable
    args : tuple
        The point: numbers, arrays or nested structures of them.
    order : int
        Highest order of derivative checked.
    modes : tuple
        Of "forward" and "reverse".
    rtol, atol : float
        Tolerances of the comparison with finite differences.
    step : float
        Step of the central difference, relative to ``max(1, |x|)``.

    Raises
    ------
    CheckFailed
        Names the mode, the order and both numbers.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.check_grads(lambda x: np.sin(x) * x, (np.array([0.3, 1.0]),))
    """
    from numpy.random import default_rng

    rng = default_rng(seed)
    args = args if isinstance(args, tuple) else (args,)
    _check(f, args, order, tuple(modes), rtol, atol, step, rng, "f")


def _check(f, args, order, modes, rtol, atol, step, rng, label):
    u = _random_like(args, rng)
    out = f(*args)
    v = _random_like(out, rng)
    size = max([1.0, *(float(np.max(np.abs(x), initial=0.0)) for x in flatten(args)[0])])
    h = step * size
    difference = (_inner(v, f(*_moved(args, u, h))) - _inner(v, f(*_moved(args, u, -h)))) / (2 * h)
    found = {}
    if "forward" in modes:
        value, dout = jvp(f, args, u)
        _same(f"the value of {label} in forward mode", _inner(v, value), _inner(v, out), 1e-9, 1e-9)
        found["forward"] = _inner(v, dout)
    if "reverse" in modes:
        value, pullback = vjp(f, *args)
        _same(f"the value of {label} in reverse mode", _inner(v, value), _inner(v, out), 1e-9, 1e-9)
        found["reverse"] = _inner(pullback(v), u)
    for mode, derivative in found.items():
        _same(f"{label}: {mode} mode against central differences", derivative, difference, rtol, atol)
    if len(found) == 2:
        _same(f"{label}: <J'v, u> against <v, J u>", found["reverse"], found["forward"], 1e-9, 1e-9)
    if order > 1:
        if "forward" in modes:
            _check(
                lambda *a: jvp(f, a, u)[1],
                args,
                order - 1,
                modes,
                10 * rtol,
                10 * atol,
                step,
                rng,
                f"jvp of {label}",
            )
        if "reverse" in modes:
            _check(
                lambda *a: vjp(f, *a)[1](v),
                args,
                order - 1,
                modes,
                10 * rtol,
                10 * atol,
                step,
                rng,
                f"vjp of {label}",
            )


def _same(what, got, want, rtol, atol):
    error = abs(got - want)
    if not error <= atol + rtol * max(abs(want), abs(got)):
        raise CheckFailed(f"{what}: {got:.12g} and {want:.12g} differ by {error:.3g}")


def _random_like(tree, rng):
    leaves, structure = flatten(tree)
    made = []
    for x in leaves:
        shape = np.shape(x)
        r = rng.standard_normal(shape)
        made.append(
            r + 1j * rng.standard_normal(shape) if np.iscomplexobj(x) else np.float64(r) if shape == () else r
        )
    return unflatten(structure, made)


def _moved(args, u, h):
    leaves, structure = flatten(args)
    return unflatten(structure, [x + h * d for x, d in zip(leaves, flatten(u)[0], strict=True)])


def _inner(v, x):
    pairs = zip(flatten(v)[0], flatten(x)[0], strict=True)
    return float(sum(np.sum(np.real(np.asarray(a) * np.asarray(b))) for a, b in pairs))
