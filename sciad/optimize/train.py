"""`train`: gradient steps on losses of batches, which can be interrupted and go on to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sciad.errors import SolverError
from sciad.optimize.gradient_methods import GradientMethod, apply_updates
from sciad.optimize.objective import FAILURES
from sciad.optimize.progress_bar import bar
from sciad.optimize.saved_files import load, save
from sciad.solvers.strict import failed_solves_raise
from sciad.transforms.gradients import value_and_grad
from sciad.tree import tree_leaves, tree_map

__all__ = ["Training", "train"]

_HALVINGS = 20  # of a step, before a training gives up


@dataclass
class Training:
    """What `train` returns.

    Attributes
    ----------
    params : nested
    losses : ndarray
        Of the batches, each before its step.
    state : nested
        Of the gradient method.
    rng : numpy.random.Generator
    failures : list of str
        Why steps had to be shortened.
    """

    params: Any
    losses: np.ndarray
    state: Any = field(repr=False)
    rng: np.random.Generator = field(repr=False)
    failures: list[str] = field(default_factory=list, repr=False)

    def save(self, path: str | Path) -> None:
        """Write all of it to one .npz file."""
        save(path, params=self.params, losses=self.losses, state=self.state, rng=self.rng)

    def plot(self, window: int = 0):
        """Losses over the steps, with their running mean: a matplotlib figure."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.semilogy(self.losses, color="C0", alpha=0.35, linewidth=1)
        window = window or max(len(self.losses) // 50, 1)
        means = np.convolve(self.losses, np.ones(window) / window, mode="valid")
        axes.semilogy(np.arange(len(means)) + window // 2, means, color="C0", label=f"mean of {window}")
        axes.set(xlabel="step", ylabel="loss of the batch")
        axes.legend()
        return figure


def train(
    loss: Callable,
    params: Any,
    method: GradientMethod,
    steps: int,
    batch: Callable | None = None,
    *,
    seed: int | np.random.Generator = 0,
    file: str | Path | None = None,
    every: int = 0,
    callback: Callable | None = None,
    gradient: Callable | None = None,
    progress: bool = False,
) -> Training:
    """Take gradient steps on a loss.

    Where a step leads to parameters at which the loss cannot be computed, half of it is taken instead, and so
    on.

    Parameters
    ----------
    loss : callable
        ``loss(params, *batch) -> number``.
    params : nested structure of numbers and arrays
        Where to begin.
    method : GradientMethod
        For instance ``adam(1e-2)``, or ``chain(clip_norm(1.0), adam(cosine_decay(1e-2, 2000)))``.
    steps : int
        All together, those of an interrupted training included.
    batch : callable, optional
        ``batch(rng) -> tuple``, what the loss is given at each step.
    seed : int or Generator
        Of the random numbers that `batch` draws.
    file : str or Path, optional
        An .npz file where the training is kept: read at the beginning if it exists, written at the end and
        after every so many steps. What goes on from there is the same to the last bit.
    every : int
        How often the file is written; 0 at the end only.
    callback : callable, optional
        ``callback(step, params, loss)`` after each step; it may raise StopIteration.
    gradient : callable, optional
        ``gradient(params, *batch) -> (value, gradient)`` in place of `sciad.value_and_grad` of the loss.
    progress : bool
        Show a bar.

    Returns
    -------
    Training

    Examples
    --------
    >>> import numpy as np, sciad.optimize as opt
    >>> x = np.linspace(-1, 1, 50)
    >>> def loss(p, k):
    ...     return np.mean((p["a"] * x[k] + p["b"] - 3 * x[k] + 1) ** 2)
    >>> draw = lambda rng: (rng.integers(50, size=10),)
    >>> result = opt.train(loss, {"a": 0.0, "b": 0.0}, opt.adam(0.1), 300, draw)
    >>> round(float(result.params["a"]), 3), round(float(result.params["b"]), 3)
    (3.0, -1.0)
    """
    rng = np.random.default_rng(seed)
    params = tree_map(lambda x: np.array(x, dtype=float)[()], params)
    state, done = method.init(params), np.zeros(0)
    if file is not None and Path(file).exists():
        kept = load(file, params=params, state=state, rng=rng, losses=0)
        params, state, rng, done = kept["params"], kept["state"], kept["rng"], kept["losses"]
    both = value_and_grad(loss) if gradient is None else gradient
    losses, failures = list(done), []
    before, updates = params, None
    draw = batch or (lambda rng: ())
    with bar(progress, "training", steps) as show:
        for _ in losses:
            show(losses[-1])
        for step in range(len(losses), steps):
            given = draw(rng)
            share = 1.0
            while True:
                value, slope, why = _evaluated(both, params, given)
                if why is None:
                    break
                failures.append(f"step {step}: {why}")
                share *= 0.5
                if updates is None or share < 0.5**_HALVINGS:
                    raise SolverError(f"the loss cannot be computed at step {step} of the training: {why}")
                params = tree_map(lambda p, u, s=share: p + s * u, before, updates)
            before = params
            updates, state = method.update(slope, state, params)
            params = apply_updates(params, updates)
            losses.append(value)
            show(value)
            if file is not None and every and (step + 1) % every == 0:
                Training(params, np.array(losses), state, rng).save(file)
            if callback is not None:
                try:
                    callback(step, params, value)
                except StopIteration:
                    break
    found = Training(params, np.array(losses), state, rng, failures)
    if file is not None:
        found.save(file)
    return found


def _evaluated(both, params, given):
    try:
        with failed_solves_raise(), np.errstate(all="ignore"):
            value, slope = both(params, *given)
    except FAILURES as error:
        return None, None, f"{type(error).__name__}: {error}"
    value = float(value)
    if not np.isfinite(value):
        return None, None, f"the loss is {value}"
    if not all(np.isfinite(g).all() for g in tree_leaves(slope)):
        return None, None, "the gradient is not finite"
    return value, slope, None
