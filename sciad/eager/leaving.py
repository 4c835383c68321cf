"""Ways out of the derivative: ``float()`` of a traced value, an array of plain numbers, text.

What is read from them is a constant, so they warn, or refuse where that cannot be meant.
"""

from __future__ import annotations

import warnings

from sciad.eager.traced import check_alive, raw, strip
from sciad.errors import PLAIN_TARGET, DerivativeDropped, NotDifferentiable, UnsupportedWrite
from sciad.plain_numpy import np
from sciad.private_interfaces import called, formats_by_percent, frame_above, stores_an_item

# code of these packages gets plain arrays: what it makes of them is its own affair
LIBRARIES = frozenset({"numpy", "scipy", "numba", "sciad", "matplotlib", "pandas"})
ADVICE = {
    "scipy.stats": "Write the logarithm of the density in NumPy, such as -0.5*((x - mu)/s)**2 - np.log(s). ",
    "scipy.interpolate": "np.interp(t, times, values) has a derivative. ",
    "pandas": "Take the numbers out first: df['x'].to_numpy(). ",
}


def to_float(x):
    """``float(x)``: the number, with a warning that its derivative is dropped."""
    frame = frame_above(2)
    check_store(frame)
    check_alive(x)
    value = strip(x)
    while _module(frame).startswith("sciad."):
        frame = frame.f_back
    module = _module(frame)
    if module.split(".")[0] in LIBRARIES:
        advice = next((text for name, text in ADVICE.items() if module.startswith(name)), "")
        raise NotDifferentiable(
            f"a value being differentiated was turned into a plain number inside {module}, which does not "
            f"know it. {advice}Give that function ad.stop_gradient(x), or wrap it by ad.custom(f, "
            "pushforward=..., pullback=...)"
        )
    if formats_by_percent(frame):  # "%.3f" % x
        return float(raw(value))
    if module in _STATISTICS:
        raise NotDifferentiable(
            f"a value being differentiated was turned into a plain number inside {module}, which does not "
            "know it: write that in NumPy (np.mean, np.var, np.median)"
        )
    callee = called(frame)
    if getattr(callee, "__module__", None) in ("math", "cmath"):
        raise NotDifferentiable(
            f"{callee.__module__}.{callee.__name__} of a value being differentiated ({_place(frame)}) would "
            "drop its derivative: it was reached through an attribute, a container or a method, where it "
            f"cannot be replaced. Write np.{_NUMPY.get(callee.__name__, callee.__name__)}, or "
            f"ad.stop_gradient(x) to say that it is meant"
        )
    warn_dropped("float() of a value", 4)
    return float(raw(value))


_NUMPY = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "pow": "power",
          "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fsum": "sum"}  # fmt: skip
_STATISTICS = {"statistics", "fractions", "decimal", "colorsys"}


def _place(frame):
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def warn_dropped(what, stacklevel):
    warnings.warn(
        f"{what} being differentiated drops its derivative: what is computed from this number is a "
        "constant. Leave float() away, or write float(ad.stop_gradient(x)) to say it is meant",
        DerivativeDropped,
        stacklevel=stacklevel,
    )


def _module(frame):
    return frame.f_globals.get("__name__", "") if frame else ""


def to_object_array(x, dtype):
    """What NumPy's C code gets when it wants an array of a traced value: objects that still hold it."""
    check_store(frame_above(2))
    if dtype is not None and np.dtype(dtype).kind != "O":
        raise UnsupportedWrite(
            f"a value being differentiated was to be turned into a plain array of {np.dtype(dtype)}, "
            "probably inside a function that is not differentiable here. Give it ad.stop_gradient(x), or "
            "wrap that function by ad.custom(f, pushforward=..., pullback=...)"
        )
    made = np.empty(x.shape, dtype=object)
    for place in np.ndindex(x.shape):
        made[place] = x[place] if place else x
    return made


def check_store(frame):
    """Refuse ``plain_array[i] = traced``, which NumPy carries out by float() or int()."""
    if stores_an_item(frame):
        raise UnsupportedWrite(PLAIN_TARGET[0].upper() + PLAIN_TARGET[1:])


class Text(str):
    """A traced value as text; to turn that into a number again is to drop the derivative, as `float` is.

    Parts of it and what is put together with ``+`` remember.  What Python itself joins (``"".join``, an
    f-string of several parts) or prints by ``%`` is plain text.
    """

    __slots__ = ()

    def __float__(self):
        warn_dropped("float() of the text of a value", 3)
        return float(str.__str__(self))

    def __radd__(self, other):
        return Text(other + str.__str__(self)) if isinstance(other, str) else NotImplemented

    def __str__(self):
        return self

    def __format__(self, spec):
        return Text(str.__format__(self, spec))


def _remembering(name):
    plain = getattr(str, name)

    def method(self, *args, **kwargs):
        return _text(plain(self, *args, **kwargs))

    method.__name__ = name
    return method


def _text(found):
    if isinstance(found, str):
        return Text(found)
    return type(found)(map(_text, found)) if isinstance(found, (list, tuple)) else found


for _name in (
    "__add__ __getitem__ __mod__ __mul__ strip lstrip rstrip replace split rsplit splitlines partition "
    "rpartition lower upper expandtabs ljust rjust center zfill removeprefix removesuffix format join"
).split():
    setattr(Text, _name, _remembering(_name))
