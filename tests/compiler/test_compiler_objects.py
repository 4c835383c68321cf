"""Objects from outside of a function: compared, asked for their type, changed between calls."""

import enum
import functools
import math
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import sciad as ad
from sciad.errors import UnsupportedSyntax
from sciad.solvers import solve_ivp
from sciad.solvers.model.build_model import InterpretedModel
from tests.compiler.agree import Y, follows_python


class Kind(enum.Enum):
    FAST, SLOW = "fast", "slow"


class Level(enum.IntEnum):
    LOW, HIGH = 1, 2


@dataclass
class Rates:
    k: float = 2.0


class Plain:
    rate = 1.5


MODE, OTHER, LEVEL = Kind.FAST, Kind.SLOW, Level.HIGH
NAMES, PAIR, TABLE, PLAIN, RATES = ["a", "b"], (1, 2), {"a": 1.0}, Plain(), Rates()
ALIAS = NAMES


def helper(x):
    return x


def enumerations(y):
    out = [
        MODE == Kind.FAST,
        MODE is Kind.FAST,
        MODE != OTHER,
        MODE is not OTHER,
        MODE in (Kind.SLOW, Kind.FAST),
    ]
    out += [LEVEL == 2, LEVEL > Level.LOW, LEVEL * y[0], Level.HIGH == LEVEL, y[Level.LOW], MODE == "fast"]
    return [*out, 1.0 if MODE.value == "fast" else 2.0, LEVEL.name == "HIGH", bool(MODE)]


def identities(y):
    f = helper
    local = [1.0]
    same = local
    out = [NAMES is ALIAS, PLAIN is PLAIN, helper is f, helper is not math.sin, PAIR is None, same is local]
    return [
        *out,
        local == [1.0],
        y is None,
        math.sin is math.sin,
        TABLE is not None,
        Kind is Kind,
        f == helper,
    ]


def equalities(y):
    a = [1, 2]
    out = [a == [1, 2], a != [1, 3], (1, "x") == (1, "x"), NAMES == ["a", "b"], PAIR == (1, 2), [1] == (1,)]
    return [*out, [y[0], 1] == [y[0], 1], (y[0], y[1]) == (y[1], y[0]), "a" in NAMES, "z" in TABLE, 2 in PAIR]


def types(y):
    out = [
        isinstance(NAMES, list),
        isinstance(PAIR, tuple),
        isinstance(TABLE, dict),
        isinstance(PLAIN, Plain),
    ]
    out += [
        isinstance(RATES, (int, Rates)),
        isinstance(MODE, Kind),
        isinstance(LEVEL, int),
        isinstance(y, np.ndarray),
    ]
    return [
        *out,
        isinstance(y[0], float),
        isinstance("a", str),
        isinstance(NAMES, (tuple, dict)),
        isinstance(3, bool),
    ]


def truths(y):
    return [
        1 if x else 2
        for x in (bool(NAMES), bool(PLAIN), bool(range(0)), bool(range(3)), not TABLE, bool(PAIR))
    ]


@pytest.mark.parametrize(
    "fun", [enumerations, identities, equalities, types, truths], ids=lambda f: f.__name__
)
def test_values(fun):
    follows_python(fun, Y)


class Odd:
    def __eq__(self, other):
        return True

    def __bool__(self):
        return False


ODD = Odd()


def compares_odd(y):
    return y if ODD == PLAIN else 2 * y


def truth_of_odd(y):
    return y if ODD else 2 * y


def compares_records(y):
    return y if Rates(y[0]) == Rates(1.0) else 2 * y


def compares_captured_records(y):
    return y if Rates(2.0) == RATES else 2 * y


def looks_up_a_value(y):
    return y if y[0] in {"a": 1.0} else 2 * y


def numpy_types(y):
    return y if isinstance(y[0], np.float64) else 2 * y


@pytest.mark.parametrize(
    "fun",
    [compares_captured_records, looks_up_a_value, numpy_types],
    ids=lambda f: f.__name__,
)
def test_refused(fun):
    with pytest.raises(UnsupportedSyntax):
        follows_python(fun, Y)


@pytest.mark.parametrize("fun", [compares_odd, truth_of_odd, compares_records], ids=lambda f: f.__name__)
def test_operators_of_classes(fun):
    follows_python(fun, Y)


# ---------------------------------------------------------------------------- what changes between calls


class Model:
    rate = 1.5
    steps = 2

    def __init__(self, k):
        self.k = k

    @classmethod
    def scaled(cls, x):
        return cls.rate * x

    @staticmethod
    def shifted(x):
        return x + 1.0

    def rhs(self, y):
        return self.k * self.scaled(y) * self.rate + Model.shifted(y) * Model.steps


def test_class_attributes_are_read_when_called(monkeypatch):
    fun = ad.jit(lambda y: np.sum(Model.scaled(y) * Model.steps * Model.rate))
    method = ad.jit(Model(0.7).rhs)
    for name, value in (("rate", 1.5), ("rate", 4.0), ("steps", 5)):
        monkeypatch.setattr(Model, name, value)
        assert not abs(fun(Y) - np.sum(Model.scaled(Y) * Model.steps * Model.rate)) > 1e-12
        assert not np.max(np.abs(method(Y) - Model(0.7).rhs(Y))) > 1e-12


def test_a_class_attribute_that_is_differentiated(monkeypatch):
    monkeypatch.setattr(Model, "rate", 1.5)

    def loss(c):
        monkeypatch.setattr(Model, "rate", c)
        return fun(Y)

    fun = ad.jit(lambda y: np.sum(Model.scaled(y)) * Model.rate)
    assert not abs(ad.grad(loss)(2.0) - 4.0 * np.sum(Y)) > 1e-12


class Doubled:
    """A decorator that does something."""

    def __init__(self, fun):
        functools.update_wrapper(self, fun)
        self.fun = fun

    def __call__(self, y):
        return 2.0 * self.fun(y)


@Doubled
def decorated(y):
    return y**2


@functools.lru_cache
def remembered(x):
    return x + 1.0


def test_decorators_run():
    follows_python(decorated, Y)
    follows_python(lambda y: decorated(y) + 1.0, Y)
    follows_python(lambda y: remembered(y[0]) * 2.0, Y)


def test_rules_of_the_users_own_are_not_passed_over():
    rounded = ad.custom(lambda x: np.round(x), pullback=lambda args: (np.round(args[0]), lambda g: (g,)))
    f = ad.jit(lambda x: rounded(x) * 2.0)
    assert f(1.3) == 2.0 and ad.grad(f)(1.3) == 2.0
    assert type(ad.jit(lambda x: np.round(x))(1.3)) is type(np.round(1.3))


class Computed:
    def __getattr__(self, name):
        if name == "k":
            return 2.0
        raise KeyError(name)

    def __call__(self, y):
        return y * 3.0


def test_objects_with_a_getattr_of_their_own():
    computed = Computed()
    follows_python(lambda y: computed(y), Y)
    with pytest.raises(UnsupportedSyntax, match="__getattr__"):
        follows_python(lambda y: computed.k * y, Y)


def test_a_builtin_or_constant_replaced_later(monkeypatch):
    module = {"__builtins__": __builtins__, "math": math, "np": np}
    import linecache

    text = "def f(y):\n    return abs(y[0] - 1.0) * math.pi + max(y[1], 0.2)\n"
    linecache.cache["<replaced>"] = (len(text), None, text.splitlines(True), "<replaced>")
    exec(compile(text, "<replaced>", "exec"), module)
    fun = ad.jit(module["f"])
    before = fun(Y)
    assert not abs(before - module["f"](Y)) > 1e-14
    module["max"] = lambda a, b: a * b
    assert not abs(fun(Y) - module["f"](Y)) > 1e-14
    monkeypatch.setattr(math, "pi", 3.0)
    assert not abs(fun(Y) - module["f"](Y)) > 1e-14
    assert fun(Y) != before


# ---------------------------------------------------------------------------- arrays of other types

BYTES, SINGLE = np.array([250, 3], dtype=np.uint8), np.array([0.1, 0.2], dtype=np.float32)
MATRIX, MASKED = np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.ma.masked_array([1.0, 2.0], [False, True])
SMALL_INTS, INDICES = np.array([1, 2], dtype=np.int8), np.array([1, 0], dtype=np.int32)


@pytest.mark.parametrize("array", [BYTES, SINGLE, MATRIX, MASKED, SMALL_INTS], ids=lambda a: str(a.dtype))
def test_arrays_with_another_arithmetic_are_refused(array):
    with pytest.raises(UnsupportedSyntax, match=r"an array of (type|dtype)"):
        follows_python(lambda y: y[0] * array, Y)
    if array.dtype != np.float32:
        with pytest.raises(UnsupportedSyntax, match=r"an array of (type|dtype)"):
            ad.jit(lambda y, a: y[0] * a)(Y, array)


def test_integer_arrays_as_arguments(tmp_path):
    fun = ad.jit(lambda y, k: np.sum(y[k]) * k[0] / 2)
    plain = fun.__wrapped__
    for k in (np.array([1, 2]), np.array([3, 0]), INDICES, np.arange(1, 90) % 12, np.array([True] * 12)):
        assert not abs(fun(Y, k) - plain(Y, k)) > 1e-14
        assert not abs(ad.grad(fun)(Y, k) - ad.grad(plain)(Y, k)).max() > 1e-14
    kept = np.memmap(tmp_path / "kept", dtype=float, mode="w+", shape=(12,))
    kept[:] = Y
    assert not abs(fun(kept, INDICES) - plain(Y, INDICES)) > 1e-14


def reads_an_array(t, y, a):
    return -0.1 * y * (np.asarray(a) - 1).ravel()[:2]


ARGUMENTS = {
    "matrix": MATRIX,
    "masked": MASKED,
    "bytes": BYTES,
    "ints": np.array([1, 3]),
    "bools": MASKED > 1.5,
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_a_model(name):
    """Of any type the solution is right; what is not a plain array is seen by the model as it is."""
    array = ARGUMENTS[name]
    rates = 0.1 * (np.asarray(array) - 1).ravel()[:2].astype(float)
    compiled = name == "ints"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InterpretedModel)
        sol = solve_ivp(
            reads_an_array, (0, 1), [1.0, 2.0], args=(array,), method="Tsit5", rtol=1e-8, atol=1e-10
        )
    assert compiled != any(w.category is InterpretedModel for w in caught)
    np.testing.assert_allclose(sol.y[:, -1], [1.0, 2.0] * np.exp(-rates), rtol=1e-7, atol=1e-8)


def test_integers_that_differ_at_every_solve(monkeypatch):
    """After several contents the model is no longer compiled; the solution is right all the same."""
    monkeypatch.setattr("sciad.solvers.model.build_model.CONTENTS", 2)
    options = {"method": "Tsit5", "rtol": 1e-8, "atol": 1e-10}

    def model(t, y, a):
        return -0.2 * y * a

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InterpretedModel)
        for k in range(5):
            sol = solve_ivp(model, (0, 1), [1.0, 2.0], args=(np.array([k, 1]),), **options)
            np.testing.assert_allclose(sol.y[:, -1], [np.exp(-0.2 * k), 2 * np.exp(-0.2)], rtol=1e-7)
    assert sum(w.category is InterpretedModel for w in caught) == 1
