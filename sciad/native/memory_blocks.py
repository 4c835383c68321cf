"""Blocks of memory that a run of a program leaves for its later calls, as a list; freed when the run ends.

Where the list begins stands in one int64 of the run, 0 where there is none. A block begins with two int64:
the address of the next one, and that of further memory which belongs to it, or 0.
"""

from __future__ import annotations

from sciad.native.kernels import kernel
from sciad.native.runtime import allocate, release, whole_at

__all__ = ["MORE", "NEXT", "free_blocks", "new_block"]

NEXT = 0
MORE = 1


@kernel
def new_block(memory, words):
    """The address of a new block of that many words at the head of the list, 0 if there is no memory left."""
    block = allocate(8 * words)
    if block != 0:
        start = whole_at(memory, 1)
        head = whole_at(block, 2)
        head[NEXT] = start[0]
        head[MORE] = 0
        start[0] = block
    return block


@kernel
def free_blocks(memory):
    """Give back all blocks of a list."""
    start = whole_at(memory, 1)
    block = start[0]
    while block != 0:
        head = whole_at(block, 2)
        following = head[NEXT]
        if head[MORE] != 0:
            release(head[MORE])
        release(block)
        block = following
    start[0] = 0
    return 0
