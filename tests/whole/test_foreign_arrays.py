"""Arrays of other packages as arguments, initial values and data are taken as the plain arrays they hold, and
everything is compiled all the same.
"""

import warnings

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp, solve_sde, steady_state

VALUES = np.array([1.0, 2.0])


def _series():
    return pytest.importorskip("pandas").Series(VALUES, index=["rate", "source"])


def _quantity():
    return pytest.importorskip("pint").UnitRegistry().Quantity(VALUES, "1/s")


def _of_jax():
    jax = pytest.importorskip("jax")
    if not hasattr(jax, "enable_x64"):
        pytest.skip("this version makes float64 for the whole process only")
    with jax.enable_x64(True):
        return jax.numpy.asarray(VALUES)


ARRAYS = {
    "Series": _series,
    "DataArray": lambda: pytest.importorskip("xarray").DataArray(VALUES, dims="x"),
    "torch": lambda: pytest.importorskip("torch").tensor(VALUES),
    "jax": _of_jax,
    "pint": _quantity,
    "dask": lambda: pytest.importorskip("dask.array").from_array(VALUES),
    "read only": lambda: np.broadcast_to(VALUES, (2,)),
}


def decay(t, y, p):
    return -p[0] * y + p[1]


def decay_by_name(t, y, p):
    return -p["rate"] * y + p["source"]


def noise(t, y, p):
    return 0.1 * p[0] * y


@ad.jit
def squares(x):
    return np.sum(x * x)


def loss(p):
    return np.sum(solve_ivp(decay, (0, 1), np.ones(2), "Tsit5", args=(p,)).y ** 2)


# what is asked of an array x
USES = {
    "y0": lambda x: solve_ivp(decay, (0, 1), x, "Tsit5", args=(VALUES,)).y,
    "args": lambda x: solve_ivp(decay, (0, 1), np.ones(2), "Tsit5", args=(x,)).y,
    "nested args": lambda x: (
        solve_ivp(lambda t, y, p: decay(t, y, p["p"]), (0, 1), np.ones(2), "Tsit5", args=({"p": x},)).y
    ),
    "sde": lambda x: solve_sde(decay, noise, (0, 1), np.ones(2), args=(x,), dt=0.1, seed=1).y,
    "steady": lambda x: steady_state(decay, np.ones(2), (x,)).y,
    "jit": squares,
    "gradient": ad.grad(loss),
    "gradient of jit": ad.grad(squares),
    "eager": ad.grad(lambda x: np.sum(np.sin(x))),
    "jvp": lambda x: ad.jvp(squares, (x,), (np.ones(2),)),
    "hessian": ad.hessian(squares),
    "vmap": lambda x: ad.vmap(lambda v: v * v)(x),
    "data": ad.grad(lambda p: np.sum((p * np.ones(2) - np.asarray(VALUES)) ** 2)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ARRAYS)
def test_they_count_as_plain_arrays(kind, use):
    x = ARRAYS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a model that is called in Python warns
        if kind == "pint":
            warnings.filterwarnings("ignore", message="The unit of the quantity is stripped")
        found, wanted = USES[use](x), USES[use](VALUES.copy())
    np.testing.assert_allclose(found, wanted, rtol=0)
    assert all(type(a) in (np.ndarray, np.float64) for a in (found if isinstance(found, tuple) else (found,)))


def test_a_series_that_is_read_by_its_labels_counts_as_a_dict():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = solve_ivp(decay_by_name, (0, 1), np.ones(2), "Tsit5", args=(_series(),)).y
    np.testing.assert_array_equal(found, USES["args"](VALUES))
    gradient = ad.grad(lambda p: np.sin(p["rate"]) * p["source"])(_series())
    assert gradient == {"rate": 2.0 * np.cos(1.0), "source": np.sin(1.0)}


def test_units_that_are_dropped_are_told():
    with pytest.warns(Warning, match="unit of the quantity is stripped"):
        solve_ivp(decay, (0, 1), np.ones(2), "Tsit5", args=(_quantity(),))
