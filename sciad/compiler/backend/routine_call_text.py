"""How calls of routines are written, and how the memory that they leave behind is given back."""

from __future__ import annotations

import functools

from sciad.compiler.ir.nodes import RoutineCall, View
from sciad.compiler.ir.routines import REPORT_BITS

__all__ = ["MEMORY", "freeing", "routine_call_lines"]

MEMORY = "memory"  # the name of the run's list of blocks, see `sciad.native.memory_blocks`


def routine_call_lines(emitter, node: RoutineCall) -> list[str]:
    """The statements of a call.

    Needs of `emitter`: ``index(memory, address)``, the text of an element, and `functions`, the names of what
    is called.
    """
    function, data = node.fn.symbols()
    emitter.functions.update(("call", "symbol"))
    places = ", ".join(_place(emitter, view) for view in (*node.outs, *node.args))
    return [
        f"status = call(symbol({function!r}), (symbol({data!r}), {places}, {MEMORY}))",
        f"if status != 0: return status + {node.site << REPORT_BITS}",
    ]


def _place(emitter, view: View) -> str:
    text = emitter.index(view.mem, view.address)
    at = text[len(view.mem) + 1 : -1]
    if view.mem == "C":  # constants are an array, other memories pointers
        emitter.functions.add("view")
        return f"view(C, {at}, {max(1, _size(view))})"
    if at == "0":
        return view.mem
    emitter.functions.add("shift")
    return f"shift({view.mem}, {at})"


def _size(view: View) -> int:
    size = 1
    for n in view.shape:
        size *= n
    return size


def freeing() -> str:
    """The call that gives back the blocks of a run."""
    return f"call(symbol({_free_blocks()!r}), ({MEMORY},))"


@functools.cache
def _free_blocks() -> str:
    from sciad.native import llvm, memory_blocks
    from sciad.native.kernels import link_entry

    code = link_entry(memory_blocks.free_blocks, "int64(int64)")
    llvm.provide(code.stem, code.address)
    return code.stem
