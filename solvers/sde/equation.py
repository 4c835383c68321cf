"""A stochastic equation as the user gave it: what its noise is, whether that is so, and steps of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sciad.errors import UnsupportedSyntax
from sciad.solvers.model.arguments import trial
from sciad.solvers.sde import step_functions
from sciad.solvers.sde.brownian import AREAS, SPACE_TIME
from sciad.solvers.sde.compiled_step import CallbackStep, CompiledStep, step_function
from sciad.solvers.sde.stochastic_methods import Method
from sciad.solvers.warn import warn, warn_interpreted

__all__ = ["Equation", "check_dependence", "shape_of_noise"]


@dataclass(frozen=True, eq=False)
class Equation:
    """``dy = drift(t, y, *args) dt + diffusion(t, y, *args) dW``.

    Attributes
    ----------
    noise, calculus : str
        As `solve_sde` takes them.
    shape : tuple of int
        Of y.
    kind : {"diagonal", "scalar", "general"}
        How the diffusion acts.
    noise_shape : tuple of int
        Of the Brownian motion.
    args : tuple
        An example of args: the compiler looks at it for shapes and for what is not a parameter.
    """

    drift: Callable
    diffusion: Callable
    noise: str
    calculus: str
    shape: tuple[int, ...]
    kind: str
    noise_shape: tuple[int, ...]
    args: tuple

    @property
    def times(self) -> Callable:
        """``times(g, v)``: the diffusion applied to a vector of noise."""
        if self.kind != "general":
            return step_functions.elementwise
        return step_functions.matrix if len(self.shape) == 1 else step_functions.tensor

    def step(
        self,
        advance: Callable,
        method: Method,
        size: int,
        *,
        derivative: bool = False,
        estimate: bool = False,
        copies: int = 1,
    ) -> CompiledStep | CallbackStep:
        """The step ``advance(drift, diffusion, times, t, h, y, w, args)``, compiled where that is possible.

        Parameters
        ----------
        method : Method
            Says what noise the step takes.
        size : int
            Number of Brownian motions.
        derivative : bool
            The step takes the derivative of the diffusion along itself in place of ``times``.
        estimate : bool
            The step also returns its error.
        copies : int
            Approximations of y that the state holds.
        """
        y = np.zeros(self.shape) if self.shape else 0.0
        w = np.zeros(self.noise_shape) if self.noise_shape else 0.0
        if method.noise == SPACE_TIME:
            w = (w, w)
        elif method.noise == AREAS:
            w = (w, np.zeros(size * (size - 1) // 2))
        state, times = (y, y) if copies == 2 else y, self.times
        try:
            if derivative:
                from sciad.solvers.sde.diffusion_derivative import diffusion_along_itself

                times = diffusion_along_itself(self.diffusion, y, self.args)
            return CompiledStep(
                step_function(advance, self.drift, self.diffusion, times), state, w, self.args
            )
        except UnsupportedSyntax as refusal:
            names = (getattr(fun, "__name__", fun) for fun in (self.drift, self.diffusion))
            warn_interpreted("the model of drift {!r} and diffusion {!r}".format(*names), refusal)
        times = step_functions.along_itself if derivative else times
        advance = step_function(advance, self.drift, self.diffusion, times)
        return CallbackStep(advance, state, w, self.args, estimate)


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
        f = np.shape(trial(drift, t0, y, args, "drift"))
        g = np.shape(trial(diffusion, t0, y, args, "diffusion"))
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
            "the state's shape and an axis for the noise"
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
                    warn(
                        f"component {component} of the diffusion depends on others than y[{component}]: "
                        f"{method.name} then loses its order ({method.strong or method.weak}). Take noise = "
                        f"'general', with the diffusion as the diagonal of a matrix, and Milstein or DRI1"
                    )
                    return
