"""Sparse LU without pivoting as straight-line machine code, for one pattern.

The order of elimination is chosen once, from the pattern: diagonal pivots of least Markowitz count (I. S.
Duff, A. M. Erisman & J. K. Reid, Direct Methods for Sparse Matrices, 2nd ed., 7.2). So every index is a
constant: no loops, no index arrays, no zeros. The code is given to LLVM as text and kept in the cache folder.

Pivots are watched: one that the elimination has made much smaller or larger than the diagonal entry it came
from makes `factor` report that the factors are not to be trusted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from sciad.native.code import assembled

__all__ = ["Elimination", "StaticLU", "eliminate", "static_lu"]

PART = 800  # instructions of one function: the time to compile grows faster than its length
SHRINK, GROW = 1e-10, 1e6  # of a pivot, relative to the entry of W at its place


@dataclass(frozen=True)
class Elimination:
    """What happens, in what order; rows and columns by their original numbers.

    Attributes
    ----------
    order : list of int
        Pivots.
    below, right : list of lists
        For each pivot, in that order, the rows below it and the columns right of it.
    operations : int
        Multiplications and divisions of a factorisation.
    entries : int
        Of L and U together.
    """

    order: list[int]
    below: list[list[int]]
    right: list[list[int]]
    operations: int
    entries: int


def eliminate(pattern: csc_array, most: int) -> Elimination | None:
    """The elimination of a pattern with a full diagonal; None if it takes more than `most` operations."""
    n = pattern.shape[0]
    rows: list[set] = [set() for _ in range(n)]
    columns: list[set] = [set() for _ in range(n)]
    for j in range(n):
        for i in pattern.indices[pattern.indptr[j] : pattern.indptr[j + 1]].tolist():
            if i != j:
                rows[i].add(j)
                columns[j].add(i)
    left = set(range(n))
    order, below, right, operations, entries = [], [], [], 0, 0
    while left:
        k = min(left, key=lambda q: (len(rows[q]) * len(columns[q]), q))
        left.remove(k)
        order.append(k)
        below.append(sorted(columns[k]))
        right.append(sorted(rows[k]))
        operations += len(columns[k]) * (1 + len(rows[k]))
        entries += 1 + len(columns[k]) + len(rows[k])
        if operations > most:
            return None
        for i in columns[k]:
            rows[i] |= rows[k]
            rows[i] -= {i, k}
        for j in rows[k]:
            columns[j] |= columns[k]
            columns[j] -= {j, k}
    return Elimination(order, below, right, operations, entries)


@dataclass(eq=False)
class StaticLU:
    """Addresses of compiled code.

    ``factor(double shift, double *J, double *M, double *F) -> int64``: factors of shift M - J into F, status
    0, or 1 where a pivot is not to be trusted. ``solve(double *F, double *x) -> int64`` overwrites x, and so
    does ``solve_transposed``.
    """

    factor: int
    solve: int
    solve_transposed: int
    size: int  # of F


def static_lu(pattern: csc_array, plan: Elimination, source: np.ndarray, mass: bool) -> StaticLU:
    """Compile the elimination of W = shift M - J.

    Parameters
    ----------
    pattern : csc_array (n, n)
        Of W, with a full diagonal.
    source : ndarray (nnz,)
        Where in J each entry of the pattern is, -1 where J has none.
    mass : bool
        Whether M is given, one number per entry of the pattern; otherwise it is the identity.
    """
    key = (pattern.indptr.tobytes(), pattern.indices.tobytes(), source.tobytes(), mass)
    with _guard:
        if key not in _compiled:
            text, size = _Writer(pattern, plan, source, mass).text()
            _compiled[key] = _compile(text, size)
        return _compiled[key]


_compiled: dict = {}
_guard = threading.Lock()


def _compile(text: str, size: int) -> StaticLU:
    names = ("factor", "solve", "solve_transposed")
    code = assembled(text, "elimination", names)
    return StaticLU(*(code.address_of(name) for name in names), size)


class _Writer:
    """LLVM assembly of the three functions."""

    def __init__(self, pattern, plan: Elimination, source, mass: bool):
        self.plan, self.mass = plan, mass
        n = pattern.shape[0]
        columns = np.repeat(np.arange(n), np.diff(pattern.indptr)).tolist()
        self.entry = {
            (i, j): (k, s)
            for k, (i, j, s) in enumerate(
                zip(pattern.indices.tolist(), columns, source.tolist(), strict=True)
            )
        }
        self.lines: list[str] = []
        self.count = 0
        # Where in F the factors are: column by column of L, the reciprocal pivot, row by row of U.
        self.place: dict[tuple[int, int], int] = {}
        for k, below, right in zip(plan.order, plan.below, plan.right, strict=True):
            for at in [(i, k) for i in below] + [(k, k)] + [(k, j) for j in right]:
                self.place[at] = len(self.place)

    def text(self) -> tuple[str, int]:
        self.factor()
        self.solve()
        self.solve_transposed()
        head = ["declare double @llvm.fabs.f64(double)"]
        return "\n".join(head + self.lines) + "\n", len(self.place)

    def new(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def load(self, memory: str, index: int) -> str:
        address = self.new(f"getelementptr inbounds double, ptr {memory}, i64 {index}")
        return self.new(f"load double, ptr {address}")

    def store(self, memory: str, index: int, value: str) -> None:
        address = self.new(f"getelementptr inbounds double, ptr {memory}, i64 {index}")
        self.lines.append(f"  store double {value}, ptr {address}")

    def times(self, a: str, b: str) -> str:
        return self.new(f"fmul contract double {a}, {b}")

    def less(self, x: str | None, a: str, b: str) -> str:
        """x - a b; x may be zero."""
        if x is None:
            return self.new(f"fneg double {self.times(a, b)}")
        return self.new(f"fsub contract double {x}, {self.times(a, b)}")

    def open(self, name: str, arguments: str) -> None:
        """Begin a function; it is written as several that work on the same memory and are called in turn."""
        self.name, self.arguments, self.parts = name, arguments, 0
        self.open_part()

    def open_part(self) -> None:
        head = f"define internal i64 @{self.name}_{self.parts}({self.arguments}) noinline {{"
        self.lines += [head, "entry:"]
        self.opened = self.count
        self.good: str | None = None

    def close_part(self) -> None:
        status = "0" if self.good is None else self.new(f"select i1 {self.good}, i64 0, i64 1")
        self.lines += [f"  ret i64 {status}", "}"]
        self.parts += 1

    def pause(self) -> None:
        """Here no value is needed any more."""
        if self.count - self.opened > PART:
            self.close_part()
            self.open_part()

    def close(self) -> None:
        self.close_part()
        self.lines += [f"define i64 @{self.name}({self.arguments}) {{", "entry:"]
        passed = self.arguments.replace("noalias ", "")
        status = "0"
        for k in range(self.parts):
            found = self.new(f"call i64 @{self.name}_{k}({passed})")
            status = found if k == 0 else self.new(f"or i64 {status}, {found}")
        self.lines += [f"  ret i64 {status}", "}"]

    def original(self, i: int, j: int) -> str | None:
        """The entry of shift M - J."""
        found = self.entry.get((i, j))
        if found is None:
            return None
        k, source = found
        value = None if source < 0 else self.load("%J", source)
        if self.mass:
            shifted = self.times("%shift", self.load("%M", k))
        elif i == j:
            shifted = "%shift"
        else:
            return None if value is None else self.new(f"fneg double {value}")
        return shifted if value is None else self.new(f"fsub double {shifted}, {value}")

    def factor(self) -> None:
        """Row k of U and column k of L at a time, each entry as one sum: few values live at once."""
        plan = self.plan
        pointers = ", ".join(f"ptr noalias %{name}" for name in "JMF")
        self.open("factor", f"double %shift, {pointers}")
        products: dict[tuple[int, int], list[int]] = {}
        for k, below, right in zip(plan.order, plan.below, plan.right, strict=True):
            for i in below:
                for j in right:
                    products.setdefault((i, j), []).append(k)

        def value(i, j):
            total = self.original(i, j)
            for k in products.get((i, j), ()):
                total = self.less(total, self.factors(i, k), self.factors(k, j))
            return total

        for k, below, right in zip(plan.order, plan.below, plan.right, strict=True):
            pivot = value(k, k)
            self.watch(k, pivot)
            inverse = self.new(f"fdiv double 1.0, {pivot}")
            self.store("%F", self.place[k, k], inverse)
            for j in right:
                self.store("%F", self.place[k, j], value(k, j))
            for i in below:
                self.store("%F", self.place[i, k], self.times(value(i, k), inverse))
            self.pause()
        self.close()

    def factors(self, i: int, j: int) -> str:
        return self.load("%F", self.place[i, j])

    def watch(self, k: int, pivot: str) -> None:
        before = self.size(self.original(k, k))
        size = self.size(pivot)
        for factor, compare in ((SHRINK, "ogt"), (GROW, "olt")):
            limit = self.new(f"fmul double {before}, {_hex(factor)}")
            holds = self.new(f"fcmp {compare} double {size}, {limit}")
            self.good = holds if self.good is None else self.new(f"and i1 {self.good}, {holds}")

    def size(self, x: str) -> str:
        return self.new(f"call double @llvm.fabs.f64(double {x})")

    def solve(self) -> None:
        plan = self.plan
        self.open("solve", "ptr noalias %F, ptr noalias %x")
        left: dict[int, list[int]] = {}
        for k, below in zip(plan.order, plan.below, strict=True):
            self.substitute(k, [(i, self.place[k, i]) for i in left.get(k, ())])
            for i in below:
                left.setdefault(i, []).append(k)
        for k, right in zip(reversed(plan.order), reversed(plan.right), strict=True):
            self.substitute(k, [(j, self.place[k, j]) for j in right], self.place[k, k])
        self.close()

    def solve_transposed(self) -> None:
        plan = self.plan
        self.open("solve_transposed", "ptr noalias %F, ptr noalias %x")
        above: dict[int, list[int]] = {}
        for k, right in zip(plan.order, plan.right, strict=True):
            self.substitute(k, [(i, self.place[i, k]) for i in above.get(k, ())], self.place[k, k])
            for j in right:
                above.setdefault(j, []).append(k)
        for k, below in zip(reversed(plan.order), reversed(plan.below), strict=True):
            self.substitute(k, [(i, self.place[i, k]) for i in below])
        self.close()

    def substitute(self, k: int, others: list[tuple[int, int]], pivot: int | None = None) -> None:
        """x_k becomes x_k less products of factors and other components, times the reciprocal pivot."""
        if not others and pivot is None:
            return
        total = self.load("%x", k)
        for i, place in others:
            total = self.less(total, self.load("%F", place), self.load("%x", i))
        if pivot is not None:
            total = self.times(total, self.load("%F", pivot))
        self.store("%x", k, total)
        self.pause()


def _hex(x: float) -> str:
    """A double as LLVM writes it, exactly."""
    return f"0x{np.float64(x).view(np.uint64):016X}"
