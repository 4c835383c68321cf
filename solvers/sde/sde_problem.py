"""A stochastic problem made ready to run: compiled step, time grid, noise, and the kernels over its paths."""

from __future__ import annotations

import functools
import math
import warnings
from dataclasses import dataclass

import numpy as np

from sciad.native.kernels import link
from sciad.solvers.sde import adaptive_loop as sde_adaptive
from sciad.solvers.sde import ensemble
from sciad.solvers.sde import fixed_loop as sde_loop
from sciad.solvers.sde.brownian import SNAP, BrownianMotion, noise_numbers

__all__ = ["Grid", "Info", "Problem", "check_dependence", "fixed_grid", "shape_of_noise"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Fixed steps.

    Attributes
    ----------
    times : ndarray (K + 1,)
        Ends of the steps.
    cells : ndarray (K,)
        Cell of the Brownian motion that is the step, or -1.
    slots : ndarray (K + 1,)
        Output column of the state at that time, or -1.
    ts : ndarray (T,)
        Output times.
    """

    times: np.ndarray
    cells: np.ndarray
    slots: np.ndarray
    ts: np.ndarray


def fixed_grid(t0, t1, dt, t_eval, brownian: BrownianMotion) -> Grid:
    """Steps of dt from t0 on, cut where an output time lies."""
    from sciad.solvers.sde.solve_sde import check_outputs

    count = max(1, math.ceil((t1 - t0) / dt * (1 - 1e-12) - 1e-9))
    times = t0 + dt * np.arange(count + 1)
    times[-1] = t1
    if t_eval is None:
        slots = np.arange(len(times))
        ts = times
    else:
        ts = np.asarray(t_eval, float)
        check_outputs(ts, t0, t1)
        # an output time that is a step's end up to rounding is that end
        near = np.clip(np.searchsorted(times, ts), 0, count)
        near = np.where(
            np.abs(times[np.maximum(near - 1, 0)] - ts) < np.abs(times[near] - ts), near - 1, near
        )
        snapped = np.where(np.abs(times[near] - ts) <= SNAP * dt, times[near], ts)
        if not np.all(np.diff(snapped) > 0):
            close = int(np.argmin(np.diff(snapped)))
            raise ValueError(
                f"t_eval[{close}] = {ts[close]} and t_eval[{close + 1}] = {ts[close + 1]} are the same time "
                f"up to rounding"
            )
        # nothing is stepped over after the last output: a path may end there, and its derivatives with it
        times = np.union1d(times, snapped)
        times = times[times <= snapped[-1]]
        slots = np.full(len(times), -1)
        slots[np.searchsorted(times, snapped)] = np.arange(len(ts))
    return Grid(times, cells_of(times, brownian), slots.astype(np.int64), ts)


def cells_of(times, brownian: BrownianMotion) -> np.ndarray:
    """For each interval between times the cell of the motion that it is, or -1."""
    position = (times - brownian.start) / brownian.dt
    nearest = np.round(position)
    edge = np.abs(position - nearest) <= SNAP
    whole = edge[:-1] & edge[1:] & (np.diff(nearest) == 1)
    return np.where(whole, nearest[:-1], -1).astype(np.int64)


def shape_of_noise(drift, diffusion, noise, t0, y0, args):
    """How the diffusion acts ("diagonal", "scalar" or "general") and the shape of the noise.

    Raises
    ------
    ValueError
        If drift or diffusion return something of another shape than `noise` calls for.
    """
    shape = np.shape(y0)
    y = np.array(y0, float)[()] if not shape else np.array(y0, float)
    with np.errstate(all="ignore"):
        f = np.shape(drift(t0, y, *args))
        g = np.shape(diffusion(t0, y, *args))
    if f != shape:
        raise ValueError(f"drift returns shape {f} for a state of shape {shape}; they must be equal")
    if noise in ("diagonal", "scalar"):
        if g != shape:
            raise ValueError(f"diffusion returns shape {g}; {noise} noise wants that of the state, {shape}")
        return noise, (shape if noise == "diagonal" else ())
    if noise == "additive" and g == shape:
        return "diagonal", shape
    if len(g) != len(shape) + 1 or g[:-1] != shape:
        also = f" or {shape}" if noise == "additive" else ""
        raise ValueError(
            f"diffusion returns shape {g}; {noise} noise wants {(*shape, 'm')}{also}: "
            f"the state's shape and an axis "
            "for the noise"
        )
    return "general", g[-1:]


def check_dependence(diffusion, noise, kind, method, t0, t1, y0, args):
    """Try whether additive noise depends on the state, and diagonal noise on other components.

    Raises
    ------
    ValueError
        If additive noise does. Of diagonal noise it is a warning: what is lost is order.
    """
    alone = method.derivative or max(method.strong, method.weak) > 1
    if noise != "additive" and not (alone and kind == "diagonal" and np.size(y0) > 1):
        return
    y0 = np.array(y0, float)
    flat = y0.ravel()
    other = flat + 0.01 * (1 + np.abs(flat)) * (1 + 0.3 * np.cos(np.arange(flat.size)))
    bits = np.arange(flat.size)[None, :] >> np.arange(max(1, (flat.size - 1).bit_length()))[:, None] & 1
    chosen = [np.ones(flat.size, int)] if noise == "additive" else [s for b in bits for s in (b, 1 - b)]
    for t in (t0, 0.5 * (t0 + t1)):
        with np.errstate(all="ignore"):
            here = np.asarray(diffusion(t, y0[()], *args), float)
            for moved in chosen:
                y = np.where(moved == 1, other, flat).reshape(y0.shape)[()]
                change = np.asarray(diffusion(t, y, *args), float) != here
                if noise == "additive":
                    if np.any(change & np.isfinite(here)):
                        raise ValueError(
                            f"noise = 'additive', but diffusion at t = {t:.6g} changes with y: "
                            f"take another kind of noise, and a method for it"
                        )
                elif np.any(change.ravel() & (moved == 0) & np.isfinite(here.ravel())):
                    component = int(np.argmax(change.ravel() & (moved == 0)))
                    warnings.warn(
                        f"component {component} of the diffusion depends on others than y[{component}]: "
                        f"{method.name} then loses its order ({method.strong or method.weak}). Take noise = "
                        f"'general', with the diffusion as the diagonal of a matrix, and Milstein or DRI1",
                        stacklevel=4,
                    )
                    return


@dataclass
class Info:
    """What is known of a run."""

    success: bool = True
    message: str = "The solver successfully reached the end of the integration interval."
    accepted: int = 0
    rejected: int = 0


class Problem:
    """Everything about a solve but its numbers y0 and p; an opaque constant to the transforms."""

    def __init__(self, **parts):
        self.__dict__.update(parts)
        self.info = Info()
        self.count = 1 if self.paths is None else int(self.paths)
        self.records: list = []  # of adaptive runs: the ends of the steps of each path

    @property
    def n(self) -> int:
        return math.prod(self.shape)

    @property
    def components(self) -> int:
        return self.brownian.size

    @property
    def outputs(self) -> np.ndarray:
        """Output times."""
        if self.grid is not None:
            return self.grid.ts
        ends, choice = self.ts
        return self.records[0] if choice is None else ends[choice]

    def noise(self) -> tuple:
        """The arguments of kernels that say which noise it is."""
        b = self.brownian
        return b.start, b.dt, b.key, b.table, self.components

    def forward(self, y0, p, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Outputs (T, n, paths) of paths first..stop."""
        stop = self.count if stop is None else stop
        if self.grid is None:
            return self._adaptive(y0, p, first, stop)
        out = np.empty((len(self.grid.ts), self.n, stop))
        run = self.sweep(sde_loop.forward, sde_loop.FORWARD, ("primal",))
        ensemble.run(
            lambda part: run(part, y0, p, out), self.parts_of(first, stop), self.threads, self.progress
        )
        grid = self.grid
        self.info = Info(accepted=len(grid.cells) * (stop - first))
        self._judge(out[-1, :, first:], first, grid.ts[-1])
        return out[:, :, first:] if first else out

    def parts_of(self, first: int, stop: int) -> list[tuple[int, int]]:
        """Paths in the parts that threads work on."""
        return [(first + a, first + b) for a, b in ensemble.chunks(stop - first, sde_loop.LANES)]

    def sweep(self, entry, signature: str, kinds: tuple[str, ...], step=None):
        """A function ``run((first, stop), y0, p, *rest, grid=None)`` that calls a kernel like those of
        ``sciad.solvers.sde.fixed_loop``.
        """
        step = step or self.step
        entries = step.entries(*kinds)
        kernel = _linked(entry, signature, entries.lanes, self.method.noise)
        noise = self.noise()

        room_of = entry.__globals__[f"{entry.__name__}_room"]
        m = noise_numbers(self.method.noise, self.components)

        def run(part, y0, p, *rest, grid=self.grid):
            state = np.array([*part, 0], dtype=np.int64)
            columns = y0.reshape(len(y0), -1)
            room = np.empty(room_of(len(y0), m, len(p), len(grid.cells), entries.work))
            code = kernel(
                entries.table, state, grid.times, grid.cells, grid.slots, columns, p, *noise, room, *rest
            )
            if code:
                raise step.failure(int(state[2]))

        return run

    def in_parts(self, y0, p, take, size: int = 4096) -> None:
        """Call ``take`` with the outputs of some paths at a time."""
        for first in range(0, self.count, size):
            take(self.forward(y0, p, first, min(first + size, self.count)))

    def _judge(self, last, first, t):
        bad = ~np.isfinite(last)
        if bad.any():
            component, path = (int(i[0]) for i in np.nonzero(bad))
            self.info.success = False
            self.info.message = (
                f"{int(bad.any(0).sum())} of {bad.shape[1]} paths are not finite at t "
                f"= {t:.6g}, the first being path "
                f"{first + path} with component {component} = {last[component, path]}; "
                f"take smaller steps, or check "
                "the model for values outside of its domain."
            )

    def _adaptive(self, y0, p, first, stop):
        entry, work = self.embedded.address("primal"), self.embedded.work_size("primal")
        kernel = _linked_adaptive(self.method.noise)
        ends, choice = self.ts
        noise = self.noise()
        control = np.array(self.control, float)
        self.info = Info()

        def run(part):
            desk = np.empty(3 * self.n + 2 * self.components + work + 1)
            outs, records, counts = [], [], np.zeros(3, dtype=np.int64)
            for path in range(*part):
                capacity = 256
                while True:
                    ys, record = np.full((len(ends), self.n), np.nan), np.empty(capacity)
                    code = kernel(entry, path, control, ends, y0, p, *noise, ys, record, counts, desk)
                    if code != sde_adaptive.FULL:
                        break
                    capacity *= 4
                if code == 0:
                    raise self.embedded.failure(int(counts[2]))
                if code < 0:
                    self._stopped(code, path, record[0])
                    outs.append(ys)
                    records.append(ends)
                    continue
                outs.append(ys)
                records.append(record[:code].copy())
                self.info.accepted += int(counts[0])
                self.info.rejected += int(counts[1])
            return outs, records

        done = ensemble.run(run, self.parts_of(first, stop), self.threads, self.progress)
        self.records = [r for _, records in done for r in records]
        if choice is None and self.info.success:
            return self._along(y0, p)
        out = np.ascontiguousarray(np.stack([y for outs, _ in done for y in outs], axis=-1))
        return out if choice is None else np.ascontiguousarray(out[choice])

    def _along(self, y0, p):
        """All states of the single path, its steps being known."""
        grid = self.recorded_grid(0)
        out = np.empty((len(grid.ts), self.n, 1))
        self.sweep(sde_loop.forward, sde_loop.FORWARD, ("primal",))((0, 1), y0, p, out, grid=grid)
        return out

    def recorded_grid(self, k: int) -> Grid:
        """The steps of the k-th path of an adaptive run, as fixed ones."""
        times = self.records[k]
        ends, choice = self.ts
        ts = times if choice is None else ends[choice]
        slots = np.full(len(times), -1)
        slots[np.searchsorted(times, ts)] = np.arange(len(ts))
        return Grid(times, np.full(len(times) - 1, -1), slots, ts)

    def _stopped(self, code, path, t):
        self.info.success = False
        if code == sde_adaptive.TOO_MANY:
            what = f"used up max_steps = {self.control[4]}: allow more, or loosen rtol and atol"
        else:
            what = (
                "needs steps shorter than the noise resolves: loosen rtol and atol, or check the model there"
            )
        self.info.message = f"Path {path} at t = {t:.6g} {what}."


@functools.cache
def _linked(entry, signature: str, lanes: bool, noises: int):
    """The kernel `entry` with the ways of making a step (``advance``, ...) that its module has for lanes
    or not.
    """
    suffix = "lanes" if lanes else "by_address"
    names = {**vars(sde_loop), **entry.__globals__}
    roles = {
        name.removesuffix("_" + suffix): value for name, value in names.items() if name.endswith("_" + suffix)
    }
    return link(entry, signature, {"NOISES": noises, **roles})


@functools.cache
def _linked_adaptive(noises: int):
    return link(sde_adaptive.adaptive, sde_adaptive.SIGNATURE, {"NOISES": noises})
