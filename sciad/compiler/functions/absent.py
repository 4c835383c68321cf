"""Functions of the rule table that the compiler has no code for, or not for all arguments, with the reasons.

The reason stands in the error of whoever calls them, and on the page that `docs/make_rules.py` writes.
"""

from __future__ import annotations

from sciad.eager.scipy_standins import INSTEAD, refusal

_COMPLEX = "its values are complex, and numbers of compiled functions are real"
_LAPACK = "it is iterations of LAPACK, which compiled code does not call"
_THROUGH = "it needs the singular value decomposition, which is iterations of LAPACK"
_LENGTH = "the length of an array in it depends on values, and lengths are known while compiling"
_SEVERAL = "it returns several numbers, and SciPy's code for such functions is not called"
_SEVERAL_RESULTS = "airy airye fresnel it2i0k0 it2j0y0 itairy iti0k0 itj0y0 shichi sici"
_FFTS = "fft fft2 fftn ifft ifft2 ifftn rfft rfft2 rfftn irfft irfft2 irfftn hfft ihfft"

REASONS: dict[str, str] = {
    **{f"np.fft.{name}": _COMPLEX for name in _FFTS.split()},
    "np.frexp": "it takes numbers apart by their bits",
    "np.histogram": "the edges of its bins are found from all values by NumPy",
    "np.linalg.cond": f"{_THROUGH} (for p=None, 2 and -2)",
    "np.linalg.eig": _LAPACK,
    "np.linalg.eigh": _LAPACK,
    "np.linalg.eigvals": _LAPACK,
    "np.linalg.eigvalsh": _LAPACK,
    "np.linalg.lstsq": "its singular values are iterations of LAPACK (the rest is there)",
    "np.linalg.matrix_norm": f"{_THROUGH} (for ord=2, -2 and 'nuc')",
    "np.linalg.norm": f"{_THROUGH} (for matrices, ord=2, -2 and 'nuc')",
    "np.linalg.pinv": _THROUGH,
    "np.linalg.svd": _LAPACK,
    "np.linalg.svdvals": _LAPACK,
    "np.piecewise": _LENGTH,
    "np.place": _LENGTH,
    "np.putmask": _LENGTH,
    "np.roots": _LENGTH,
    "np.trim_zeros": _LENGTH,
    "np.unique": _LENGTH,
    "scipy.linalg.eigh": _LAPACK,
    "scipy.linalg.eigvalsh": _LAPACK,
    "scipy.linalg.expm": "it chooses its order and scaling by estimates of norms",
    "scipy.linalg.expm_frechet": "it needs scipy.linalg.expm, which chooses its order by estimates of norms",
    "scipy.linalg.lstsq": _THROUGH,
    "scipy.linalg.pinv": _THROUGH,
    "scipy.linalg.solve_sylvester": "it needs the Schur form, which is iterations of LAPACK",
    "scipy.linalg.sqrtm": "it needs the Schur form, which is iterations of LAPACK",
    "scipy.linalg.svd": _LAPACK,
    "scipy.linalg.svdvals": _LAPACK,
    "scipy.special._lambertw": _COMPLEX,
    "scipy.special.wofz": _COMPLEX,
    **{f"scipy.special.{name}": _SEVERAL for name in _SEVERAL_RESULTS.split()},
}


def refused(name: str) -> str:
    """What is said of a function without code, of which nothing else is known to be wrong."""
    if name in REASONS:
        return f"{name} is not compiled: {REASONS[name]}"
    return f"the function {name} is not known to the compiler"


def hint(fn) -> str:
    """What to write in place of a function that is refused."""
    package = ".".join((getattr(fn, "__module__", None) or "").split(".")[:2])
    instead = INSTEAD.get(package, {}).get(getattr(fn, "__name__", ""))
    if instead is not None:
        return f"Call it outside of the compiled function. For its derivative: {instead}."
    of = getattr(fn, "__self__", None)
    if package == "scipy.stats" and of is not None:
        return f"{refusal(of, fn.__name__)}."
    return "Write it in functions that are (NumPy, math, scipy.special, your own), or call it outside."
