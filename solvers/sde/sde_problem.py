"""A stochastic problem made ready to run: compiled step, times, noise, and the loops over its paths."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sciad.native.kernels import link
from sciad.solvers.sde import adaptive_loop, ensemble
from sciad.solvers.sde.brownian import BrownianMotion, noise_numbers
from sciad.solvers.sde.compiled_step import Step
from sciad.solvers.sde.equation import Equation
from sciad.solvers.sde.fixed_loop import FORWARD, LANES
from sciad.solvers.sde.path_loop import PathLoop, linked
from sciad.solvers.sde.sde_arguments import StepChoice
from sciad.solvers.sde.stochastic_methods import Method
from sciad.solvers.sde.time_grid import Grid, OutputTimes, recorded_grid

__all__ = ["Progress", "SDEProblem"]


@dataclass
class Progress:
    """What is known of a run."""

    success: bool = True
    message: str = "The solver successfully reached the end of the integration interval."
    accepted: int = 0
    rejected: int = 0


class SDEProblem:
    """Everything about a solve but its numbers y0 and p; an opaque constant to the transforms.

    Attributes
    ----------
    step : Step
        Without an error estimate; what derivatives are taken of.
    embedded : Step or None
        With one, for adaptive steps.
    grid : Grid or None
        The fixed steps.
    outputs : OutputTimes or None
        Of adaptive steps.
    paths : int or None
        None for a single path that is not called an ensemble.
    run : Progress
        Of the last run.
    records : list of ndarray
        Of adaptive runs: the ends of the steps of each path.
    """

    # no dataclass: those are structures of leaves to the transforms

    def __init__(
        self,
        equation: Equation,
        method: Method,
        step: Step,
        embedded: Step | None,
        brownian: BrownianMotion,
        steps: StepChoice,
        grid: Grid | None,
        outputs: OutputTimes | None,
        *,
        paths: int | None,
        adjoint: Any,
        threads: int | None,
        progress: bool,
    ):
        self.equation, self.method = equation, method
        self.step, self.embedded = step, embedded
        self.brownian, self.steps, self.grid, self.outputs = brownian, steps, grid, outputs
        self.paths, self.adjoint, self.threads, self.progress = paths, adjoint, threads, progress
        self.run = Progress()
        self.records: list[np.ndarray] = []

    @property
    def count(self) -> int:
        """Number of paths."""
        return 1 if self.paths is None else int(self.paths)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.equation.shape

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    @property
    def ts(self) -> np.ndarray:
        """Output times."""
        return self.grid.ts if self.outputs is None else self.outputs.of(self.records[0])

    def noise(self) -> tuple:
        """The arguments of kernels that say which noise it is."""
        b = self.brownian
        return b.start, b.dt, b.key, b.table, b.size

    def forward(self, y0, p, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Outputs (T, n, paths) of paths first..stop."""
        stop = self.count if stop is None else stop
        if self.grid is None:
            return self._adaptive(y0, p, first, stop)
        grid, out = self.grid, np.empty((len(self.grid.ts), self.n, stop))
        run = self.sweep(FORWARD)
        self.over_parts(lambda part: run(part, y0, p, out), first, stop)
        self.run = Progress(accepted=len(grid.cells) * (stop - first))
        self._judge(out[-1, :, first:], first, grid.ts[-1])
        return out[:, :, first:] if first else out

    def over_parts(self, work, first: int = 0, stop: int | None = None) -> list:
        """``work((first, stop))`` for the parts of the paths that threads work on, in order."""
        stop = self.count if stop is None else stop
        parts = [(first + a, first + b) for a, b in ensemble.chunks(stop - first, LANES)]
        return ensemble.run(work, parts, self.threads, self.progress)

    def sweep(self, loop: PathLoop, step: Step | None = None):
        """A function ``run((first, stop), y0, p, *rest, grid=None)`` that calls the kernel of a loop."""
        step = step or self.step
        entries = step.entries(*loop.kinds)
        kernel = linked(loop, entries.lanes, self.method.noise)
        noise, m = self.noise(), noise_numbers(self.method.noise, self.brownian.size)

        def run(part, y0, p, *rest, grid=self.grid):
            state = np.array([*part, 0], dtype=np.int64)
            columns = y0.reshape(len(y0), -1)
            room = np.empty(loop.room(len(y0), m, len(p), len(grid.cells), entries.work))
            code = kernel(
                entries.table, state, grid.times, grid.cells, grid.slots, columns, p, *noise, room, *rest
            )
            if code:
                raise step.failure(int(state[2]))

        return run

    def by_grids(self, part) -> list:
        """Paths of a part that share their steps, with them: all, or with steps of their own one by one."""
        if self.grid is not None:
            return [(part, self.grid)]
        return [((k, k + 1), recorded_grid(self.records[k], self.outputs)) for k in range(*part)]

    def in_parts(self, y0, p, take, size: int = 4096) -> None:
        """Call ``take`` with the outputs of some paths at a time."""
        whole = Progress()
        for first in range(0, self.count, size):
            take(self.forward(y0, p, first, min(first + size, self.count)))
            whole.accepted += self.run.accepted
            whole.rejected += self.run.rejected
            if whole.success and not self.run.success:
                whole.success, whole.message = False, self.run.message
        self.run = whole

    def _judge(self, last, first, t):
        bad = ~np.isfinite(last)
        if bad.any():
            component, path = (int(i[0]) for i in np.nonzero(bad))
            self.run.success = False
            self.run.message = (
                f"{int(bad.any(0).sum())} of {bad.shape[1]} paths are not finite at t = {t:.6g}, the first "
                f"being path {first + path} with component {component} = {last[component, path]}; take "
                "smaller steps, or check the model for values outside of its domain."
            )

    def _adaptive(self, y0, p, first, stop):
        self.run = Progress()
        done = self.over_parts(self._adaptive_part(y0, p), first, stop)
        self.records = [r for _, records, _ in done for r in records]
        self.run.accepted, self.run.rejected = sum(total for _, _, total in done).tolist()
        if self.outputs.chosen is None and self.run.success:
            return self._along(y0, p)
        out = np.ascontiguousarray(np.stack([y for outs, _, _ in done for y in outs], axis=-1))
        chosen = self.outputs.chosen
        return out if chosen is None else np.ascontiguousarray(out[chosen])

    def _adaptive_part(self, y0, p):
        """A function that runs the paths of a part; returns states, ends of steps and numbers of steps."""
        entry, work = self.embedded.address("primal"), self.embedded.work_size("primal")
        kernel = _linked_adaptive(self.method.noise)
        ends, noise, steps = self.outputs.ends, self.noise(), self.steps
        control = np.array(
            [steps.rtol, steps.atol, steps.first_step, steps.max_step, steps.max_steps], dtype=float
        )

        def run(part):
            desk = np.empty(3 * self.n + 2 * self.brownian.size + work + 1)
            outs, records, counts = [], [], np.zeros(3, dtype=np.int64)
            total = np.zeros(2, dtype=np.int64)
            for path in range(*part):
                capacity = 256
                while True:
                    ys, record = np.full((len(ends), self.n), np.nan), np.empty(capacity)
                    code = kernel(entry, path, control, ends, y0, p, *noise, ys, record, counts, desk)
                    if code != adaptive_loop.FULL:
                        break
                    capacity *= 4
                if code == 0:
                    raise self.embedded.failure(int(counts[2]))
                outs.append(ys)
                if code < 0:
                    self._stopped(code, path, record[0])
                    records.append(ends)
                    continue
                records.append(record[:code].copy())
                total += counts[:2]
            return outs, records, total

        return run

    def _along(self, y0, p):
        """All states of the single path, its steps being known."""
        grid = recorded_grid(self.records[0], self.outputs)
        out = np.empty((len(grid.ts), self.n, 1))
        self.sweep(FORWARD)((0, 1), y0, p, out, grid=grid)
        return out

    def _stopped(self, code, path, t):
        self.run.success = False
        if code == adaptive_loop.TOO_MANY:
            what = f"used up max_steps = {self.steps.max_steps}: allow more, or loosen rtol and atol"
        else:
            what = (
                "needs steps shorter than the noise resolves: loosen rtol and atol, or check the model there"
            )
        self.run.message = f"Path {path} at t = {t:.6g} {what}."


@functools.cache
def _linked_adaptive(noises: int):
    return link(adaptive_loop.adaptive, adaptive_loop.SIGNATURE, {"NOISES": noises})
