"""Functions of ours whose rules another package of ours registers: solves and what is like them."""

from __future__ import annotations

from typing import Any

from sciad.eager.ownership import private
from sciad.eager.tape import Var, accumulate, keep, new
from sciad.eager.traced import Traced
from sciad.plain_numpy import np
from sciad.transforms.custom import ONE_LEAF, Call, Custom, Pull, each_pull
from sciad.tree import LEAF


class Delegated(Custom):
    """A function of ours whose rules another package of ours registers: arguments and result are leaves, and
    the rules call no function that has to be rebound and write into nothing they are given. So the commonest
    call needs no structures and few copies. Not for users' rules, of which none of that is known.
    """

    def __call__(self, *args: Any) -> Any:
        top, level = None, 0
        for a in args:
            if isinstance(a, Traced) and a.level > level:
                top, level = a, a.level
        if top is None:
            return self.fn(*args)
        if top.__class__ is not Var:
            return super().__call__(*args)
        tape, values, parents = top.tape, [], []
        for a in args:
            if isinstance(a, Traced):
                if a.__class__ is not Var or a.tape is not tape or isinstance(a.value, Traced):
                    return super().__call__(*args)
                values.append(a.value)
                parents.append(a.index)
            else:
                if a.__class__ is np.ndarray:
                    a = keep(a, tape) if a.size > 4096 else a.copy(order="K")
                values.append(a)
                parents.append(None)
        # rules of ours are not rebound; the result is copied, for users may write into it
        out, pull = (self._pullback or self._rule("_pullback"))(values)
        rule = _DelegatedPull(self, pull)
        if out.__class__ is not np.ndarray:
            return top.wrap(private(out), rule, values, parents)
        made, out = new(Var), np.array(out)
        made.value, made.tape, made.index = out, tape, len(tape)
        tape.record((rule, out, values, parents))
        return made


class _DelegatedPull(Pull):
    """The same for rules that can be trusted with the arrays themselves."""

    __slots__ = ("prim",)
    structure = LEAF

    def __init__(self, prim, pull):
        self.prim, self.pull_ = prim, pull

    def pull(self, g, y, args, parents, grads, owned):
        pull = each_pull(self.pull_, set()) if isinstance(g, Traced) else self.pull_
        for j, c, x in zip(parents, pull(g), args, strict=True):
            if j is not None and c is not None:
                if grads[j] is None and c.__class__ is np.ndarray and c.shape == x.shape and c.dtype is _F64:
                    grads[j] = c
                else:
                    accumulate(grads, j, c, x)

    def push(self, y, args, tangents):
        return Call(self.prim, [ONE_LEAF] * len(args)).push(args, tangents)[0]


_F64 = np.dtype(np.float64)
