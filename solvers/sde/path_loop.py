"""Loops over paths as data: the kernel, its signature and workspace, and the steps it is linked with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from sciad.native.kernels import link

__all__ = ["PathLoop", "StepCall", "linked"]


@dataclass(frozen=True)
class StepCall:
    """How a loop makes a step of all lanes, under one name that its kernel uses.

    Attributes
    ----------
    name : str
    by_address : kernel
        Calls the step path after path.
    lanes : kernel
        Calls an entry of the step that loops over the lanes itself.
    """

    name: str
    by_address: Callable
    lanes: Callable


@dataclass(frozen=True)
class PathLoop:
    """A loop over steps of many paths.

    Attributes
    ----------
    kernel : kernel
    signature : str
    room : callable
        ``room(size, m, n_p, steps, work)`` is its workspace for a state of `size` numbers, m of noise, n_p
        parameters, and a step that wants `work`.
    kinds : tuple of str
        Entries of the step that it calls.
    calls : tuple of StepCall
    """

    kernel: Callable
    signature: str
    room: Callable[[int, int, int, int, int], int]
    kinds: tuple[str, ...]
    calls: tuple[StepCall, ...]


@functools.cache
def linked(loop: PathLoop, lanes: bool, noises: int) -> Callable:
    """The loop's machine code for steps with or without lanes, and for the noise that they take."""
    calls = {call.name: call.lanes if lanes else call.by_address for call in loop.calls}
    return link(loop.kernel, loop.signature, {"NOISES": noises, **calls})
