"""Passes over the primal before it is differentiated."""

from __future__ import annotations

from .activity import remove_dead
from .ir import Program
from .regions import copy_program


def optimize(program: Program) -> Program:
    """An equivalent program: dead code removed."""
    return remove_dead(copy_program(program))
