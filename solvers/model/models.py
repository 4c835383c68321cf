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

import functools
import math
from collections.abc import Callable

import numpy as np

from sciad.native.code import Code
from sciad.solvers.model.entries import CallbackEntries, CompiledEntries, Entries

__all__ = ["AddressModel", "CallbackModel", "CompiledModel", "Model"]


# Inputs and outputs of each kind: sizes as multiples of the model's (n, m, n * n).
CONVENTION = {
    "primal": ("t y p", "out"),
    "pushforward": ("t y p dt dy dp", "out dout"),
    "pullback": ("t y p gout", "out gt+ gy+ gp+"),
    "jacobian": ("t y p", "J"),
    "numbers": ("t y p", "N"),
    "second": ("t y p gout dt dy dp dgout", "out dout gt+ gy+ gp+ dgt+ dgy+ dgp+"),
    "pushforward_along": ("t y p s u dt dy dp", "out dout"),
    "pullback_along": ("t y p s u gout", "out gt+ gy+ gp+ gs+ gu+"),
    "second_along": (
        "t y p s u gout dt dy dp ds du dgout",
        "out dout gt+ gy+ gp+ gs+ gu+ dgt+ dgy+ dgp+ dgs+ dgu+",
    ),
}


class Model(Entries):
    """A right-hand side f(t, y, p) with its derivatives, by address. See the module's docstring."""

    convention = CONVENTION
    by_value = frozenset({"t", "s", "dt", "ds"})
    switches = 0  # places where it switches, if its branches are held

    def __init__(self, shape: tuple[int, ...], m: int):
        self.shape = shape
        self.n = math.prod(shape)
        self.m = m
        self.plans: dict = {}

    def size(self, name: str) -> int:
        if name == "N":
            return self.sparse_jacobian().size
        if name == "J":
            return self.n * self.n
        return {"t": 1, "s": 1, "p": self.m}.get(name.rstrip("+").lstrip("dg")[0], self.n)

    def evaluate(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """f(t, y, p), shape (n,)."""
        return self.call("primal", t, y, p)[0]

    def codes(self, *kinds: str) -> list | None:
        """Native code of ``kinds`` to link kernels with, where that pays."""
        return None

    def served(self, kernel, kinds: tuple[str, ...], table: np.ndarray, algebra=None) -> Code:
        """A kernel with this model's code in it, where that pays; ``table`` is what it would be given."""
        codes = self.codes(*kinds) if algebra is None or algebra.kind == "inline" else None
        return kernel.code_serving(codes and [*codes, *table[len(codes) :].tolist()])

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


class CompiledModel(CompiledEntries, Model):
    """A model compiled from its source by ``sciad.compiler``."""

    def __init__(self, function, shape: tuple[int, ...], m: int, pattern=None):
        Model.__init__(self, shape, m)
        self.function = function
        self._pattern = pattern  # of the Jacobian, where the user gave it and the program's is not known

    def codes(self, *kinds: str) -> list | None:
        code = getattr(self.function, "code", None)
        return [code(kind) for kind in kinds] if code and self.specialised else None

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


class CallbackModel(CallbackEntries, Model):
    """A model in Python behind C entries, for what cannot be compiled; `kinds` as in `CallbackEntries`."""

    def __init__(self, shape: tuple[int, ...], m: int, **kinds: Callable):
        Model.__init__(self, shape, m)
        CallbackEntries.__init__(self, kinds)
        self.numbers: NumbersOfPattern | None = None  # of a sparse Jacobian
        self.time_scale = 1.0  # of the solve, for differences

    def sparse_jacobian(self):
        return self.numbers

    @property
    def specialised(self) -> bool:
        return False


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
