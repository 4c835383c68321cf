"""What a solve inside of a compiled function returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ProgramSolution"]


@dataclass
class ProgramSolution:
    """Result of ``solve_ivp`` in a function compiled by ``ad.jit``: a solve that fails raises instead.

    Attributes
    ----------
    t : ndarray (k,)
    y : ndarray, shape of y0 + (k,)
    status : int
    success : bool
    message : str
    """

    t: np.ndarray
    y: np.ndarray
    status: int
    success: bool
    message: str

    in_programs = "Compiled functions have t and y of a solve; for the rest solve outside."
    not_in_programs = dict.fromkeys(
        ("status", "success", "message"),
        (
            "whether a solve has failed, in a compiled function: one that has raises SolverError",
            "Leave the question away, and catch SolverError outside of the compiled function.",
        ),
    )

    def __getitem__(self, name: str):
        return getattr(self, name)
