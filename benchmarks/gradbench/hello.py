"""The square of a number, and its derivative."""

import sciad as ad
from benchmarks.gradbench.evaluation import Timed

square = ad.jit(lambda x: x * x)
double = ad.jit(ad.grad(lambda x: x * x))

FUNCTIONS = {
    "square": Timed(lambda x: (float(x),), square, float),
    "double": Timed(lambda x: (float(x),), double, float),
}
