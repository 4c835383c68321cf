"""Names in the loops over paths that the linker fills."""

from __future__ import annotations

from collections.abc import Callable

from sciad.native.placeholders import placeholder

__all__ = ["NOISES", "advance", "advance_tangent", "retreat"]

NOISES: int = placeholder("what noise a step takes, see sciad.solvers.sde.brownian")
advance: Callable = placeholder("one step of all lanes")
advance_tangent: Callable = placeholder("one step of all lanes and of their derivative along one direction")
retreat: Callable = placeholder("one step of all lanes, transposed")
