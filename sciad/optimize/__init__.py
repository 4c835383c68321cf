"""Fits of nested parameters: SciPy's optimisers with exact gradients, and stochastic gradient methods.

`minimize` and `least_squares` are for losses that are computed whole; `train` with `adam`, `sgd`, ... for
losses of batches. Parameters are nested dicts, lists, tuples and dataclasses of numbers and arrays.
"""

from sciad.logdensity.constraints import Bounded, CholeskyCorrelation, Ordered, Positive, Simplex
from sciad.optimize.fit import Fit, NotIdentified
from sciad.optimize.gradient_methods import (
    GradientMethod,
    adam,
    adamw,
    apply_updates,
    chain,
    clip,
    clip_norm,
    lion,
    sgd,
)
from sciad.optimize.least_squares import least_squares
from sciad.optimize.minimize import minimize
from sciad.optimize.multi_start import MultiStart, Search, multi_start, random_starts
from sciad.optimize.profiles import Profile
from sciad.optimize.saved_files import load, save
from sciad.optimize.schedules import cosine_decay, exponential_decay, piecewise_rate, warmup
from sciad.optimize.train import Training, train

__all__ = [
    "Bounded", "CholeskyCorrelation", "Fit", "GradientMethod", "MultiStart", "NotIdentified", "Ordered",
    "Positive", "Profile", "Search", "Simplex", "Training", "adam", "adamw", "apply_updates", "chain",
    "clip", "clip_norm", "cosine_decay", "exponential_decay", "least_squares", "lion", "load",
    "minimize", "multi_start", "piecewise_rate", "random_starts", "save", "sgd", "train", "warmup",
]  # fmt: skip
