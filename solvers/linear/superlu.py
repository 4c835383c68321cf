"""Large sparse systems by SciPy's SuperLU, as entries that kernels call back into Python by address."""

from __future__ import annotations

import ctypes
import warnings

import numpy as np
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

__all__ = ["SuperLU"]

_P = ctypes.POINTER(ctypes.c_double)
_N = ctypes.c_int64
_FACTOR = ctypes.CFUNCTYPE(_N, _N, ctypes.c_double, _P, _P, _P, ctypes.c_void_p)
_SOLVE = ctypes.CFUNCTYPE(_N, _N, _P, _P, ctypes.c_void_p)
_TIMES = ctypes.CFUNCTYPE(_N, _N, _P, _P, _P, ctypes.c_void_p)


class SuperLU:
    """Entries for W of one pattern; the factors of each memory F are kept beside it, by its address, and F
    holds their number.

    Parameters
    ----------
    pattern : csc_array (n, n)
        Of W.
    source : ndarray (nnz,)
        Where in J each entry is, -1 where J has none.
    jacobian_size : int
    """

    def __init__(self, pattern: csc_array, source: np.ndarray, jacobian_size: int):
        self.pattern, self.source, self.size = pattern, np.maximum(source, 0), jacobian_size
        self.absent = source < 0
        self.factors: dict[int, tuple[float, object]] = {}
        self.count = 0
        # The pattern of W is nearly symmetric and its diagonal heavy: then minimum degree on W + W^T with
        # diagonal pivots wherever they are not small fills in much less (X. S. Li, ACM TOMS 31 (2005)).
        symmetric = _share_symmetric(pattern) > 0.7
        self.options = (
            {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.01, "options": {"SymmetricMode": True}}
            if symmetric
            else {"permc_spec": "COLAMD"}
        )
        self.entries = (
            _FACTOR(self.factor),
            _SOLVE(lambda n, F, x, table: self.solve(n, F, x, "N")),
            _SOLVE(lambda n, F, x, table: self.solve(n, F, x, "T")),
            _TIMES(self.times),
        )

    @property
    def addresses(self) -> list[int]:
        return [ctypes.cast(entry, ctypes.c_void_p).value for entry in self.entries]

    def factor(self, n, shift, J, M, F, table) -> int:
        count = len(self.source)
        values = -np.ctypeslib.as_array(J, (self.size,))[self.source]
        values[self.absent] = 0.0
        values += shift * np.ctypeslib.as_array(M, (count,))
        if not np.isfinite(values).all():
            return 1
        matrix = csc_array((values, self.pattern.indices, self.pattern.indptr), shape=self.pattern.shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                factors = splu(matrix, **self.options)
        except (RuntimeError, MemoryError):
            return 1
        self.count += 1
        F[0] = self.count
        self.factors[ctypes.addressof(F.contents)] = self.count, factors
        return 0

    def solve(self, n, F, x, letter: str) -> int:
        vector = np.ctypeslib.as_array(x, (n,))
        ticket, factors = self.factors[ctypes.addressof(F.contents)]
        # A copy of this memory that was put back speaks of factors that are no more.
        vector[:] = factors.solve(vector, trans=letter) if ticket == F[0] else np.nan
        return 0

    def times(self, n, M, x, out, table) -> int:
        values = np.ctypeslib.as_array(M, (len(self.source),))
        matrix = csc_array((values, self.pattern.indices, self.pattern.indptr), shape=self.pattern.shape)
        np.ctypeslib.as_array(out, (n,))[:] = matrix @ np.ctypeslib.as_array(x, (n,))
        return 0


def _share_symmetric(pattern: csc_array) -> float:
    """How many of the entries have a partner across the diagonal."""
    return (pattern * pattern.T.tocsc()).nnz / max(1, pattern.nnz)
