"""What transforms are given, checked leaf by leaf: arguments, directions, losses."""

from __future__ import annotations

from sciad.eager.traced import Traced, operand
from sciad.errors import NotDifferentiable, NotScalar
from sciad.plain_numpy import np

_F64 = np.dtype(np.float64)


def leaf_value(f, x, where):
    """Check one leaf of an argument and return the value to differentiate."""
    cls = x.__class__
    if cls is float or cls is int:
        return np.float64(x)
    if cls is bool:
        return x
    if isinstance(x, Traced):
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        x = operand(x)
        kind = x.dtype.kind
        if kind in "fc" or isinstance(x, Traced):
            return x
        if kind in "iu":
            return x.astype(np.float64)
        if kind == "b":
            return x
    if cls is complex:
        return np.complex128(x)
    text = f"an object array of {x.size}" if isinstance(x, np.ndarray) else f"{x!r}, a {cls.__name__}"
    raise NotDifferentiable(
        f"argument {where()} of {name_of(f)} is {text}: only numbers and arrays can be differentiated. "
        "Leave it out of argnums, or close over it"
    )


def is_differentiable(x) -> bool:
    return isinstance(x, Traced) or (x.__class__ is not bool and x.dtype.kind in "fc")


def like(g, x, what):
    """Bring a tangent or cotangent to the shape of its value."""
    if isinstance(g, Traced):
        pass
    elif g.__class__ is not np.ndarray or g.dtype is not _F64:
        g = operand(g)
        g = (
            g
            if isinstance(g, Traced)
            else np.asarray(g, dtype=np.result_type(x.dtype, np.float32, np.asarray(g)))[()]
        )
    if g.shape != x.shape:
        raise ValueError(f"{what} of shape {g.shape} for a value of shape {x.shape}")
    return g


def zero_of(x):
    dtype = getattr(x, "dtype", _F64)
    return np.zeros(np.shape(x), dtype if dtype.kind in "fc" else _F64)[()]


def scalar_loss(f, out):
    """Check that a loss is one number."""
    if not isinstance(out, Traced):
        if not isinstance(out, (tuple, list)):
            out = operand(out)
        if not isinstance(out, (Traced, float, int, np.number, np.ndarray)) or np.shape(out) != ():
            raise NotScalar(_NOT_SCALAR.format(name_of(f), _describe(out)))
    if out.__class__ in (float, int):
        return np.float64(out)
    if out.shape != ():
        raise NotScalar(_NOT_SCALAR.format(name_of(f), _describe(out)))
    if out.dtype.kind == "c":
        raise NotScalar(f"{name_of(f)} returns a complex number: take np.real, np.imag or np.abs of it")
    return out


_NOT_SCALAR = "{} returns {}, not one number: sum it, pick an entry, or use ad.jacobian or ad.vjp"


def _describe(out):
    if isinstance(out, (Traced, np.ndarray)):
        return f"an array of shape {out.shape}"
    return "None (a missing return?)" if out is None else f"a {type(out).__name__}"


def name_of(f):
    return getattr(f, "__name__", None) or type(f).__name__
