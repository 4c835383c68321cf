"""The passes, and when they run."""

from __future__ import annotations

from sciad.compiler.analysis.activity import remove_dead
from sciad.compiler.analysis.parallel_loops import find_parallel
from sciad.compiler.ir.nodes import Program
from sciad.compiler.ir.walking import copy_program
from sciad.compiler.passes.custom_bodies import spliced
from sciad.compiler.passes.factoring import factored
from sciad.compiler.passes.index_checks import lift_checks
from sciad.compiler.passes.induction import replace_counters
from sciad.compiler.passes.loop_fission import split_loops
from sciad.compiler.passes.result_places import place_results
from sciad.compiler.passes.sharing import drop_overwritten, hoist, share, sum_outside


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
    program = spliced(copy_program(program))
    share(program)
    remove_dead(program)
    hoist(program)
    sum_outside(program)
    split_loops(program)
    share(program)
    drop_overwritten(program)
    share(program)
    return remove_dead(program)
