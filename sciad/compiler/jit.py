"""`ad.jit`: a function compiled to native code, differentiable to any order by native code."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from sciad.compiler.compiled_function import CompiledFunction, compile_function, compiled_before
from sciad.compiler.differentiable_program import Primitive
from sciad.compiler.tracing.given import Given, WithObjects, is_given, object_key
from sciad.compiler.tracing.trace import Group
from sciad.eager.rebind import original
from sciad.eager.tape import Var
from sciad.eager.traced import is_traced
from sciad.foreign import plain_arguments
from sciad.portable import Portable
from sciad.transforms.custom import custom
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
        are read anew at each call but are no arguments to differentiate with respect to.

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

    def __init__(self, fun: Callable):
        functools.update_wrapper(self, fun)
        self._entries: dict = {}
        self._signature: inspect.Signature | None = None  # once it is wanted

    def __repr__(self) -> str:
        return f"<jitted {_name(self.__wrapped__)}>"

    def made_of(self) -> tuple:
        return (self.__wrapped__,)

    def __get__(self, instance, owner=None):
        return self if instance is None else Jitted(self.__wrapped__.__get__(instance, owner))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        entry, numbers = self._entry(args, kwargs)
        return entry(numbers)

    def compile_ahead(self, gradient: bool, *args: Any, **kwargs: Any) -> None:
        """Compile for arguments like these, see `sciad.compile`."""
        entry, _ = self._entry(args, kwargs)
        for kind in ("primal", "pullback")[: 1 + gradient]:
            entry.primitive.entry(kind)

    def _entry(self, args: tuple, kwargs: dict) -> tuple[_Entry, list]:
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
            group = Group("x", unflatten(structure, examples), spread=True, keywords=names)
            function = compile_function(fun, [group])
            entry = function.once(("jit",), functools.partial(_Entry, function))
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
            raise TypeError(f"{_name(self.__wrapped__)}(): {error}") from None
        except ValueError:  # a builtin that does not tell
            return (*args, *kwargs.values()), tuple(kwargs)
        return (*bound.args, *bound.kwargs.values()), tuple(bound.kwargs)


class _Entry:
    """One compiled version: leaves in, result out."""

    def __init__(self, function: CompiledFunction):
        self.matches, self.gather = function.matches, function.gather_from
        self.out_tree = function.out_tree
        self.given = isinstance(function.fun, WithObjects)
        self.primitive = Primitive(function.program())
        self.call = custom(self.value, self.push, self.pull)
        self.call.name = self.call.__name__ = _name(function.fun)
        self.call.whole = True

    def __call__(self, leaves: list):
        if any(is_traced(x) for x in leaves):
            return self.call(*leaves)
        return self.value(*leaves)

    def value(self, *leaves):
        return self.out_tree.unflatten(self.primitive(_flat(leaves)))

    def push(self, leaves, dots):
        filled = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(leaves, dots, strict=True)]
        out, out_dot = self.primitive.push((_flat(leaves),), (_flat(filled),))
        return self.out_tree.unflatten(out), self.out_tree.unflatten(out_dot)

    def pull(self, leaves):
        out, pull = self.primitive.pull((_flat(leaves),))
        shapes = [np.shape(x) for x in leaves]

        def pull_leaves(g):
            bar, parts, at = pull(_flat(flatten(g)[0]))[0], [], 0
            for shape in shapes:
                size = int(np.prod(shape, dtype=int))
                parts.append(np.reshape(bar[at : at + size], shape) if shape else bar[at])
                at += size
            return tuple(parts)

        return self.out_tree.unflatten(out), pull_leaves


def _flat(leaves):
    """One vector of all leaves, which may be traced values."""
    if len(leaves) == 1:
        (x,) = leaves
        if not is_traced(x):
            flat = np.ascontiguousarray(x, dtype=float).reshape(-1)
            return flat if flat.flags.writeable else flat.copy()  # entries take no others
        return np.reshape(x, (-1,))
    if any(map(is_traced, leaves)):
        return np.concatenate([np.reshape(x, (-1,)) for x in leaves])
    return np.concatenate([np.ravel(x) for x in leaves], dtype=float) if leaves else np.zeros(0)


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


def _name(fun: Callable) -> str:
    while isinstance(fun, functools.partial):
        fun = fun.func
    return getattr(fun, "__name__", type(fun).__name__)


def _plain(x) -> bool:
    return type(x) in (np.ndarray, np.memmap) or type(x).__module__.startswith("sciad.")


def _example(x, kind, places):
    if kind[0] == "given":
        return Given(next(places), kind[1])
    if kind[0] != "f":
        return x
    return np.zeros(kind[1]) if kind[1] else 0.0


_SCALAR = ("f", ())
_USUAL = frozenset({float, int, bool, np.ndarray, np.float64, Var, str})
