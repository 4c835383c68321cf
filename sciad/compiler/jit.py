"""`ad.jit`: a function compiled to native code, differentiable to any order by native code."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.compiler.compiled_function import compile_function, compiled_before
from sciad.compiler.jitted_version import LARGE, Version, name_of
from sciad.compiler.tracing.given import Given, WithObjects, is_given, object_key
from sciad.compiler.tracing.trace import Group
from sciad.eager.rebind import original
from sciad.eager.tape import Var
from sciad.eager.traced import is_traced
from sciad.eager.zeros import zeros
from sciad.errors import SciadError
from sciad.foreign import plain_arguments
from sciad.portable import Portable
from sciad.transforms.vmap import Batch
from sciad.tree import flatten, unflatten

__all__ = ["Jitted", "jit", "source"]


def jit(fun: Callable) -> Jitted:
    """Compile a function of numbers and arrays to native code.

    Parameters
    ----------
    fun : callable
        Ordinary NumPy Python with loops, branches and in-place updates.  Arguments are numbers, arrays and
        nested tuples, lists, dicts, NamedTuples and dataclasses of them; ints, bools and strings are
        compiled in, as are the shapes of arrays, and functions and objects of other classes, whose numbers
        are read anew at each call but are no arguments to differentiate with respect to.  Arguments are
        taken by value: writes into them are not seen by the caller.

    Returns
    -------
    Jitted
        Called like `fun`.  `grad`, `vjp`, `jvp`, `jacobian`, `hessian` and `hvp` of it run native code
        too: under them it is one primitive, whatever it computes inside.  Compiled at the first call with
        arguments of one structure; later processes read the result from the cache folder.

    Raises
    ------
    UnsupportedSyntax
        On the first call: file, line, and what to write instead.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> @ad.jit
    ... def root(a):                       # Newton's method, as many steps as it takes
    ...     z = a
    ...     while abs(z * z - a) > 1e-12:
    ...         z = 0.5 * (z + a / z)
    ...     return z
    >>> float(root(9.0)), round(float(ad.grad(root)(9.0)), 12)
    (3.0, 0.166666666667)
    """
    return fun if isinstance(fun, Jitted) else Jitted(fun)


def source(fun: Callable, kind: str = "primal", args: tuple | None = None) -> str:
    """Return the Python text emitted for a function.

    Parameters
    ----------
    fun : callable
        A jitted function, or any function that was compiled before (the right-hand side of a solve).
    kind : {"primal", "pushforward", "pullback", "jacobian", "second"}
    args : tuple, optional
        Example arguments, where it has not been called yet.

    Raises
    ------
    ValueError
        If there is no compiled version and no `args` to make one.

    Examples
    --------
    >>> import sciad as ad
    >>> print(ad.source(lambda x: x * x, "pullback", args=(3.0,)))
    def ...(x, out_bar, out, x_bar, w):
    ...
        x_bar[0] += x_bar_1
        return 0
    """
    if isinstance(fun, Jitted):
        fun = fun.__wrapped__
    if args is not None:
        function = compile_function(fun, [Group("x", tuple(args), spread=True)])
    else:
        function = compiled_before(fun)
        if function is None:
            name = getattr(fun, "__name__", fun)
            raise ValueError(f"{name} has not been compiled yet: call it first, or pass args=(...)")
    return function.source(kind)


class Jitted(Portable):
    """A compiled function; made by `jit`."""

    heed = "where needed"  # zeros in derivatives taken inside

    def __init__(self, fun: Callable):
        functools.update_wrapper(self, fun)
        self._entries: dict = {}
        self._known: dict = {}  # versions by shapes alone, for calls with plain numbers and arrays
        self._under: dict = {}  # transforms of it, compiled
        self._signature: inspect.Signature | None = None  # once it is wanted

    def __repr__(self) -> str:
        return f"<jitted {name_of(self.__wrapped__)}>"

    def made_of(self) -> tuple:
        return (self.__wrapped__,)

    def __get__(self, instance, owner=None):
        return self if instance is None else Jitted(self.__wrapped__.__get__(instance, owner))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            entry = self.known(args)
            if entry is not None:
                captured = entry.gather(self.__wrapped__) if entry.captures else ()
                return entry.direct(args, captured) if plain(captured) else entry([*args, *captured])
        entry, numbers = self._entry(args, kwargs)
        return entry(numbers)

    def compile_ahead(self, gradient: bool, *args: Any, **kwargs: Any) -> None:
        """Compile for arguments like these, see `sciad.compile`."""
        entry, _ = self._entry(args, kwargs)
        for kind in ("primal", "pullback")[: 1 + gradient]:
            entry.primitive.entry(kind)

    def known(self, args: tuple) -> Version | None:
        """The version for numbers and float arrays, if there is one already and it holds."""
        shapes = []
        for x in args:
            cls = x.__class__
            if cls is _ARRAY and x.dtype is _F64:
                shapes.append(x.shape)
            elif cls is float or cls is _NUMBER:
                shapes.append(None)
            else:
                return None
        key = tuple(shapes)
        entry = self._known.get(key)
        if entry is not None and entry.matches(self.__wrapped__):
            return entry
        entry = self._known[key] = self._entry(args, {})[0]
        return entry

    def value_and_gradient(self, argnums, args: tuple):
        """For plain numbers and float arrays, else None: other arguments are left to the eager transforms,
        and derivatives in which 0 meets infinity.
        """
        entry = None if zeros.heeded else self.known(args)
        if entry is None or entry.result != ():
            return None
        captured = entry.gather(self.__wrapped__) if entry.captures else ()
        numbers = (argnums,) if argnums.__class__ is int else argnums
        if (
            not plain(captured)
            or not all(0 <= n < len(args) for n in numbers)
            or len({*numbers}) < len(numbers)
        ):
            return None
        found = entry.gradient(args, captured, numbers)
        if found is None:
            return None
        value, gradients = found
        return value, (gradients[0] if argnums.__class__ is int else gradients)

    def pushforward(self, primals: tuple, tangents: tuple):
        """Value and tangent, for what `value_and_gradient` takes."""
        entry = None if zeros.heeded else self.known(primals)
        if entry is None or entry.captures or not _like(tangents, primals):
            return None
        return entry.pushed(primals, tangents)

    def under(self, transform: Callable, *options: Any) -> Compiled:
        """A transform of this, compiled."""
        key = (transform, repr(options))
        made = self._under.get(key)
        if made is None:
            made = self._under[key] = Compiled(transform(self.__wrapped__, *options))
        return made

    def _entry(self, args: tuple, kwargs: dict) -> tuple[Version, list]:
        """The version for these arguments, and the numbers among them."""
        names: tuple[str, ...] = ()
        if kwargs:
            args, names = self._bound(args, kwargs)
        leaves, structure = flatten(args)
        if not _USUAL.issuperset(map(type, leaves)):
            leaves, structure = flatten(plain_arguments(args, self.__wrapped__))
        kinds = tuple(map(_kind, leaves))
        key = (structure, kinds, names) if names else (structure, kinds)
        entry, fun = self._entries.get(key), self.__wrapped__
        if entry is None or entry.given:
            given = tuple([original(x) for x, k in zip(leaves, kinds, strict=True) if k[0] == "given"])
            fun = WithObjects(fun, given) if given else fun
        if entry is None or not entry.matches(fun):
            if not names:
                self._bound(args, {})  # errors of Python's own
            places = itertools.count()
            examples = [_example(x, k, places) for x, k in zip(leaves, kinds, strict=True)]
            template = unflatten(structure, examples)
            group = Group("x", template, spread=True, keywords=names, large=LARGE, heed=self.heed)
            function = compile_function(fun, [group])
            shapes = [k[1] for k in kinds if k[0] == "f"]
            entry = function.once(("jit",), functools.partial(Version, function, shapes))
            self._entries[key] = entry
        numbers = [x for x, k in zip(leaves, kinds, strict=True) if k[0] == "f"]
        return entry, numbers + list(entry.gather(fun))

    def _bound(self, args: tuple, kwargs: dict) -> tuple[tuple, tuple[str, ...]]:
        """All arguments, those passed by name last, and the names: by name only what has to be."""
        try:
            if self._signature is None:
                self._signature = inspect.signature(self.__wrapped__, follow_wrapped=False)
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name_of(self.__wrapped__)}(): {error}") from None
        except ValueError:  # a builtin that does not tell
            return (*args, *kwargs.values()), tuple(kwargs)
        return (*bound.args, *bound.kwargs.values()), tuple(bound.kwargs)


class Compiled:
    """A transform of a jitted function as a jitted function of its own, where that is right."""

    def __init__(self, made: Callable):
        self.jitted, self.refused, self.ready = Jitted(made), False, False
        self.jitted.heed = "never"  # and looks at the result

    def __call__(self, args: tuple, kwargs: dict) -> tuple | None:
        """The result, alone in a tuple; None where the eager transform has to be asked: arguments other than
        plain floats (or those of a `vmap`), code that does not compile so, 0 that meets infinity.
        """
        if self.refused or zeros.heeded:
            return None
        if self.ready and not kwargs:
            entry = self.jitted.known(args)
            if entry is not None and not entry.captures:
                return entry.direct_without_nan(args)
        if not all(map(_float, flatten((args, kwargs))[0])):
            return None
        try:
            entry, numbers = self.jitted._entry(args, kwargs)
            entry.primitive.entry("primal")
        except SciadError:
            self.refused = True
            return None
        self.ready = True
        if not all(map(_float, numbers)):
            return None
        result = entry(numbers)
        return None if any(map(_has_nan, flatten(result)[0])) else (result,)


def _float(x) -> bool:
    """A plain float or an array of such, or a batch of them."""
    cls = x.__class__
    if cls is Batch:
        return x.value.__class__ is _ARRAY and x.value.dtype is _F64
    return cls is float or cls is _NUMBER or (cls is _ARRAY and x.dtype is _F64)


def _has_nan(x) -> bool:
    return bool(np.isnan(x.value if x.__class__ is Batch else x).any())


def plain(captured: tuple) -> bool:
    """Whether what is captured is no traced value."""
    return not any(map(is_traced, captured))


def _like(tangents: tuple, primals: tuple) -> bool:
    """Whether tangents are plain numbers and arrays as the primals are, or None."""
    if len(tangents) != len(primals):
        return False
    for t, x in zip(tangents, primals, strict=True):
        if t is not None and (
            not (t.__class__ is _ARRAY and t.dtype is _F64 and t.shape == np.shape(x))
            if x.__class__ is _ARRAY
            else t.__class__ not in (float, _NUMBER)
        ):
            return False
    return True


def _kind(x):
    """What of a leaf is compiled in: shapes, and whatever is not a float."""
    if x.__class__ is float or x.__class__ is np.float64:
        return _SCALAR
    if is_traced(x) or (isinstance(x, np.ndarray) and x.dtype.kind in "fO" and _plain(x)):
        return ("f", x.shape)
    if isinstance(x, np.ndarray):  # masked arrays and the like are refused
        return ("array", type(x), x.dtype.str, x.shape, x.tobytes())
    if isinstance(x, np.floating):
        return _SCALAR
    if is_given(x):
        return ("given", object_key(x))
    return ("static", type(x), x)


def _plain(x) -> bool:
    return type(x) in (np.ndarray, np.memmap) or type(x).__module__.startswith("sciad.")


def _example(x, kind, places):
    if kind[0] == "given":
        return Given(next(places), kind[1])
    if kind[0] != "f":
        return x
    return np.zeros(kind[1]) if kind[1] else 0.0


_SCALAR = ("f", ())
_ARRAY, _NUMBER, _F64 = np.ndarray, np.float64, np.dtype(np.float64)
_USUAL = frozenset({float, int, bool, np.ndarray, np.float64, Var, str})
