"""Calls of users' functions that are made again when a derivative is computed, and what notices if such a
call gives another result than before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.eager.rebind import rebind
from sciad.eager.traced import Traced, operand, raw
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.transforms.captured import LARGE, Captured
from sciad.tree import flatten, unflatten


class LaterCall:
    """A call ``f(*args, **kwargs)`` that is made again after the user's program has gone on.

    Attributes
    ----------
    inputs : tuple
        The traced values that are captured, and the numbers and arrays among the arguments.
    """

    def __init__(self, f: Callable, args: tuple, kwargs: dict):
        leaves, self.structure = flatten((args, kwargs))
        numbers = [isinstance(leaf, _NUMBERS) for leaf in leaves]
        odd = [leaf for leaf, number in zip(leaves, numbers, strict=True) if not number]
        self.captured = Captured((rebind(f), *odd))
        self.inputs = (
            self.captured.values,
            [leaf for leaf, number in zip(leaves, numbers, strict=True) if number],
        )
        self.numbers, self.gone_on = numbers, False
        if any(isinstance(operand(x), Traced) for part in self.inputs for x in part):
            self.captured.freeze()

    def run(self, inputs, *first):
        """``f(*first, *args, **kwargs)`` with `inputs` in their places."""

        def call(root):
            f, *odd = root
            numbers, odd = iter(inputs[1]), iter(odd)
            args, kwargs = unflatten(self.structure, [next(numbers if n else odd) for n in self.numbers])
            return f(*first, *args, **kwargs)

        return (self.captured.later if self.gone_on else self.captured.present)(call, inputs[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gone_on = True


class Witness:
    """Notices if what is computed again is not what it was."""

    def __init__(self, out: Any):
        self.before = [_image(raw(operand(x))) for x in flatten(out)[0]]

    def check(self, again: Any, f: Callable) -> None:
        now = [_image(raw(operand(x))) for x in flatten(again)[0]]
        if len(now) != len(self.before) or not all(map(_alike, self.before, now)):
            raise NotDifferentiable(
                f"{getattr(f, '__name__', f)} is computed once more for the derivative, and gives another "
                "result than before: it reads something that has changed meanwhile (an attribute of a module "
                "or class, a file, an iterator, its own random numbers). Pass what it reads as arguments"
            )


def _image(x):
    """An array that is kept to compare: itself, or a few combinations of many entries."""
    x = np.asarray(x)
    if x.dtype.kind not in "fciub":
        return None
    x = x.ravel()
    if x.size <= LARGE:
        return x.copy()
    turns = np.exp(1j * np.arange(x.size) * 0.6180339887498949)
    return np.array([np.sum(np.abs(x)), np.sum(x * turns), x.size])


def _alike(a, b):
    if a is None or b is None:
        return a is b
    if a.shape != b.shape:
        return False
    if (a == b).all():
        return True
    size = np.max(np.abs(a), initial=0.0, where=np.isfinite(a))
    return np.allclose(a, b, rtol=1e-7, atol=1e-9 * size, equal_nan=True)


_NUMBERS = (float, int, complex, np.ndarray, np.generic, Traced)
