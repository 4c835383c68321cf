"""Explicit Runge-Kutta methods up to order five: coefficients only."""

from __future__ import annotations

from sciad.solvers.methods.runge_kutta import RungeKutta

__all__ = ["BS3", "RK4", "Dopri5", "Euler", "Heun", "Midpoint", "Tsit5", "row", "rows"]


def row(text: str) -> tuple[float, ...]:
    """Numbers separated by blanks; fractions such as ``1/3`` are divided in double precision."""
    return tuple(_number(word) for word in text.split())


def rows(text: str) -> tuple[tuple[float, ...], ...]:
    """One row per line; a line that ends in a backslash goes on in the next."""
    return tuple(row(line) for line in text.replace("\\\n", " ").strip().splitlines())


def _number(word: str) -> float:
    top, _, bottom = word.partition("/")
    return float(top) / float(bottom or 1)


Euler = RungeKutta(
    name="Euler",
    reference="L. Euler, Institutionum calculi integralis I (1768)",
    order=1,
    a=((),),
    b=(1.0,),
    c=(0.0,),
    interpolant=((1.0,),),
    interpolant_order=1,
)

Midpoint = RungeKutta(
    name="Midpoint",
    reference="C. Runge, Math. Ann. 46 (1895)",
    order=2,
    a=((), (0.5,)),
    b=(0.0, 1.0),
    c=(0.0, 0.5),
    interpolant=((1.0, -1.0), (0.0, 1.0)),
    interpolant_order=2,
)

Heun = RungeKutta(
    name="Heun",
    reference="the explicit trapezoidal rule; K. Heun, Z. Math. Phys. 45 (1900)",
    order=2,
    a=((), (1.0,)),
    b=(0.5, 0.5),
    c=(0.0, 1.0),
    interpolant=((1.0, -0.5), (0.0, 0.5)),
    interpolant_order=2,
)

RK4 = RungeKutta(
    name="RK4",
    reference="W. Kutta, Z. Math. Phys. 46 (1901); dense output: Hairer, Norsett & Wanner, Solving ODEs I, "
    "(II.6.9)",
    order=4,
    a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    b=row("1/6 1/3 1/3 1/6"),
    c=(0.0, 0.5, 0.5, 1.0),
    interpolant=rows("""
        1 -3/2 2/3
        0 1 -2/3
        0 1 -2/3
        0 -1/2 2/3
    """),
    interpolant_order=3,
)

BS3 = RungeKutta(
    name="BS3",
    reference="P. Bogacki & L. F. Shampine, A 3(2) pair of Runge-Kutta formulas, Appl. Math. Lett. 2 (1989)",
    order=3,
    a=((), (0.5,), (0.0, 0.75)),
    b=row("2/9 1/3 4/9"),
    c=(0.0, 0.5, 0.75),
    error=row("-5/72 1/12 1/9 -1/8"),
    error_order=2,
    interpolant=rows("""
        1 -4/3 5/9
        0 1 -2/3
        0 4/3 -8/9
        0 -1 1
    """),
    interpolant_order=3,
)


Dopri5 = RungeKutta(
    name="Dopri5",
    reference="J. R. Dormand & P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. "
    "Math. 6 (1980); dense output: L. F. Shampine, Math. Comp. 46 (1986)",
    order=5,
    a=(
        (),
        *rows("""
        1/5
        3/40 9/40
        44/45 -56/15 32/9
        19372/6561 -25360/2187 64448/6561 -212/729
        9017/3168 -355/33 46732/5247 49/176 -5103/18656
        """),
    ),
    b=row("35/384 0 500/1113 125/192 -2187/6784 11/84"),
    c=row("0 1/5 3/10 4/5 8/9 1"),
    error=row("71/57600 0 -71/16695 71/1920 -17253/339200 22/525 -1/40"),
    error_order=4,
    interpolant=rows("""
        1 -8048581381/2820520608 8663915743/2820520608 -12715105075/11282082432
        0 0 0 0
        0 131558114200/32700410799 -68118460800/10900136933 87487479700/32700410799
        0 -1754552775/470086768 14199869525/1410260304 -10690763975/1880347072
        0 127303824393/49829197408 -318862633887/49829197408 701980252875/199316789632
        0 -282668133/205662961 2019193451/616988883 -1453857185/822651844
        0 40617522/29380423 -110615467/29380423 69997945/29380423
    """),
    interpolant_order=4,
)


Tsit5 = RungeKutta(
    name="Tsit5",
    reference="Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying "
    "assumption, Comput. Math. Appl. 62 (2011)",
    order=5,
    a=(
        (),
        *rows("""
        0.161
        -0.008480655492356989 0.335480655492357
        2.8971530571054935 -6.359448489975075 4.3622954328695815
        5.325864828439257 -11.748883564062828 7.4955393428898365 -0.09249506636175525
        5.86145544294642 -12.92096931784711 8.159367898576159 -0.071584973281401 -0.028269050394068383
        """),
    ),
    b=row(
        "0.09646076681806523 0.01 0.4798896504144996 1.379008574103742 -3.290069515436081 2.324710524099774"
    ),
    c=row("0 0.161 0.327 0.9 0.9800255409045097 1"),
    error=row("""
        0.00178001105222577714 0.0008164344596567469 -0.007880878010261995 0.1447110071732629
        -0.5823571654525552 0.45808210592918697 -0.015151515151515152
    """),
    error_order=4,
    interpolant=rows("""
        1 -2.763706197274826 2.9132554618219126 -1.0530884977290216
        0 0.13169999999999998 -0.2234 0.1017
        0 3.9302962368947516 -5.941033872131505 2.490627285651253
        0 -12.411077166933676 30.33818863028232 -16.548102889244902
        0 37.50931341651104 -88.1789048947664 47.37952196281928
        0 -27.896526289197286 65.09189467479366 -34.87065786149661
        0 1.5 -4 2.5
    """),
    interpolant_order=4,
)
