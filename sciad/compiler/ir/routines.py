"""Routines: machine code that programs call whole and that is not the compiler's own, with derivatives.

A solve of a differential equation is one. The packages above the compiler declare them; here is what the
compiler asks of a routine, and what it promises:

- A routine is a C function ``int64 f(const *data, double *outs..., const double *args..., int64 *memory)``.
  Outs and args are consecutive numbers of sizes known while compiling, outs are written whole. `data` is the
  routine's own. In `memory`, one per run of a program, it may keep a list of blocks that later calls read
  (`sciad.native.memory_blocks`); they are freed when the run ends, however it ends.
- It returns 0, or the address of a report that says what failed, which `failure` makes an exception of.
- In reverse mode the compiler calls `reversed`'s recording in place of the routine, which may leave a few
  numbers for the way back (where its block is), and later its `back`; in forward mode `tangent`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciad.compiler.ir.nodes import Site
from sciad.errors import NotDifferentiable
from sciad.native.runtime import NO_MEMORY

__all__ = ["REPORT_BITS", "Reversed", "Routine", "RoutineSite", "failure_of"]

REPORT_BITS = 48  # of a status above which the number of a site stands, beside the address of a report


class Routine:
    """A function in machine code, as programs call it.

    Attributes
    ----------
    name : str
        What users call it.
    """

    name: str

    def symbols(self) -> tuple[str, str]:
        """Names, entered by `sciad.native.llvm.provide`, of the C function and of its data."""
        raise NotImplementedError

    def failure(self, report: int) -> BaseException:
        """What to raise for a report, whose memory is given back."""
        raise NotImplementedError

    def beside_derivatives(self) -> Routine:
        """The routine that computes the values which derivatives belong to, if that is another one."""
        return self

    def reversed(self, wanted: tuple[bool, ...]) -> Reversed:
        """How it is run to be differentiated backwards, with respect to the `wanted` args."""
        raise NotDifferentiable(f"{self.name} has no derivative inside of a compiled function")

    def tangent(self) -> Routine:
        """Of outs, their tangents; args, their tangents."""
        raise NotDifferentiable(f"{self.name} has no forward derivative inside of a compiled function")


@dataclass
class Reversed:
    """A routine on its way to a gradient.

    Attributes
    ----------
    recording : Routine
        Outs as those of the routine, and one more of `kept` numbers; the same args.
    kept : int
    back : Routine
        Outs: cotangents of the args, those that are not wanted left as they are. Args: the kept numbers, then
        cotangents of the outs.
    """

    recording: Routine
    kept: int
    back: Routine


@dataclass
class RoutineSite(Site):
    """A call of a routine, which may fail."""

    routine: Routine | None = None

    def error(self, report: int = 0) -> BaseException:
        error = self.routine.failure(report)
        if self.line is not None and len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (f"{error.args[0]} ({self.line.file}:{self.line.number})",)
        return error


def failure_of(sites: list[Site], status: int) -> BaseException:
    """The exception that a status other than 0 stands for."""
    if status == NO_MEMORY:
        return MemoryError("there is not enough memory for what the derivative of a loop keeps of its rounds")
    number, report = status >> REPORT_BITS, status & ((1 << REPORT_BITS) - 1)
    if number:
        site = sites[number - 1]
        return site.error(report)
    return sites[status - 1].error()


def run(routine: Routine, outs: list[np.ndarray], args: list[np.ndarray], memory: np.ndarray) -> int:
    """Call a routine from Python."""
    from sciad.native.runtime import symbol

    function, data = map(symbol, routine.symbols())
    return function(int(data), *outs, *args, memory)
