"""Products of derivatives in which 0 meets infinity: how a thread computes them, and whether it met one.

A path of a program on which one factor of a derivative is 0 contributes nothing, though another be infinite
or NaN: ``np.where(x > 0, np.sqrt(x), 0)`` at 0.  Derivatives are computed with plain products first; where
these give NaN they are computed once more, *heeding* zeros.  A zero may also stand for a limit:
``np.cbrt(x)**3`` at 0.  So it is counted how often zeros were heeded, and the transform in which that
happened looks at the derivative beside the point (`sciad.transforms.limits`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager

from sciad.eager.traced import Primitive
from sciad.plain_numpy import np
from sciad.rule_table import scalar


class _Zeros(threading.local):
    """What one thread does about zeros.

    Attributes
    ----------
    heeded : bool
        Products are computed in which a factor 0 wins, by compiled programs too.
    met : int
        How many times derivatives had to be computed so.
    beside : bool
        A derivative is computed beside a point where 0 met infinity; that is not looked into once more.
    """

    heeded = False
    met = 0
    beside = False

    @contextmanager
    def heeding(self):
        """Compute what is inside with products in which a factor 0 wins."""
        before, self.heeded = self.heeded, True
        self.met += 1
        try:
            yield
        finally:
            self.heeded = before


zeros = _Zeros()


@Primitive
def product(a, b):
    """``a * b``, 0 where a factor is 0, infinite or NaN though the other be."""
    return np.where((a == 0) | (b == 0), 0.0, a * b)[()]


scalar(product, lambda y, a, b: b, lambda y, a, b: a)
