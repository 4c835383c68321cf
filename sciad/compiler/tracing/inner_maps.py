"""`vmap` inside of compiled functions: a loop over the elements."""

from __future__ import annotations

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import Bound, DictBox, ListBox, is_array, is_scalar
from sciad.compiler.tracing.inner_programs import Leaves
from sciad.compiler.tracing.structures import flatten, rebuild
from sciad.transforms import vmap as mapping


@lower(mapping.vmap)
def _vmap(t, f, in_axes=0, out_axes=0, failures="raise"):
    if is_array(f) or is_scalar(f):
        raise Refusal(f"ad.vmap of {t.describe(f)}: only functions can be mapped")
    if failures != "raise":
        raise Refusal(
            f"ad.vmap with failures={failures!r}",
            "Map the compiled function: ad.vmap(ad.jit(f), failures=...).",
        )
    return Bound(_call_vmap, (f, in_axes, out_axes))


def _call_vmap(f, in_axes, out_axes, /, *args, **kwargs):
    """Stands for the function that `vmap` returns."""


@lower(_call_vmap)
def _apply_vmap(t, f, in_axes, out_axes, /, *args, **kwargs):
    axes = tuple(t.items(in_axes)) if isinstance(in_axes, tuple | ListBox) else (in_axes,) * len(args)
    if len(axes) != len(args):
        raise Refusal(f"ad.vmap: in_axes has {len(axes)} entries for {len(args)} arguments")
    given = [_mapped(t, x, axis) for x, axis in zip(args, axes, strict=True)]
    sizes = {n for leaves, _ in given for x, n in leaves if n is not None}
    if len(sizes) != 1 or isinstance(next(iter(sizes)), Value):
        raise Refusal(
            "ad.vmap: no argument is mapped over"
            if not sizes
            else "ad.vmap: axes of different length, or of a length that depends on values"
        )
    (size,) = sizes

    def one(k):
        elements = [
            rebuilt([x if n is None else t.get_item(x, k) for x, n in leaves]) for leaves, rebuilt in given
        ]
        return Leaves(t, t.call(f, elements, dict(kwargs)), "the result of a function given to ad.vmap")

    like = t.scratch(lambda: one(Value("i", "", 0, size - 1)))
    outs = [
        None if kind is None else arrays.allocate(t, (size, *shape), kind)
        for kind, shape in zip(like.kinds, like.shapes, strict=True)
    ]

    def body(k):
        for out, leaf in zip(outs, one(k).leaves, strict=True):
            if out is not None:
                t.set_item(out, k, leaf)

    t.loop(body, count=size, name="k", live_head=set(), live=set())
    leaves = [
        like.leaves[k]
        if out is None
        else out
        if out_axes == 0
        else t.call(np.moveaxis, [out, 0, out_axes], {})
        for k, out in enumerate(outs)
    ]
    return like.tree(leaves)


def _mapped(t, x, axis):
    """Pairs of a leaf, its mapped axis first, and the length of that (None: it is not mapped), and what
    builds the argument from leaves.
    """
    leaves, structure = flatten(t, x)

    def rebuilt(found):
        return rebuild(t, structure, found)

    per_leaf = _axes_of(t, x, axis)
    pairs = []
    for leaf, a in zip(leaves, per_leaf, strict=True):
        if a is None:
            pairs.append((leaf, None))
            continue
        if not is_array(leaf) or not leaf.shape:
            raise Refusal(f"ad.vmap: axis {a} of {t.describe(leaf)}")
        if a:
            leaf = t.settled(t.call(np.moveaxis, [leaf, a, 0], {}))
        pairs.append((leaf, leaf.shape[0]))
    return pairs, rebuilt


def _axes_of(t, x, axis) -> list:
    """The axis of each leaf, for a structure of axes."""
    if axis is None or type(axis) is int:
        return [axis] * len(flatten(t, x)[0])
    if isinstance(axis, DictBox):
        parts = [(t.get_item(x, k), a) for k, a in axis.slots.items()]
        if list(axis.slots) != list(t.keys(x)):
            raise Refusal("ad.vmap: in_axes has not the structure of the argument")
    elif isinstance(axis, tuple | ListBox):
        items, axes = t.items(x), t.items(axis)
        if len(items) != len(axes):
            raise Refusal("ad.vmap: in_axes has not the structure of the argument")
        parts = list(zip(items, axes, strict=True))
    else:
        raise Refusal(f"ad.vmap: in_axes={t.describe(axis)}")
    return [a for part, one in parts for a in _axes_of(t, part, one)]
