"""Where the arenas of a program lie in the workspace, and whether their size is known before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from sciad.compiler.ir.nodes import Alloc, Block, If, Loop, Program, Value
from sciad.compiler.ir.walking import ARENAS, accesses, blocks, is_arena, walk

FIRST = dict.fromkeys(ARENAS, 4096) | {"T": 512}  # floats offered to an arena of unknown size at first


@dataclass
class Layout:
    """`fixed`: offsets of the `Alloc` values that are constants.  Sizes are per twin of an arena.

    A twin ``k`` of an arena begins ``start[arena]`` plus ``k`` capacities into the workspace.
    """

    fixed: dict[Value, int]
    top: dict[str, int]  # where bumping starts: behind what is fixed
    size: dict[str, int]  # of one twin; of an arena that may grow, what it is first given
    grows: dict[str, bool]
    twins: dict[str, list[str]]

    @property
    def growing(self) -> list[str]:
        return [arena for arena in ARENAS if self.grows[arena]]

    @property
    def work_size(self) -> int:
        return sum(self.size[arena] * len(self.twins[arena]) for arena in self.size)


def lay_out(program: Program) -> Layout:
    fixed: dict[Value, int] = {}
    top, size = dict.fromkeys(ARENAS, 0), dict.fromkeys(ARENAS, 0)
    grows = dict.fromkeys(ARENAS, False)

    def visit(block: Block, times: int | None, looped: bool):
        for node in block:
            if isinstance(node, Alloc):
                if (
                    isinstance(node.size, int) and node.size and not looped
                ):  # size 0 asks where bumping has got to
                    fixed[node.out] = top[node.mem]
                    top[node.mem] += node.size
                elif isinstance(node.size, int) and times is not None:
                    size[node.mem] += node.size * times
                else:
                    grows[node.mem] = True
            elif isinstance(node, Loop) and node.scratch:
                visit(node.body, times, looped)
            elif isinstance(node, Loop):
                known = times is not None and isinstance(node.count, int)
                visit(node.body, times * max(node.count, 0) if known else None, True)
                if node.pre is not None:
                    visit(node.pre, None, True)
            elif isinstance(node, If):
                for inner in blocks(node):
                    visit(inner, times, looped)

    visit(program.body, 1, False)
    used = {mem for node in walk(program.body) for _, mem, _, _ in accesses(node)}
    twins = {}
    for arena in ARENAS:
        twins[arena] = sorted((m for m in used if is_arena(m) and m[0] == arena), key=lambda m: (len(m), m))
        size[arena] += top[arena] + (FIRST[arena] if grows[arena] else 0)
        if not twins[arena]:
            size[arena], grows[arena] = 0, False
    return Layout(fixed, top, size, grows, twins)
