"""A solve that stops where its model switches: smooth pieces, in each of which the branches are held.

A model with held branches (`sciad.solvers.model.held_model`) is smooth across the places where it switches,
so steps and their error estimates are those of a smooth problem. The loop looks after each step whether a
place has passed zero. Where one has, the moment is found on the dense output, the step is taken again to end
there, and the solve goes on with the other branch. Derivatives of the whole are then those of the pieces and
of the moments between (saltation: M. A. Aizerman and F. R. Gantmakher, Q. J. Mech. Appl. Math. 11 (1958)).

What cannot be had so is left as it is without: places that are passed again at once (a sliding mode), or
again and again in few steps, and models that are not defined beyond the place have their modes set to
zero, at which the branches are the model's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sciad.solvers.stepping import controllers as control
from sciad.solvers.stepping import loop_state as state
from sciad.solvers.stepping.integrate import integrate
from sciad.solvers.stepping.trajectory import Options, Trajectory

__all__ = ["Jump", "Pieces", "Switches", "holds", "integrate_held", "joined"]

RETAKES = 3  # of the step to a switch
FEWEST = 4  # steps per switch, on average, from which on it pays to stop at them
PATIENCE = 30  # switches in any case
STUCK = 4  # switches at one time


@dataclass(frozen=True)
class Jump:
    """A switch at the end of a piece.

    The moment is where the difference ``g`` is zero, so it moves by
    ``dt = -(gt dt0 + gy dy + gp dp) / rate``, and the state behind it by
    ``(before - after) dt`` more than the one in front of it.

    Attributes
    ----------
    gt, gy, gp : float, ndarray (n,), ndarray (m,)
    rate : float
        How fast g changes along the solution.
    difference : ndarray (n,)
        The slope before, less that behind.
    """

    gt: float
    gy: np.ndarray
    gp: np.ndarray
    rate: float
    difference: np.ndarray


@dataclass(frozen=True)
class Pieces:
    """Consecutive trajectories with held branches.

    Attributes
    ----------
    model : HeldModel
    parts : list of Trajectory
    parameters : list of ndarray
        Those of each part, modes and all.
    jumps : list of (Jump or None)
        At the end of each part but the last; None where the slope does not jump.
    """

    model: object
    parts: list[Trajectory]
    parameters: list[np.ndarray]
    jumps: list[Jump | None]


def holds(method, options: Options) -> bool:
    """Whether steps may be chosen to end where a model switches."""
    controller = options.controller or control.default(method)
    return (
        options.kinks and options.mass is None and method.adaptive and controller.kernel is not control.keep
    )


def integrate_held(
    model, method, span, y0, p, ts, options: Options, record: int, events=None, **flags
) -> Trajectory:
    """As `sciad.solvers.stepping.integrate.integrate`, of a model with held branches and its own parameters
    p; ``record`` is at least 1.
    """
    t, t1 = span
    y, sign = y0, 1.0 if t1 >= t else -1.0
    q = np.concatenate([p[: model.own], np.zeros(2 * model.switches)])
    switches = Switches(model, q, sign)
    switches.settle(t, y)
    parts, parameters, jumps = [], [], []
    waiting: list[Jump | None] = []  # at the present time, since the last part
    first, used, standing = 0, 0, 0

    def take(end, size, **more) -> Trajectory:
        """Go on to a time."""
        allowed = None if options.max_steps is None else max(0, options.max_steps - used)
        inside = ts[first:]
        if end != t1:
            inside = inside[: np.searchsorted(sign * inside, sign * end, side="right")]
        changed = replace(options, max_steps=allowed, first_step=size)
        return integrate(model, method, (t, end), y, q, inside, changed, record, **{**flags, **more})

    def keep(part: Trajectory, last: bool = False) -> None:
        nonlocal t, y, first, used
        if part.steps or len(part.ts) or last:
            if parts:
                jumps.append(_together(waiting))
            parts.append(part)
            parameters.append(np.append(q[: -model.switches], np.zeros(model.switches)))
            waiting.clear()
        t, y, first, used = part.t, part.y, first + len(part.ts), used + part.attempts

    size = options.first_step
    while True:
        begin, part = t, take(t1, size, events=events, switches=switches)
        crossed = switches.crossed
        if crossed:
            keep(part)
            size = min(switches.size, abs(t1 - t))
            if sign * (switches.moment - t) > 0.0:
                part = _to_switch(switches, take, t, events)
                crossed = part.code == state.DONE
                if crossed:
                    keep(part)
        if not crossed:
            # Perhaps the model is not defined beyond the place where it switches.
            again = part.code == state.TOO_SMALL and switches.hold
            keep(part, last=not again)
            if not again:
                break
            switches.release()
            size = None
            continue
        standing = standing + 1 if t == begin else 0
        waiting.append(switches.change(t, y, standing > STUCK))
        if len(jumps) > PATIENCE and sum(part.steps for part in parts) < FEWEST * len(jumps):
            switches.release()
        if t == t1:
            break
    return joined(Pieces(model, parts, parameters, jumps))


def _to_switch(switches: Switches, take, t: float, events) -> Trajectory:
    """The steps from t to the moment found, which is made better by what they find there."""
    moment, place = switches.moment, switches.places[0]
    for _ in range(RETAKES):
        part = take(moment, abs(moment - t))
        if part.code != state.DONE:
            return part
        rate = switches.rate(place, part.t, part.y)[0]
        shift = -switches.differences(part.t, part.y)[place] / rate if rate != 0.0 else math.nan
        done = not abs(shift) > 1e-9 * abs(moment - t) + 4e-16 * abs(moment)
        if done or not 0.0 < switches.sign * (moment + shift - t) <= 1.5 * switches.size:
            break
        moment += float(shift)
    return part if events is None else take(moment, abs(moment - t), events=events)


def joined(pieces: Pieces) -> Trajectory:
    """The pieces as one trajectory."""
    parts = pieces.parts
    last = parts[-1]
    rows = np.cumsum([0, *(part.steps for part in parts[:-1])])
    places = [part.place + [row, 0.0] for part, row in zip(parts, rows, strict=True)]
    after: dict[float, float] = {}
    for part in parts:
        after |= part.after
    return replace(
        last,
        ts=np.concatenate([part.ts for part in parts]),
        ys=np.concatenate([part.ys for part in parts]),
        record=np.concatenate([part.record for part in parts]),
        place=np.concatenate(places),
        whole=sum(part.whole for part in parts),
        began=parts[0].began,
        after=after,
        pieces=pieces,
    )


def _together(jumps: list[Jump | None]) -> Jump | None:
    """Switches at one time as one: the moment is that of the first."""
    there = [jump for jump in jumps if jump is not None]
    if not there:
        return None
    return replace(there[0], difference=sum(jump.difference for jump in there))


class Switches:
    """The places where a model switches, in one solve.

    Parameters
    ----------
    model : HeldModel
    q : ndarray
        Its parameters; the modes among them are set here.
    sign : float
        The direction of time.

    Attributes
    ----------
    crossed : bool
        Whether the last integration stopped before a step in which a place passes zero;
    moment, places, size
        where it does, which places do, and the size of that step.
    """

    def __init__(self, model, q: np.ndarray, sign: float):
        self.model, self.q, self.sign = model, q, sign
        self.modes = q[model.modes]
        self.released = np.zeros(model.switches, dtype=bool)
        self.crossed = False

    @property
    def hold(self) -> bool:
        """Whether any branch is held."""
        return bool(self.modes.any())

    def start(self, whole) -> None:
        """Let the loop watch."""
        self.crossed = False
        whole[state.SWITCHES], whole[state.SWITCH_ENTRY] = self.model.switches, self.model.entry

    def differences(self, t: float, y: np.ndarray) -> np.ndarray:
        return self.model.differences(t, np.ascontiguousarray(y), self.q)

    def rate(self, k: int, t: float, y: np.ndarray):
        """How fast difference k changes along the solution, and its gradient."""
        gt, gy, gp = self.model.gradient(k, t, y, self.q)
        return gt + gy @ self.model.slope(t, y, self.q), gt, gy, gp

    def settle(self, t: float, y: np.ndarray) -> None:
        """Give modes to places that are come to and have none, and take them from those that are not."""
        for _ in range(3):  # what is come to depends on the modes
            found = self.differences(t, y)
            here = ~np.isnan(found)
            new = np.where(
                here & ~self.released, np.where(self.modes == 0.0, np.sign(found), self.modes), 0.0
            )
            for k in np.flatnonzero(here & ~self.released & (new == 0.0)):
                new[k] = np.sign(self.rate(k, t, y)[0]) * self.sign
            if np.array_equal(new, self.modes):
                return
            self.modes[:] = new

    def release(self) -> None:
        """Hold no branch any more."""
        self.released[:] = True
        self.modes[:] = 0.0

    def after_step(self, desk, p, real, whole) -> tuple[float, np.ndarray] | None:
        """Find the first switch in the step just accepted, and take the step back; time and state at its
        start, or None where there is no switch after all.
        """
        whole[state.CROSSED] = 0
        t0, h = float(real[state.T0]), float(real[state.LENGTH])
        desk.prepare_dense(p, whole, real)
        whole[state.PENDING] = 1
        inside = desk.inside(t0, t0 + h)

        def look(t: float) -> tuple[np.ndarray, np.ndarray]:
            found = self.differences(t, inside(t)) * self.modes
            return found, found < 0.0

        low, high, before = t0, None, None
        for t in (t0, t0 + 0.5 * h, t0 + h):
            found, there = look(t)
            if there.any():
                high = t
                break
            low, before = t, found
        if high is None:
            return None
        if high != t0:
            high, there = _first_zero(low, before, high, found, there, look)
        self.crossed, self.moment, self.places, self.size = True, float(high), np.flatnonzero(there), abs(h)
        whole[state.PENDING] = 0
        whole[state.ACCEPTED] -= 1
        whole[state.REJECTED] += 1
        real[state.T1] = real[state.END] = t0
        return t0, desk.y.copy()

    def change(self, t: float, y: np.ndarray, stuck: bool) -> Jump | None:
        """Go over to the other branches; what the derivative must know of it."""
        before = self.model.slope(t, y, self.q)
        k = int(self.places[0])
        rate, gt, gy, gp = self.rate(k, t, y)
        self.modes[self.places] *= -1.0
        found = self.differences(t, y)
        others = found * self.modes < 0.0
        others[self.places] = False
        self.modes[others] *= -1.0
        self.settle(t, y)
        for place in self.places:
            # The other branch leads back at once: the solution slides along the place.
            if stuck or not self.rate(place, t, y)[0] * self.modes[place] * self.sign > 0.0:
                self.released[place], self.modes[place] = True, 0.0
        difference = before - self.model.slope(t, y, self.q)
        size = np.abs(before).max(initial=0.0)
        if self.released[k] or np.abs(difference).max(initial=0.0) <= 1e-12 * size:
            return None
        return Jump(gt, gy, gp, rate, difference) if np.isfinite(rate) and rate != 0.0 else None


def _first_zero(low: float, before, high: float, after, there, look):
    """The first moment at which a place has passed zero, between one before and one behind, and which have:
    by the Illinois method for the place that is furthest along.
    """
    tolerance = max(1e-13 * abs(high - low), 4e-16 * max(abs(low), abs(high)))
    side = 0
    for k in range(100):
        if abs(high - low) <= tolerance:
            break
        part = 0.5
        if k % 8 != 7:
            first = before[there]
            part = float(np.min(first / (first - after[there])))
        middle = low + part * (high - low)
        if not (middle - low) * (high - middle) > 0.0:
            middle = low + 0.5 * (high - low)
            if middle in (low, high):
                break
        found, past = look(middle)
        if past.any():
            before = 0.5 * before if side > 0 else before
            high, after, there, side = middle, found, past, 1
            if np.max(-found[past]) <= 1e-15 * np.max(np.abs(before[past]), initial=0.0):
                break
        else:
            after = 0.5 * after if side < 0 else after
            low, before, side = middle, found, -1
    return high, there
