"""What an evaluation is made of: how JSON becomes arguments, what is timed, and how results become JSON."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Timed(NamedTuple):
    """One function of an evaluation.

    Attributes
    ----------
    prepare : callable
        Arguments from the suite's input; not timed.
    call : callable
        What is timed.
    output : callable
        The suite's output from the result; not timed.
    """

    prepare: Callable[[dict], tuple]
    call: Callable[..., Any]
    output: Callable[[Any], Any] = lambda result: np.asarray(result).tolist()


def array(values) -> np.ndarray:
    """Floats of the suite's nested lists."""
    return np.array(values, dtype=float)
