"""C entries of functions and their derivatives, compiled or called back in Python.

The loops call what users gave by address. An entry is ``int64 entry(inputs, outputs, double *w)``, w being
workspace; 0 is success, anything else a number that ``failure`` turns into the exception to raise.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from sciad.errors import NotDifferentiable

__all__ = ["CallbackEntries", "CompiledEntries", "Entries", "Witness"]

POINTER = ctypes.POINTER(ctypes.c_double)


class Entries:
    """A function with derivatives of several kinds, by address.

    Attributes
    ----------
    convention : dict from kind to (inputs, outputs)
        Names of the arguments, separated by blanks; "+" marks outputs that are added to.
    by_value : set of str
        The names among them that are numbers, not pointers.
    changeable : bool
        Whether it may be another function the next time it is called.
    """

    convention: ClassVar[dict[str, tuple[str, str]]]
    by_value: ClassVar[frozenset[str]]
    changeable = False

    def address(self, kind: str) -> int:
        raise NotImplementedError

    def work_size(self, kind: str) -> int:
        """Length of the workspace that an entry wants."""
        raise NotImplementedError

    def size(self, name: str) -> int:
        """How many numbers an argument has."""
        raise NotImplementedError

    def failure(self, status: int) -> BaseException:
        """What to raise after an entry returned a status that is not 0."""
        return RuntimeError(f"the model stopped at its raise site {status}")

    def table(self, *kinds: str) -> np.ndarray:
        """Addresses of ``kinds`` as kernels take them."""
        return np.array([self.address(kind) for kind in kinds], dtype=np.int64)

    def work_size_of(self, *kinds: str) -> int:
        """Workspace enough for any of ``kinds``; at least one float64."""
        return max(1, *(self.work_size(kind) for kind in kinds))

    def work(self, *kinds: str) -> np.ndarray:
        return np.empty(self.work_size_of(*kinds))

    def evaluate(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """What a witness looks at, shape of y."""
        raise NotImplementedError

    def witness(self, points: list[tuple]) -> Witness | None:
        """What notices if the values at points (t, y, p) are others later; None where that cannot happen."""
        return Witness(self, points) if self.changeable else None

    def call(self, kind: str, *inputs) -> list[np.ndarray]:
        """What the entry ``kind`` writes, in the order of the calling convention."""
        names, outputs = (words.split() for words in self.convention[kind])
        results = [np.zeros(self.size(name)) for name in outputs]
        inputs = [
            float(x) if name in self.by_value else np.array(x, dtype=float).reshape(self.size(name))
            for name, x in zip(names, inputs, strict=True)
        ]
        arrays = [*inputs, *results, self.work(kind)]
        entry = self.prototype(kind)(self.address(kind))
        status = entry(*(a if a.__class__ is float else a.ctypes.data_as(POINTER) for a in arrays))
        if status:
            raise self.failure(status)
        return results

    def prototype(self, kind: str) -> type:
        """The C type of an entry."""
        inputs, outputs = (words.split() for words in self.convention[kind])
        types = [ctypes.c_double if name in self.by_value else POINTER for name in inputs]
        return ctypes.CFUNCTYPE(ctypes.c_int64, *types, *[POINTER] * (len(outputs) + 1))


class CompiledEntries(Entries):
    """Those of a function compiled by ``sciad.compiler``, as `function`."""

    def address(self, kind: str) -> int:
        return self.function.address(kind)

    def work_size(self, kind: str) -> int:
        return self.function.work_size(kind)

    def failure(self, status: int) -> BaseException:
        failure = getattr(self.function, "failure", None)
        return failure(status) if failure else super().failure(status)


class CallbackEntries(Entries):
    """Functions in Python behind C entries, for what cannot be compiled.

    Attributes
    ----------
    kinds : dict of callables
        Each takes the inputs of its kind (numbers by value, else arrays) and returns the outputs to be
        written, in order; what is to be added is added by the entry.
    """

    changeable = True

    def __init__(self, kinds: dict[str, Callable]):
        self.kinds = kinds
        self._entries: dict[str, ctypes._CFuncPtr] = {}
        self._errors: dict[int, BaseException] = {}  # by thread: several may be in an ensemble

    def work_size(self, kind: str) -> int:
        return 0

    def address(self, kind: str) -> int:
        if kind not in self._entries:
            self._entries[kind] = self._entry(kind, self.kinds[kind])
        return ctypes.cast(self._entries[kind], ctypes.c_void_p).value

    def failure(self, status: int) -> BaseException:
        return self._errors.pop(threading.get_ident(), None) or super().failure(status)

    def _entry(self, kind: str, function: Callable):
        inputs, outputs = (words.split() for words in self.convention[kind])

        def array(name, pointer):
            size = self.size(name)
            return np.ctypeslib.as_array(pointer, (size,)) if size else np.empty(0)

        def entry(*arguments):
            try:
                given = [
                    value if name in self.by_value else array(name, value).copy()
                    for name, value in zip(inputs, arguments, strict=False)
                ]
                results = function(*given)
                for name, pointer, result in zip(outputs, arguments[len(inputs) :], results, strict=False):
                    if np.iscomplexobj(result):
                        raise TypeError("the model returns complex numbers for real arguments")
                    target = array(name, pointer)
                    if name.endswith("+"):
                        target += np.ravel(result)
                    else:
                        target[...] = np.ravel(result)
            except BaseException as error:
                self._errors[threading.get_ident()] = error
                return 1
            return 0

        return self.prototype(kind)(entry)


class Witness:
    """Values of a model that is called in Python, to notice if it has changed when derivatives ask it again.

    What a function captures (a variable of a loop, an attribute, an array) may be another by then.
    """

    def __init__(self, model: Entries, points: list[tuple]):
        self._model = model
        self._values = [(point, model.evaluate(*point)) for point in points]

    def check(self) -> None:
        """Raise if the model is not what it was."""
        for (t, y, p), before in self._values:
            now = self._model.evaluate(t, y, p)
            rounding = 1e-9 * np.abs(before).max(initial=0.0)
            same = np.isclose(now, before, rtol=1e-6, atol=rounding, equal_nan=True)
            if not same.all():
                k = int(np.argmin(same))
                raise NotDifferentiable(
                    "the model, which is called in Python, is not the same as during the solve: "
                    f"component {k} at t = {t:.6g} was {before[k]:.6g} and is {now[k]:.6g} while the solve "
                    "is differentiated. Something that it captures has changed since (a variable of a loop, "
                    "an attribute, an array, a counter): pass it through args, or bind it as a default, "
                    "def fun(t, y, k=k)"
                )
