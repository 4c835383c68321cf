"""Models with held branches: smooth across the places where they switch."""

from __future__ import annotations

import numpy as np

from sciad.solvers.model.models import CompiledModel, Model

__all__ = ["HeldModel", "held_model"]

MOST = 32  # places where a model may switch


class HeldModel(CompiledModel):
    """A model whose parameters end with a mode for each place where it switches and room for its difference.

    See `sciad.compiler.derivatives.held_branches`.

    Attributes
    ----------
    own : int
        The number of parameters of the model itself.
    switches : int
    """

    def __init__(self, model: CompiledModel, held):
        super().__init__(held.function, model.shape, model.m + 2 * held.count, model._pattern)
        self.own, self.switches, self._differences = model.m, held.count, held.differences
        self._call_differences = self._call_slope = None

    @property
    def modes(self) -> slice:
        """Where the modes are among the parameters."""
        return slice(self.own, self.own + self.switches)

    def work_size_of(self, *kinds: str) -> int:
        return max(super().work_size_of(*kinds), self._differences.work_size("primal"))

    @property
    def entry(self) -> int:
        """Address of the differences, to be called as f is."""
        return self._differences.address("primal")

    def differences(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """By how much each place is from switching; NaN where it is not come to."""
        if self._call_differences is None:
            self._call_differences = self._differences.caller("primal")
        found = np.empty(self.switches)
        self._call_differences(t, y, p, found)
        return found

    def slope(self, t: float, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        if self._call_slope is None:
            self._call_slope = self.function.caller("primal")
        found = np.empty(self.n)
        self._call_slope(t, y, p, found)
        return found

    def gradient(
        self, k: int, t: float, y: np.ndarray, p: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Derivatives of difference ``k`` by the time, the state and the model's own parameters."""
        bar, found = np.zeros(self.switches), np.empty(self.switches)
        bar[k] = 1.0
        gt, gy, gp = np.zeros(1), np.zeros(self.n), np.zeros(self.m)
        self._differences.call("pullback", t, y, p, bar, found, gt, gy, gp)
        return float(gt[0]), gy, gp[: self.own]


def held_model(model: Model) -> HeldModel | None:
    """The model with its branches held; None where it has none that could be, or too many."""
    if not isinstance(model, CompiledModel) or model.switches:
        return None
    if "held" not in model.plans:
        held = model.function.with_held_branches({"t", "y"}, "p", MOST)
        model.plans["held"] = None if held is None else HeldModel(model, held)
    return model.plans["held"]
