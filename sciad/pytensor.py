"""PyTensor's side of the bridge: a function of NumPy as an Op with its gradient, for models of PyMC.

    import sciad.pytensor

Nothing else of the package imports pytensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from sciad.errors import SolverError
from sciad.solvers.strict import failed_solves_raise
from sciad.transforms.gradients import vjp
from sciad.transforms.jacobians import hvp

__all__ = ["function"]


def function(f: Callable, ndim: int = 0) -> Callable:
    """A function of numbers and arrays as a function of PyTensor's variables.

    Parameters
    ----------
    f : callable
        ``f(*args) -> number or array``: plain NumPy, a compiled function (`sciad.jit`), anything with solves.
        Where a solve fails, the result is NaN, which a sampler rejects.
    ndim : int
        Dimensions of the result.

    Returns
    -------
    callable
        Of numbers, arrays and variables. Its gradient is an Op, too; that of a number has a gradient in turn,
        by products with the Hessian.

    Examples
    --------
    >>> import numpy as np, pytensor, pytensor.tensor as pt, sciad.pytensor
    >>> x = pt.dvector("x")
    >>> y = sciad.pytensor.function(lambda x: np.sum(x**3))(x)
    >>> pytensor.function([x], pytensor.grad(y, x), mode="FAST_COMPILE")([1.0, 2.0])
    array([ 3., 12.])
    """
    op = _Value(f, ndim)
    return lambda *args: op(*map(_variable, args))


class _OfNumPy(Op):
    """An Op that calls NumPy; one is equal to itself only."""

    __props__ = ()

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def numbers(self, compute: Callable, inputs: Sequence, shapes: Sequence) -> list:
        try:
            with failed_solves_raise(), np.errstate(all="ignore"):
                return [np.asarray(x, dtype=float) for x in compute(*inputs)]
        except SolverError:
            return [np.full(shape, np.nan) for shape in shapes]


class _Value(_OfNumPy):
    def __init__(self, f: Callable, ndim: int):
        self.f, self.ndim, self.shape = f, ndim, None
        self.gradient = _Gradient(self)

    def make_node(self, *args):
        return Apply(self, list(args), [pt.tensor(dtype="float64", shape=(None,) * self.ndim)])

    def perform(self, node, inputs, outputs):
        shape = self.shape if self.ndim else ()
        if shape is None:  # that of a failed solve is not known before one has been done
            found = np.asarray(self.f(*inputs), dtype=float)
        else:
            (found,) = self.numbers(lambda *x: (self.f(*x),), inputs, [shape])
        self.shape = found.shape
        outputs[0][0] = found

    def infer_shape(self, fgraph, node, shapes):
        if self.ndim:
            raise NotImplementedError
        return [()]

    def grad(self, inputs, gradients):
        found = self.gradient(*inputs, gradients[0])
        return found if isinstance(found, list) else [found]


class _Gradient(_OfNumPy):
    """``(*inputs, cotangent) -> cotangents of the inputs``."""

    def __init__(self, value: _Value):
        self.value = value

    def make_node(self, *args):
        return Apply(
            self, list(args), [pt.tensor(dtype="float64", shape=(None,) * x.ndim) for x in args[:-1]]
        )

    def perform(self, node, inputs, outputs):
        *args, g = inputs
        found = self.numbers(lambda *x: vjp(self.value.f, *x)[1](_number(g)), args, [x.shape for x in args])
        for place, x in zip(outputs, found, strict=True):
            place[0] = x

    def infer_shape(self, fgraph, node, shapes):
        return shapes[:-1]

    def grad(self, inputs, gradients):
        """Of a number: ``sum_k <u_k, g*df/dx_k>`` has the gradients ``g*(H u)`` and ``<u, df/dx>``."""
        if self.value.ndim:
            raise NotImplementedError("second derivatives are there for functions whose result is a number")
        *args, g = inputs
        directions = [
            pt.zeros_like(x) if isinstance(u.type, DisconnectedType) else u
            for x, u in zip(args, gradients, strict=True)
        ]
        *products, along = _Product(self.value)(*args, *directions)
        return [*(g * x for x in products), along]


class _Product(_OfNumPy):
    """``(*inputs, *directions) -> products with the Hessian, and the slope along the directions``."""

    def __init__(self, value: _Value):
        self.value = value

    def make_node(self, *args):
        half = len(args) // 2
        outs = [pt.tensor(dtype="float64", shape=(None,) * x.ndim) for x in args[:half]]
        return Apply(self, list(args), [*outs, pt.dscalar()])

    def perform(self, node, inputs, outputs):
        half = len(inputs) // 2
        args, directions = inputs[:half], inputs[half:]

        def compute(*args):
            f = self.value.f
            slopes = vjp(f, *args)[1](1.0)
            along = sum(float(np.sum(s * u)) for s, u in zip(slopes, directions, strict=True))
            whole = lambda parts: f(*parts)  # noqa: E731
            return (*hvp(whole, (tuple(args),), (tuple(map(_number, directions)),)), along)

        found = self.numbers(compute, args, [*(x.shape for x in args), ()])
        for place, x in zip(outputs, found, strict=True):
            place[0] = x


def _variable(x: Any):
    return pt.cast(pt.as_tensor_variable(x), "float64")


def _number(x):
    return x if np.ndim(x) else float(x)
