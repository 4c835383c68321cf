"""Models as the integration loop sees them, whatever they were written in.

What an adjoint builds on
-------------------------
``Model``
    ``n`` unknowns of shape ``shape``, ``m`` flat parameters ``p``. ``model.address(kind)`` is the C entry
    of kind "primal", "pushforward", "pullback", "jacobian" or "second" (all ``int64 entry(double t,
    double *y, double *p, ..., double *w)``, with the arguments of the compiler's calling convention),
    ``model.work_size(kind)`` the float64 of workspace it wants. A model that could not be compiled has
    the same entries: callbacks into Python, so kernels need not know. ``model.table(*kinds)`` is the
    int64 array of addresses that kernels take as ``model``; kernels call ``call(model[0], (t, y, p, out,
    w))``. After an entry returned k != 0, ``model.failure(k)`` is the exception to raise.
``integrate(model, method, span, y0, p, ts, options, record=2) -> Trajectory``
    The primitive under ``solve_ivp``, in ``sciad.solvers.stepping.integrate``: flat float64 arrays in, a
    ``Trajectory`` out. See there for its fields: with ``record=2`` one row [t, h, y (n), stages (rows * n)]
    per accepted step, and for each output time the step and the theta at which it lies.
``method.dense``, ``method.matrix``, ``method.nodes``, ``method.b``
    The tableau: rows of the stage matrix as stored in the record (stages, closing row f(t+h, y1), extra
    stages); the dense output y(theta) = (1-theta) y + theta (y1 + (1-theta) s sum_m theta^m sum_i
    dense[m][i] stage_i), with s = h for Runge-Kutta methods and s = 1 for Rosenbrock methods.
``sciad.solvers.ode.solve_primitive.solve``
    The primitive (``sciad.custom``) whose rules the adjoints define; see its docstring.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable

import numpy as np

from sciad.errors import NotDifferentiable

__all__ = ["AddressModel", "CallbackModel", "CompiledModel", "Model", "Witness"]


class Model:
    """A right-hand side f(t, y, p) with its derivatives, by address. See the module's docstring."""

    changeable = False  # whether f may be another function the next time it is called

    def __init__(self, shape: tuple[int, ...], m: int):
        self.shape = shape
        self.n = math.prod(shape)
        self.m = m
        self.plans: dict = {}

    def address(self, kind: str) -> int:
        raise NotImplementedError

    def work_size(self, kind: str) -> int:
        raise NotImplementedError

    def failure(self, status: int) -> Exception:
        return RuntimeError(f"the model stopped at its raise site {status}")

    def evaluate(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """f(t, y, p), shape (n,)."""
        return self.call("primal", t, y, p)[0]

    def witness(self, points: list[tuple]) -> Witness | None:
        """What notices if f at the points (t, y, p) is not the same later; None where that cannot happen."""
        return None

    def call(self, kind: str, t: float, *inputs) -> list[np.ndarray]:
        """What the entry ``kind`` writes, in the order of the calling convention, from its inputs after t."""
        names, outputs = (words.split() for words in _CONVENTION[kind])
        results = [np.zeros(_size(self, name)) for name in outputs]
        inputs = [
            float(x) if name in _BY_VALUE else np.array(x, dtype=float).reshape(_size(self, name))
            for name, x in zip(names, inputs, strict=True)
        ]
        arrays = [*inputs, *results, self.work(kind)]
        entry = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *_types(names, outputs))(self.address(kind))
        status = entry(t, *(a if a.__class__ is float else a.ctypes.data_as(_POINTER) for a in arrays))
        if status:
            raise self.failure(status)
        return results

    def table(self, *kinds: str) -> np.ndarray:
        """Addresses of ``kinds`` as kernels take them."""
        return np.array([self.address(kind) for kind in kinds], dtype=np.int64)

    def codes(self, *kinds: str) -> list | None:
        """Native code of ``kinds`` to link kernels with, where that pays."""
        return None

    def served(self, kernel, kinds: tuple[str, ...], table: np.ndarray, algebra=None) -> Callable:
        """A kernel with this model's code in it, where that pays; ``table`` is what it would be given."""
        codes = self.codes(*kinds) if algebra is None or algebra.kind == "inline" else None
        return kernel.serving(codes and [*codes, *table[len(codes) :].tolist()])

    def work_size_of(self, *kinds: str) -> int:
        """Workspace enough for any of ``kinds``; at least one float64."""
        return max(1, *(self.work_size(kind) for kind in kinds))

    def work(self, *kinds: str) -> np.ndarray:
        return np.empty(self.work_size_of(*kinds))

    def sparse_jacobian(self):
        """How the nonzeros of the Jacobian are computed, None if its pattern is not known.

        See ``sciad.compiler.sparse.compressed_jacobian``.
        """
        return None

    @property
    def autonomous(self) -> bool:
        """Whether f is known not to depend on t."""
        return False

    @property
    def specialised(self) -> bool:
        """Whether it pays to compile a kernel for this very number of unknowns."""
        return self.n <= 4


class AddressModel(Model):
    """A model somebody else compiled: addresses by kind, such as those of numba's ``cfunc``."""

    def __init__(self, n: int, m: int, work_size: int = 0, **addresses: int):
        super().__init__((n,), m)
        self._addresses = addresses
        self._work_size = work_size

    def address(self, kind: str) -> int:
        return self._addresses[kind]

    def work_size(self, kind: str) -> int:
        return self._work_size


class CompiledModel(Model):
    """A model compiled from its source by ``sciad.compiler``."""

    def __init__(self, function, shape: tuple[int, ...], m: int, pattern=None):
        super().__init__(shape, m)
        self.function = function
        self._pattern = pattern  # of the Jacobian, where the user gave it and the program's is not known

    def address(self, kind: str) -> int:
        return self.function.address(kind)

    def codes(self, *kinds: str) -> list | None:
        code = getattr(self.function, "code", None)
        return [code(kind) for kind in kinds] if code and self.specialised else None

    def work_size(self, kind: str) -> int:
        return self.function.work_size(kind)

    def sparse_jacobian(self):
        from sciad.compiler.sparse.compressed_jacobian import sparse_jacobian

        return sparse_jacobian(self.function, "y", self.pattern())

    def pattern(self):
        """Where the Jacobian may have entries, csc_array of bool, or None."""
        from sciad.compiler.sparse.compressed_jacobian import pattern_of

        return pattern_of(self.function, "y") if self._pattern is None else self._pattern

    @functools.cached_property
    def autonomous(self) -> bool:
        from sciad.compiler.analysis.activity import varied

        return ("out", 0) not in varied(self.function.program(), {"t"})

    def failure(self, status: int) -> Exception:
        failure = getattr(self.function, "failure", None)
        return failure(status) if failure else super().failure(status)


class CallbackModel(Model):
    """A model in Python behind C entries, for what cannot be compiled.

    Parameters
    ----------
    kinds : dict of callables
        Each takes the calling convention's input arrays of its kind (t is a float) and returns the output
        arrays to be written, in order; gradients are added by the entry, as the convention asks.
    """

    changeable = True

    def __init__(self, shape: tuple[int, ...], m: int, **kinds: Callable):
        super().__init__(shape, m)
        self._kinds = kinds
        self._entries: dict[str, ctypes._CFuncPtr] = {}
        self._error: BaseException | None = None
        self.numbers: NumbersOfPattern | None = None  # of a sparse Jacobian

    def witness(self, points: list[tuple]) -> Witness:
        return Witness(self, points)

    def sparse_jacobian(self):
        return self.numbers

    def work_size(self, kind: str) -> int:
        return 0

    def address(self, kind: str) -> int:
        if kind not in self._entries:
            self._entries[kind] = _entry(self, kind, self._kinds[kind])
        return ctypes.cast(self._entries[kind], ctypes.c_void_p).value

    def failure(self, status: int) -> BaseException:
        error, self._error = self._error, None
        return error or super().failure(status)

    @property
    def specialised(self) -> bool:
        return False


class Witness:
    """Values of a model that is called in Python, to notice if it has changed when derivatives ask it again.

    What a function captures (a variable of a loop, an attribute, an array) may be another by then.
    """

    def __init__(self, model: Model, points: list[tuple]):
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


class NumbersOfPattern:
    """The sparse Jacobian of a callback model.

    As ``sciad.compiler.sparse.compressed_jacobian.SparseJacobian``.
    """

    colours = work_size = 0

    def __init__(self, model: CallbackModel, pattern):
        pattern.sum_duplicates()
        pattern.sort_indices()
        self.model, self.pattern, self.size = model, pattern, pattern.nnz
        self.place = np.arange(pattern.nnz)
        self.seeds = np.empty((0, model.n))

    @property
    def address(self) -> int:
        return self.model.address("numbers")


_POINTER = ctypes.POINTER(ctypes.c_double)

# Inputs and outputs of each kind after t: sizes as multiples of the model's (n, m, n * n), "+" marks
# accumulation.
_CONVENTION = {
    "primal": ("y p", "out"),
    "pushforward": ("y p dt dy dp", "out dout"),
    "pullback": ("y p gout", "out gt+ gy+ gp+"),
    "jacobian": ("y p", "J"),
    "numbers": ("y p", "N"),
    "second": ("y p gout dt dy dp dgout", "out dout gt+ gy+ gp+ dgt+ dgy+ dgp+"),
    "pushforward_along": ("y p s u dt dy dp", "out dout"),
    "pullback_along": ("y p s u gout", "out gt+ gy+ gp+ gs+ gu+"),
    "second_along": (
        "y p s u gout dt dy dp ds du dgout",
        "out dout gt+ gy+ gp+ gs+ gu+ dgt+ dgy+ dgp+ dgs+ dgu+",
    ),
}
_BY_VALUE = {"s", "dt", "ds"}  # times and their tangents among the inputs, as t itself


def _size(model: Model, name: str) -> int:
    """Numbers in an argument of an entry."""
    sizes = {"t": 1, "s": 1, "u": model.n, "y": model.n, "p": model.m, "o": model.n, "J": model.n * model.n}
    if name == "N":
        return model.sparse_jacobian().size
    return sizes[name.rstrip("+").lstrip("dg")[0]]


def _types(inputs: list[str], outputs: list[str]) -> list:
    """Of an entry's arguments after t, workspace last."""
    return [ctypes.c_double if name in _BY_VALUE else _POINTER for name in inputs] + [_POINTER] * (
        len(outputs) + 1
    )


def _entry(model: CallbackModel, kind: str, function: Callable):
    inputs, outputs = (words.split() for words in _CONVENTION[kind])
    prototype = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_double, *_types(inputs, outputs))

    def entry(t, *pointers):
        try:
            arguments = [
                value if name in _BY_VALUE else np.ctypeslib.as_array(value, (_size(model, name),)).copy()
                for name, value in zip(inputs, pointers, strict=False)
            ]
            results = function(t, *arguments)
            for name, pointer, result in zip(outputs, pointers[len(inputs) :], results, strict=False):
                target = np.ctypeslib.as_array(pointer, (_size(model, name),))
                if name.endswith("+"):
                    target += np.ravel(result)
                else:
                    target[...] = np.ravel(result)
        except BaseException as error:
            model._error = error
            return 1
        return 0

    return prototype(entry)
