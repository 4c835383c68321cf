"""Functions of `scipy.special` that are not ufuncs, written in those that are."""

from __future__ import annotations

import math
import sys

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import TABLE
from sciad.compiler.functions.reductions import sum_
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.arrays import elementwise
from sciad.compiler.objects.kinds import is_array


def find(fn):
    """The lowering of a function of `scipy.special`, if that has been imported."""
    module = sys.modules.get("scipy.special")
    if module is None:
        return None
    name = getattr(fn, "__name__", "")
    lowering = _LOWERINGS.get(name) if getattr(module, name, None) is fn else None
    if lowering is not None:
        TABLE[fn] = lowering
    return lowering


def _zeta(t, x, q=None):
    import scipy.special

    from sciad.private_interfaces import hurwitz_zeta

    if q is None:
        if isinstance(x, Value) or is_array(x):
            raise Refusal("zeta of a value", "Give the order as a constant, or zeta(x, q).")
        return float(scipy.special.zeta(x))
    return elementwise(t, hurwitz_zeta, t.as_array(x), t.as_array(q))


def _polygamma(t, n, x):
    import scipy.special

    if type(n) is not int or n < 0:
        raise Refusal("polygamma of an order that is not known while compiling")
    x = t.as_array(x)
    if n == 0:
        return elementwise(t, scipy.special.digamma, x)
    zeta = _zeta(t, float(n + 1), x)
    return elementwise(t, np.multiply, (-1.0) ** (n + 1) * math.factorial(n), zeta)


def _shifted(t, a, axis):
    """`a` minus its maximum, and the maximum in the shape of a sum."""
    a = t.settled(t.as_array(a))
    top = t.call(np.max, [a], {"axis": axis, "keepdims": True})
    finite = elementwise(t, np.isfinite, top)
    top = t.settled(t.call(np.where, [finite, top, 0.0], {}))
    return t.settled(elementwise(t, np.subtract, a, top)), top


def _logsumexp(t, a, axis=None, keepdims=False):
    gap, top = _shifted(t, a, axis)
    total = sum_(t, elementwise(t, np.exp, gap), axis, True)
    result = t.settled(elementwise(t, np.add, elementwise(t, np.log, total), top))
    return result if keepdims else sum_(t, result, axis)


def _softmax(t, x, axis=None):
    terms = t.settled(elementwise(t, np.exp, _shifted(t, x, axis)[0]))
    return elementwise(t, np.divide, terms, sum_(t, terms, axis, True))


def _log_softmax(t, x, axis=None):
    gap, _ = _shifted(t, x, axis)
    total = sum_(t, elementwise(t, np.exp, gap), axis, True)
    return elementwise(t, np.subtract, gap, elementwise(t, np.log, total))


def _multigammaln(t, a, d):
    import scipy.special

    if type(d) is not int:
        raise Refusal("multigammaln of a dimension that is not known while compiling")
    total = d * (d - 1) / 4.0 * math.log(math.pi)
    for j in range(1, d + 1):
        term = elementwise(t, scipy.special.gammaln, elementwise(t, np.add, a, (1.0 - j) / 2.0))
        total = elementwise(t, np.add, total, term)
    return total


_LOWERINGS = {
    "zeta": _zeta,
    "polygamma": _polygamma,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "multigammaln": _multigammaln,
}
