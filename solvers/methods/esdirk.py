"""Singly diagonally implicit Runge-Kutta methods with an explicit first stage, as data that checks itself.

A step of size h from (t, y) is

    K_i = f(t + c_i h, y + h sum_(j <= i) a_ij K_j),    a_ii = gamma for i > 0 and a_00 = 0,
    y1 = y + h sum_i b_i K_i,    b = the last row of a,

so K_0 is the last stage of the step before, and every other stage is a nonlinear system in which the matrix
I / (gamma h) - J stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sciad.solvers.methods.runge_kutta import RungeKutta

__all__ = ["ESDIRK", "KenCarp4"]


@dataclass(frozen=True, eq=False, repr=False)
class ESDIRK(RungeKutta):
    """Coefficients, as for `RungeKutta`, but row ``i`` of ``a`` has ``i + 1`` entries.

    Raises
    ------
    ValueError
        Also if the diagonal is not constant or the method is not stiffly accurate.
    """

    family = "esdirk"
    implicit = True

    def __post_init__(self):
        diagonal = [row[i] if i < len(row) else 0.0 for i, row in enumerate(self.a)]
        if diagonal[0] != 0.0 or len(set(diagonal[1:])) != 1 or not diagonal[1]:
            raise ValueError(f"{self.name}: a must be 0, gamma, gamma, ... on the diagonal, not {diagonal}")
        super().__post_init__()
        if self.a[-1] != self.b:
            raise ValueError(f"{self.name}: b must be the last row of a")

    def __repr__(self) -> str:
        return f"<{self.name}: ESDIRK, order {self.order}({self.error_order}), {self.stages} stages>"

    @property
    def gamma(self) -> float:
        return self.a[1][1]


def _row(text: str) -> tuple[float, ...]:
    return tuple(float(Fraction(word)) for word in text.split())


def _difference(b: str, embedded: str) -> tuple[float, ...]:
    return tuple(float(Fraction(x) - Fraction(y)) for x, y in zip(b.split(), embedded.split(), strict=True))


_B = "82889/524892 0 15625/83664 69875/102672 -2260/8211 1/4"
_EMBEDDED = "4586570599/29645900160 0 178811875/945068544 814220225/1159782912 -3700637/11593932 61727/225920"

KenCarp4 = ESDIRK(
    name="KenCarp4",
    reference="C. A. Kennedy & M. H. Carpenter, Additive Runge-Kutta schemes for convection-diffusion-"
    "reaction equations, Appl. Numer. Math. 44 (2003): ARK4(3)6L[2]SA-ESDIRK",
    order=4,
    error_order=3,
    a=(
        _row("0"),
        _row("1/4 1/4"),
        _row("8611/62500 -1743/31250 1/4"),
        _row("5012029/34652500 -654441/2922500 174375/388108 1/4"),
        _row("15267082809/155376265600 -71443401/120774400 730878875/902184768 2285395/8070912 1/4"),
        _row(_B),
    ),
    b=_row(_B),
    c=_row("0 1/2 83/250 31/50 17/20 1"),
    error=_difference(_B, _EMBEDDED),
    interpolant=(
        _row("6943876665148/7220017795957 -54480133/30881146 6818779379841/7100303317025"),
        _row("0 0 0"),
        _row("7640104374378/9702883013639 -11436875/14766696 2173542590792/12501825683035"),
        _row("-20649996744609/7521556579894 174696575/18121608 -31592104683404/5083833661969"),
        _row("8854892464581/2390941311638 -12120380/966161 61146701046299/7138195549469"),
        _row("-11397109935349/6675773540249 3843/706 -17219254887155/4939391667607"),
    ),
    interpolant_order=3,
)
