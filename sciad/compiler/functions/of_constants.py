"""Functions that are computed while compiling, since programs call them with constants: tables of nodes,
counts of combinations, random numbers of a generator that the program has made from a seed.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from sciad.compiler.fence import NeedUnroll
from sciad.compiler.functions.definitions import Dynamic, computed, static

_FUNCTIONS = {
    math.factorial, math.comb, math.perm, math.gcd, math.lcm, math.isqrt, math.floor, math.ceil, math.trunc,
    np.hanning, np.hamming, np.blackman, np.bartlett, np.kaiser, np.polyder, np.polyint, np.triu_indices,
    np.tril_indices, np.indices, np.unravel_index, np.ravel_multi_index, np.finfo, np.iinfo, np.fft.fftfreq,
    np.fft.rfftfreq, np.diag_indices, np.poly, itertools.count,
}  # fmt: skip
_NODES = ("leggauss", "chebgauss", "hermgauss", "hermegauss", "laggauss", "chebpts1", "chebpts2")


def value(t, fn, args, kwargs):
    """``(result,)`` of a function of constants, or None."""
    of = getattr(fn, "__self__", None)
    if fn is np.random.default_rng and args and type(args[0]) is int:
        return (np.random.default_rng(args[0]),)
    if isinstance(of, np.random.Generator):
        if t.in_region():
            raise NeedUnroll("random numbers drawn in a loop or branch", "Draw them before it, as one array.")
        return (computed(t, fn, args, kwargs),)
    module, name = getattr(fn, "__module__", None) or "", getattr(fn, "__name__", "")
    try:
        known = fn in _FUNCTIONS or (module.startswith("numpy.polynomial") and name in _NODES)
        if not known:
            return None
        for a in (*args, *kwargs.values()):
            static(t, a)
        return (computed(t, fn, args, kwargs),)
    except (Dynamic, TypeError):
        return None
