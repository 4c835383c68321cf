"""Less memory for more work: recompute a part of a program in the backward sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.transforms.custom import custom
from sciad.transforms.gradients import jvp, vjp
from sciad.transforms.later_calls import LaterCall, Witness
from sciad.transforms.transformed import Transformed


def checkpoint(f: Callable) -> Checkpointed:
    """Return a function that computes `f` but keeps only its arguments for the backward sweep.

    The gradient is that of `f`; its operations are run once more when the sweep reaches them.  Forward
    mode is not affected.

    Parameters
    ----------
    f : callable
        Values it captures are treated as further arguments.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.grad(lambda x: np.sum(ad.checkpoint(np.sin)(x)))(np.zeros(2))
    array([1., 1.])
    """
    return Checkpointed(f)


class Checkpointed(Transformed):
    """A function that is computed once more in the backward sweep; made by `checkpoint`."""

    transform = staticmethod(checkpoint)

    def made_of(self) -> tuple:
        return (self.f,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = LaterCall(self.f, args, kwargs)

        def run(*inputs):
            return call.run(inputs)

        def pullback(inputs):
            out = run(*inputs)
            before = Witness(out)

            def pull(g):
                again, back = vjp(run, *inputs)
                before.check(again, self.f)
                return back(g)

            return out, pull

        def pushforward(inputs, tangents):
            return jvp(run, inputs, tangents)

        recomputed = custom(run, pushforward, pullback)
        recomputed.whole = True  # under `vmap`: its rules are transforms, which take whole batches
        with call:
            return recomputed(*call.inputs)
