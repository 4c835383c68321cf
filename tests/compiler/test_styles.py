"""A hundred and twenty-five programs in the styles of scientists: what compiles computes what Python does."""

import warnings

import numpy as np
import pytest

import sciad as ad
from tests.problems import styles_arrays, styles_language, styles_objects

PROGRAMS = [*styles_language.PROGRAMS, *styles_objects.PROGRAMS, *styles_arrays.PROGRAMS]
REFUSED = {
    "swapped_objects": "another one on another path",
    "piecewise": "unknown length",
    "eigenvalues": "iterations of LAPACK",
    "eigenvectors": "iterations of LAPACK",
    "masks": "unknown length",
    "complex_phase": "complex",
    "spectrum": "complex",
}
STEPS = {"bits_of_values", "searchsorted"}  # differences across a jump
BY_TYPE = {  # what these do depends on whether a number is Python's: to the transforms it is none of Python's
    "match_on_values", "point_of_match", "try_division_of_floats", "try_domain", "try_overflow",
}  # fmt: skip
NOT_SEEN = {"operators", "comparisons_of_objects", "object_with_an_array"}  # math and writes in methods


def test_as_many_as_promised():
    assert len(PROGRAMS) == 125
    assert len(PROGRAMS) - len(REFUSED) >= 115


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f.__name__ not in REFUSED], ids=lambda f: f.__name__)
def test_compiled(f):
    jitted = ad.jit(f)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for x in (1.3, 0.7):
            assert float(jitted(x)) == pytest.approx(float(f(x)), rel=1e-12, abs=1e-14)
        if f.__name__ in STEPS or f.__name__ == "try_division_of_floats":
            return
        slope = (f(1.31 + 1e-6) - f(1.31 - 1e-6)) / 2e-6
        assert ad.grad(jitted)(1.31) == pytest.approx(slope, rel=1e-5, abs=1e-6)
        assert ad.jvp(jitted, (1.31,), (1.0,))[1] == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    "f",
    [f for f in PROGRAMS if f.__name__ not in STEPS | BY_TYPE | NOT_SEEN],
    ids=lambda f: f.__name__,
)
def test_under_the_transforms(f):
    if f.__name__ == "eigenvectors":
        pytest.skip("its matrix is written with np.diag of a list")
    slope = (f(1.31 + 1e-6) - f(1.31 - 1e-6)) / 2e-6
    assert ad.grad(f)(1.31) == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("f", [f for f in PROGRAMS if f.__name__ in REFUSED], ids=lambda f: f.__name__)
def test_refused(f):
    with pytest.raises(ad.UnsupportedSyntax, match=REFUSED[f.__name__]) as info:
        ad.jit(f)(1.3)
    assert info.value.lineno is not None and "^" in str(info.value)
    assert np.isfinite(f(1.3))
