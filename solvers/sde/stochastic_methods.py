"""Methods for stochastic differential equations, as data: what each is for, its order and coefficients.

Adding a method of the families SRA or SRI is adding a tableau here. A tableau is checked when it is made:
consistency and the order conditions of its family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from sciad.native.kernels import load_module
from sciad.solvers.sde import step_functions
from sciad.solvers.sde.brownian import AREAS, PLAIN, SPACE_TIME
from sciad.solvers.suggestions import no_such_method

__all__ = ["METHODS", "AdditiveTableau", "DiffusionTableau", "Method", "stochastic_method"]

ITO, STRATONOVICH = "ito", "stratonovich"
NOISES = ("diagonal", "scalar", "additive", "general")


@dataclass(frozen=True)
class AdditiveTableau:
    """Coefficients of a stochastic Runge-Kutta method of family SRA (noise independent of the state).

    With ``I10`` the integral of the Brownian motion over the step divided by h, stage i is
    ``H_i = y + h sum_j A0[i][j] f(t + c0[j] h, H_j) + I10 sum_j B0[i][j] g(t + c1[j] h)`` and the result
    ``y + h sum_i alpha[i] f_i + sum_i (beta1[i] dW + beta2[i] I10) g_i``.
    """

    name: str
    source: str
    c0: tuple
    c1: tuple
    A0: tuple
    B0: tuple
    alpha: tuple
    beta1: tuple
    beta2: tuple

    def __post_init__(self):
        A0, B0 = np.array(self.A0), np.array(self.B0)
        alpha, beta1, beta2, c1 = map(np.array, (self.alpha, self.beta1, self.beta2, self.c1))
        B0e = B0.sum(1)
        _check(
            self.name,
            {
                "c0 = A0 e": np.abs(A0.sum(1) - self.c0).max(),
                "alpha e = 1": alpha.sum() - 1,
                "beta1 e = 1": beta1.sum() - 1,
                "beta2 e = 0": beta2.sum(),
                "alpha B0 e = 1": alpha @ B0e - 1,
                "alpha A0 e = 1/2": alpha @ A0.sum(1) - 0.5,
                "alpha (B0 e)^2 = 3/2": alpha @ B0e**2 - 1.5,
                "beta1 c1 = 1": beta1 @ c1 - 1,
                "beta2 c1 = -1": beta2 @ c1 + 1,
            },
        )

    @property
    def stages(self) -> int:
        return len(self.alpha)


@dataclass(frozen=True)
class DiffusionTableau:
    """Coefficients of a stochastic Runge-Kutta method of family SRI (scalar and diagonal noise).

    With the iterated integrals ``I11 = (dW^2 - h) / 2``, ``I10`` and ``I111 = (dW^3 - 3 h dW) / 6``, the
    drift is evaluated at ``y + h sum_j A0[i][j] f_j + (I10 / h) sum_j B0[i][j] g_j``, the diffusion at
    ``y + h sum_j A1[i][j] f_j + sqrt(h) sum_j B1[i][j] g_j``, and the result is ``y + h sum_i alpha[i] f_i +
    sum_i (beta1[i] dW + beta2[i] I11 / sqrt(h) + beta3[i] I10 / h + beta4[i] I111 / h) g_i``.
    """

    name: str
    source: str
    c0: tuple
    c1: tuple
    A0: tuple
    A1: tuple
    B0: tuple
    B1: tuple
    alpha: tuple
    beta1: tuple
    beta2: tuple
    beta3: tuple
    beta4: tuple

    def __post_init__(self):
        A0, A1, B0, B1 = (np.array(m) for m in (self.A0, self.A1, self.B0, self.B1))
        alpha = np.array(self.alpha)
        betas = [np.array(b) for b in (self.beta1, self.beta2, self.beta3, self.beta4)]
        B0e, B1e, A1e = B0.sum(1), B1.sum(1), A1.sum(1)
        conditions = {
            "c0 = A0 e": np.abs(A0.sum(1) - self.c0).max(),
            "c1 = A1 e": np.abs(A1e - self.c1).max(),
            "alpha e = 1": alpha.sum() - 1,
            "alpha A0 e = 1/2": alpha @ A0.sum(1) - 0.5,
            "alpha B0 e = 1": alpha @ B0e - 1,
            "alpha (B0 e)^2 = 3/2": alpha @ B0e**2 - 1.5,
            "beta1 A1 B0 e / 2 + beta3 A1 B0 e / 3 = 0": betas[0] @ A1 @ B0e / 2 + betas[2] @ A1 @ B0e / 3,
        }
        wanted = {
            "e": (np.ones(len(alpha)), (1, 0, 0, 0)),
            "B1 e": (B1e, (0, 1, 0, 0)),
            "A1 e": (A1e, (1, 0, -1, 0)),
            "(B1 e)^2": (B1e**2, (1, 0, -1, 2)),
            "B1 B1 e": (B1 @ B1e, (0, 0, 0, 1)),
        }
        for name, (vector, values) in wanted.items():
            for k, (beta, value) in enumerate(zip(betas, values, strict=True), 1):
                conditions[f"beta{k} {name} = {value}"] = beta @ vector - value
        _check(self.name, conditions)

    @property
    def stages(self) -> int:
        return len(self.alpha)


def _check(name: str, conditions: dict[str, float]) -> None:
    for condition, defect in conditions.items():
        if not abs(defect) <= 1e-12:
            raise ValueError(f"{name}: {condition} fails by {defect:.2e}")


@dataclass(frozen=True)
class Method:
    """A method for stochastic differential equations.

    Attributes
    ----------
    name : str
    calculus : {"ito", "stratonovich"}
        The sense in which the noise term is meant that the method converges to. Noise that does not depend
        on the state has both.
    noises : tuple of str
        Kinds of noise it is for.
    strong, weak : float
        Orders of convergence for the best of these kinds; `strong_general` for general noise. 0: none.
    step : callable
        See ``sciad.solvers.sde.step_functions``.
    embedded : callable or None
        The same step that also returns an error estimate; without it steps are fixed.
    noise : int
        What the step takes: PLAIN for dW, SPACE_TIME for ``(dW, H)``, AREAS for ``(dW, A)`` with the Levy
        areas between components.
    copies : int
        2 for methods that carry a second approximation along.
    derivative : bool
        The step takes the derivative of the diffusion along itself in place of ``times``.
    general : Method or None
        The form for general noise where it is another one, with `writer`.
    writer : callable or None
        ``writer(m)`` is the text of the step for m Brownian motions.
    """

    name: str
    calculus: str
    noises: tuple[str, ...]
    strong: float
    weak: float
    step: Callable | None = None
    strong_general: float = 0.5
    noise: int = PLAIN
    copies: int = 1
    derivative: bool = False
    tableau: AdditiveTableau | DiffusionTableau | None = None
    general: Method | None = None
    writer: Callable[[int], str] | None = None

    def form(self, kind: str, m: int) -> Method:
        """The method for diffusion that acts as `kind` on m Brownian motions."""
        if kind != "general" or self.general is None:
            return self
        return replace(self.general, step=_step_for(self.general.writer, m))

    @cached_property
    def fixed(self) -> Callable:
        """The step without an error estimate."""
        return self.step or self._written(False)

    @cached_property
    def embedded(self) -> Callable | None:
        """The step with an error estimate, or None."""
        return self._written(True) if self.tableau is not None else None

    def _written(self, embedded: bool) -> Callable:
        writer = (
            step_functions.additive_step
            if isinstance(self.tableau, AdditiveTableau)
            else step_functions.diffusion_step
        )
        return load_module(writer(self.tableau, embedded), f"step_{self.name}").step

    def __repr__(self) -> str:
        return f"<{self.name}>"


@cache
def _step_for(writer: Callable[[int], str], m: int) -> Callable:
    return load_module(writer(m), f"{writer.__name__}_{m}").step


def stochastic_method(method: str | Method) -> Method:
    """The method of that name.

    Raises
    ------
    ValueError
        If there is none; the message lists them.
    """
    if isinstance(method, Method):
        return method
    if not isinstance(method, str) or method not in METHODS:
        raise no_such_method(method, METHODS)
    return METHODS[method]


_ROESSLER = "A. Roessler, SIAM J. Numer. Anal. 48 (2010) 922-952"
_RACKAUCKAS = (
    "C. Rackauckas and Q. Nie, 'Stability-optimized high order methods and stiffness detection for pathwise "
    "stiff stochastic differential equations', IEEE HPEC (2020)"
)


def _lower(*rows) -> tuple:
    """Rows below the diagonal, filled up with zeros to a square matrix."""
    n = len(rows) + 1
    return tuple(tuple(map(float, row)) + (0.0,) * (n - len(row)) for row in ((), *rows))


SRA1 = AdditiveTableau(
    "SRA1",
    _ROESSLER,
    c0=(0, 3 / 4),
    c1=(1, 0),
    A0=_lower((3 / 4,)),
    B0=_lower((3 / 2,)),
    alpha=(1 / 3, 2 / 3),
    beta1=(1, 0),
    beta2=(-1, 1),
)

SRA3 = AdditiveTableau(
    "SRA3",
    _ROESSLER,
    c0=(0, 1, 1 / 2),
    c1=(1, 0, 0),
    A0=_lower((1,), (1 / 4, 1 / 4)),
    B0=_lower((0,), (1, 1 / 2)),
    alpha=(1 / 6, 1 / 6, 2 / 3),
    beta1=(1, 0, 0),
    beta2=(-1, 1, 0),
)

SRIW1 = DiffusionTableau(
    "SRIW1",
    _ROESSLER,
    c0=(0, 3 / 4, 0, 0),
    c1=(0, 1 / 4, 1, 1 / 4),
    A0=_lower((3 / 4,), (0, 0), (0, 0, 0)),
    A1=_lower((1 / 4,), (1, 0), (0, 0, 1 / 4)),
    B0=_lower((3 / 2,), (0, 0), (0, 0, 0)),
    B1=_lower((1 / 2,), (-1, 0), (-5, 3, 1 / 2)),
    alpha=(1 / 3, 2 / 3, 0, 0),
    beta1=(-1, 4 / 3, 2 / 3, 0),
    beta2=(-1, 4 / 3, -1 / 3, 0),
    beta3=(2, -4 / 3, -2 / 3, 0),
    beta4=(-2, 5 / 3, -2 / 3, 1),
)

SOSRI = DiffusionTableau(
    "SOSRI",
    _RACKAUCKAS,
    c0=(0, -0.04199224421316468, 0.7898405466170333, 3.7504010171562823),
    c1=(0, 0.26204282091330466, 0.05879875232001766, 0.758661169101175),
    A0=_lower(
        (-0.04199224421316468,),
        (2.842612915017106, -2.0527723684000727),
        (4.338237071435815, -2.8895936137439793, 2.3017575594644466),
    ),
    A1=_lower(
        (0.26204282091330466,),
        (0.20903646383505375, -0.1502377115150361),
        (0.05836595312746999, 0.6149440396332373, 0.08535117634046772),
    ),
    B0=_lower(
        (-0.21641093549612528,),
        (1.5336352863679572, 0.26066223492647056),
        (-1.0536037558179159, 1.7015284721089472, -0.20725685784180017),
    ),
    B1=_lower(
        (-0.5119011827621657,),
        (2.67767339866713, -4.9395031322250995),
        (0.15580956238299215, 3.2361551006624674, -1.4223118283355949),
    ),
    alpha=(1.140099274172029, -0.6401334255743456, 0.4736296532772559, 0.026404498125060714),
    beta1=(-1.8453464565104432, 2.688764531100726, -0.2523866501071323, 0.40896857551684956),
    beta2=(0.4969658141589478, -0.5771202869753592, -0.12919702470322217, 0.2093514975196336),
    beta3=(2.8453464565104425, -2.688764531100725, 0.2523866501071322, -0.40896857551684945),
    beta4=(0.11522663875443433, -0.57877086147738, 0.2857851028163886, 0.17775911990655704),
)

_ONE_EACH = ("diagonal", "scalar")
_MANY = ("diagonal", "scalar", "general")
_METHODS = (
    Method("EulerMaruyama", ITO, NOISES, 0.5, 1.0, step_functions.euler_maruyama),
    Method(
        "Milstein",
        ITO,
        _MANY,
        1.0,
        1.0,
        step_functions.milstein,
        strong_general=1.0,
        derivative=True,
        general=Method("Milstein", ITO, _MANY, 1.0, 1.0, noise=AREAS, writer=step_functions.milstein_general),
    ),
    Method(
        "StratonovichMilstein",
        STRATONOVICH,
        _MANY,
        1.0,
        1.0,
        step_functions.milstein_stratonovich,
        strong_general=1.0,
        derivative=True,
        general=Method(
            "StratonovichMilstein",
            STRATONOVICH,
            _MANY,
            1.0,
            1.0,
            noise=AREAS,
            writer=step_functions.milstein_stratonovich_general,
        ),
    ),
    Method("EulerHeun", STRATONOVICH, NOISES, 1.0, 1.0, step_functions.euler_heun),
    Method("Heun", STRATONOVICH, NOISES, 1.0, 1.0, step_functions.heun),
    Method("Midpoint", STRATONOVICH, NOISES, 1.0, 1.0, step_functions.midpoint),
    Method("ReversibleHeun", STRATONOVICH, NOISES, 1.0, 1.0, step_functions.reversible_heun, copies=2),
    Method("SRA1", ITO, ("additive",), 1.5, 2.0, noise=SPACE_TIME, tableau=SRA1, strong_general=0),
    Method("SRA3", ITO, ("additive",), 1.5, 2.0, noise=SPACE_TIME, tableau=SRA3, strong_general=0),
    Method("SRIW1", ITO, _ONE_EACH, 1.5, 1.5, noise=SPACE_TIME, tableau=SRIW1, strong_general=0),
    Method("SOSRI", ITO, _ONE_EACH, 1.5, 1.5, noise=SPACE_TIME, tableau=SOSRI, strong_general=0),
    Method(
        "DRI1",
        ITO,
        _MANY,
        0.0,
        2.0,
        step_functions.dri1,
        strong_general=0,
        general=Method("DRI1", ITO, _MANY, 0.0, 2.0, noise=SPACE_TIME, writer=step_functions.dri1_general),
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
