"""Random numbers (`sciad.random`) in compiled functions: calls of the machine code that Python calls."""

from __future__ import annotations

from sciad import random
from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import lower
from sciad.compiler.functions.routine_calls import call_routine, flat
from sciad.compiler.ir.routines import Routine
from sciad.compiler.objects import arrays
from sciad.native.random_kernels import random_entry


class _Random(Routine):
    """It never fails, and is given nothing that is differentiated."""

    name = "ad.random"

    def symbols(self) -> tuple[str, str]:
        return random_entry()


RANDOM = _Random()


@lower(random.drawn)
def _drawn(t, given, kind, count):
    given = t.settled(t.as_array(given))
    if given.shape != (4,) or type(count) is not int:
        raise Refusal("a key is what ad.random.key, split or fold_in return: two numbers")
    words = [t.builder.stop(t.builder.to_float(arrays.element(t, given, (k,)))) for k in range(4)]
    if not count:
        return arrays.force(t, arrays.filled(t, (0,), 0.0))
    (out,) = call_routine(t, RANDOM, [count], [flat(t, [*words, float(kind), float(count)])])
    return out
