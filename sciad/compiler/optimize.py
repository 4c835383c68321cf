"""The passes, and when they run."""

from __future__ import annotations

from .activity import remove_dead
from .checks import lift_checks
from .fission import split_loops
from .induction import replace_counters
from .ir import Program
from .linalg import factored
from .parallel import find_parallel
from .regions import copy_program
from .results import place_results
from .sharing import drop_overwritten, hoist, share, sum_outside


def optimize(program: Program) -> Program:
    """An equivalent program: before it is differentiated."""
    program = factored(copy_program(program))
    share(program)
    replace_counters(program)
    share(program)
    remove_dead(program)
    hoist(program)
    lift_checks(program)
    share(program)
    place_results(program)
    find_parallel(program)
    return remove_dead(program)


def finish(program: Program) -> Program:
    """An equivalent program: before it is emitted."""
    program = copy_program(program)
    share(program)
    remove_dead(program)
    hoist(program)
    sum_outside(program)
    split_loops(program)
    share(program)
    drop_overwritten(program)
    share(program)
    return remove_dead(program)
