"""Initial value problems with known answers, shared by the tests and the benchmarks.

`MODELS` maps a name to a `Model`: a right-hand side in plain NumPy that returns dy/dt, its arguments, and
where the answer comes from (a closed form, a published reference solution, or a tight SciPy solve).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm


@dataclass(frozen=True, eq=False)
class Model:
    """An initial value problem `dy/dt = fun(t, y, *args)` and what is known of its solution.

    `exact(t, y0, *args)` is the closed form at one time, written so that it accepts complex arguments;
    `published` is the state at the end of `t_span` as printed in `source`.
    """

    name: str
    fun: Callable
    y0: np.ndarray
    t_span: tuple[float, float]
    args: tuple
    stiff: bool = False
    exact: Callable | None = None
    published: np.ndarray | None = None
    source: str = ""

    def final(self) -> np.ndarray:
        """State at the end of `t_span`: closed form, else published, else a tight SciPy solve."""
        if self.exact is not None:
            return np.asarray(self.exact(self.t_span[1], self.y0, *self.args))
        return self.published if self.published is not None else _solved(self)


@cache
def _solved(model: Model) -> np.ndarray:
    method, rtol = ("Radau", 1e-11) if model.stiff else ("DOP853", 1e-13)
    solution = solve_ivp(
        model.fun, model.t_span, model.y0, method, args=model.args, rtol=rtol, atol=1e-3 * rtol
    )
    assert solution.success, f"{model.name}: {solution.message}"
    return solution.y[:, -1]


# Non-stiff ----------------------------------------------------------------------------------------


def lotka_volterra(t, y, p):
    hare, lynx = y
    birth, predation, growth, death = p
    return np.array([birth * hare - predation * hare * lynx, growth * hare * lynx - death * lynx])


def lorenz(t, y, sigma, rho, beta):
    return np.array([sigma * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - beta * y[2]])


def pleiades(t, y, mass):
    """Seven bodies in the plane under gravity; y holds the x and y positions, then the x and y velocities."""
    dy = np.zeros_like(y)
    for i in range(7):
        dy[i] = y[14 + i]
        dy[7 + i] = y[21 + i]
        for j in range(7):
            if i != j:
                dx = y[j] - y[i]
                dz = y[7 + j] - y[7 + i]
                cubed_distance = (dx * dx + dz * dz) ** 1.5
                dy[14 + i] += mass[j] * dx / cubed_distance
                dy[21 + i] += mass[j] * dz / cubed_distance
    return dy


def arenstorf(t, y, mu):
    """Restricted three-body problem in the frame that turns with earth and moon; y = (x, y, x', y')."""
    x, z, dx, dz = y
    mu1 = 1 - mu
    d1 = ((x + mu) ** 2 + z**2) ** 1.5
    d2 = ((x - mu1) ** 2 + z**2) ** 1.5
    ddx = x + 2 * dz - mu1 * (x + mu) / d1 - mu * (x - mu1) / d2
    ddz = z - 2 * dx - mu1 * z / d1 - mu * z / d2
    return np.array([dx, dz, ddx, ddz])


def linear(t, y, a):
    return a @ y


def linear_exact(t, y0, a):
    return expm(a * t) @ y0


class Oscillator(NamedTuple):
    frequency: float
    damping: float


def damped_oscillator(t, y, spring):
    x, v = y
    return np.array([v, -2 * spring.damping * spring.frequency * v - spring.frequency**2 * x])


def damped_oscillator_exact(t, y0, spring):
    decay = spring.damping * spring.frequency
    omega = spring.frequency * np.sqrt(1 - spring.damping**2)
    a, b = y0[0], (y0[1] + decay * y0[0]) / omega
    c, s = np.cos(omega * t), np.sin(omega * t)
    envelope = np.exp(-decay * t)
    return envelope * np.array([a * c + b * s, (b * omega - decay * a) * c - (a * omega + decay * b) * s])


def logistic(t, y, p):
    return p["rate"] * y * (1 - y / p["capacity"])


def logistic_exact(t, y0, p):
    return p["capacity"] / (1 + (p["capacity"] / y0 - 1) * np.exp(-p["rate"] * t))


def driven_decay(t, y, rate, drive):
    """Non-autonomous: a decay whose rate grows with time, and a state that only integrates the time."""
    return np.array([-rate * t * y[0], drive * t**2])


def driven_decay_exact(t, y0, rate, drive):
    t0 = MODELS["driven_decay"].t_span[0]
    return np.array([y0[0] * np.exp(-rate * (t**2 - t0**2) / 2), y0[1] + drive * (t**3 - t0**3) / 3])


# Stiff --------------------------------------------------------------------------------------------


def prothero_robinson(t, y, rate):
    """y follows cos t, to which it is pulled at a rate that may be made as stiff as one likes."""
    return -rate * (y - np.cos(t)) - np.sin(t)


def prothero_robinson_exact(t, y0, rate):
    return np.cos(t) + (y0 - 1) * np.exp(-rate * t)


def robertson(t, y, k):
    first = k[0] * y[0]
    second = k[1] * y[1] ** 2
    third = k[2] * y[1] * y[2]
    return np.array([third - first, first - third - second, second])


def van_der_pol(t, y, eps):
    return np.array([y[1], ((1 - y[0] ** 2) * y[1] - y[0]) / eps])


def oregonator(t, y, s, q, w):
    y1, y2, y3 = y
    return np.array([s * (y2 + y1 * (1 - q * y1 - y2)), (y3 - (1 + y1) * y2) / s, w * (y1 - y3)])


def hires(t, y, k):
    """High irradiance response of photomorphogenesis; k = (k1, k2, k3, k4, k5, k6, k+, k-, k*, o_ks)."""
    k1, k2, k3, k4, k5, k6, forth, back, star, inflow = k
    bound = forth * y[5] * y[7]
    freed = (k2 + back + star) * y[6]
    return np.array(
        [
            -k1 * y[0] + k2 * y[1] + k6 * y[2] + inflow,
            k1 * y[0] - (k2 + k3) * y[1],
            -(k6 + k1) * y[2] + k2 * y[3] + k5 * y[4],
            k3 * y[1] + k1 * y[2] - (k4 + k2) * y[3],
            -(k5 + k1) * y[4] + k2 * y[5] + k2 * y[6],
            -bound + k4 * y[3] + k1 * y[4] - k2 * y[5] + k4 * y[6],
            bound - freed,
            freed - bound,
        ]
    )


def pollu(t, y, k):
    """Twenty species and twenty-five reactions of air pollution."""
    r1 = k[0] * y[0]
    r2 = k[1] * y[1] * y[3]
    r3 = k[2] * y[4] * y[1]
    r4 = k[3] * y[6]
    r5 = k[4] * y[6]
    r6 = k[5] * y[6] * y[5]
    r7 = k[6] * y[8]
    r8 = k[7] * y[8] * y[5]
    r9 = k[8] * y[10] * y[1]
    r10 = k[9] * y[10] * y[0]
    r11 = k[10] * y[12]
    r12 = k[11] * y[9] * y[1]
    r13 = k[12] * y[13]
    r14 = k[13] * y[0] * y[5]
    r15 = k[14] * y[2]
    r16 = k[15] * y[3]
    r17 = k[16] * y[3]
    r18 = k[17] * y[15]
    r19 = k[18] * y[15]
    r20 = k[19] * y[16] * y[5]
    r21 = k[20] * y[18]
    r22 = k[21] * y[18]
    r23 = k[22] * y[0] * y[3]
    r24 = k[23] * y[18] * y[0]
    r25 = k[24] * y[19]
    return np.array(
        [
            -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25,
            -r2 - r3 - r9 - r12 + r1 + r21,
            -r15 + r1 + r17 + r19 + r22,
            -r2 - r16 - r17 - r23 + r15,
            -r3 + r4 + r4 + r6 + r7 + r13 + r20,
            -r6 - r8 - r14 - r20 + r3 + r18 + r18,
            -r4 - r5 - r6 + r13,
            r4 + r5 + r6 + r7,
            -r7 - r8,
            -r12 + r7 + r9,
            -r9 - r10 + r8 + r11,
            r9,
            -r11 + r10,
            -r13 + r12,
            r14,
            -r18 - r19 + r16,
            -r20,
            r20,
            -r21 - r22 - r24 + r23 + r25,
            -r25 + r24,
        ]
    )


def brusselator(t, y, a, b, alpha):
    """Reaction and diffusion on a line by finite differences; y holds u at the n inner points, then v."""
    n = len(y) // 2
    diffusion = alpha * (n + 1) ** 2
    dy = np.zeros_like(y)
    for i in range(n):
        u, v = y[i], y[n + i]
        u_left, v_left = a, b
        if i > 0:
            u_left, v_left = y[i - 1], y[n + i - 1]
        u_right, v_right = a, b
        if i < n - 1:
            u_right, v_right = y[i + 1], y[n + i + 1]
        dy[i] = a + u * u * v - (b + 1) * u + diffusion * (u_left - 2 * u + u_right)
        dy[n + i] = b * u - u * u * v + diffusion * (v_left - 2 * v + v_right)
    return dy


def _brusselator_start(n):
    x = np.arange(1, n + 1) / (n + 1)
    return np.concatenate([1 + np.sin(2 * np.pi * x), np.full(n, 3.0)])


def _numbers(text):
    return np.array([float(word) for word in text.split()])


# The table ----------------------------------------------------------------------------------------

TEST_SET = "Mazzia and Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (2008): "
HAIRER_1 = "Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993): "
HAIRER_2 = "Hairer and Wanner, Solving Ordinary Differential Equations II (1996): "

POLLU_RATES = _numbers(
    """
    0.35 26.6 1.23e4 8.6e-4 8.2e-4 1.5e4 1.3e-4 2.4e4 1.65e4 9.0e3 0.022 1.2e4 1.88
    1.63e4 4.8e6 3.5e-4 0.0175 1.0e8 4.44e11 1.24e3 2.1 5.78 0.0474 1.78e3 3.12
    """
)
POLLU_START = np.array([0, 0.2, 0, 0.04, 0, 0, 0.1, 0.3, 0.01, 0, 0, 0, 0, 0, 0, 0, 0.007, 0, 0, 0])

PLEIADES_START = np.concatenate(
    [
        [3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0],
        [3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5],
        [0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0],
    ]
)

ARENSTORF_START = np.array([0.994, 0.0, 0.0, -2.00158510637908252240537862224])

_ALL = [
    Model(
        "lotka_volterra", lotka_volterra, np.array([1.0, 1.0]), (0.0, 10.0), (np.array([1.5, 1.0, 3.0, 1.0]),)
    ),
    Model("lorenz", lorenz, np.array([1.0, 0.0, 0.0]), (0.0, 1.0), (10.0, 28.0, 8 / 3)),
    Model(
        "pleiades",
        pleiades,
        PLEIADES_START,
        (0.0, 3.0),
        (np.arange(1.0, 8.0),),
        published=_numbers(
            """
            0.3706139143970502 3.237284092057233 -3.222559032418324 0.6597091455775310 0.3425581707156584
            1.562172101400631 -0.7003092922212495 -3.943437585517392 -3.271380973972550 5.225081843456543
            -2.590612434977470 1.198213693392275 -0.2429682344935824 1.091449240428980 3.417003806314313
            1.354584501625501 -2.590065597810775 2.025053734714242 -1.155815100160448 -0.8072988170223021
            0.5952396354208710 -3.741244961234010 0.3773459685750630 0.9386858869551073 0.3667922227200571
            -0.3474046353808490 2.344915448180937 -1.947020434263292
            """
        ),
        source=TEST_SET + "plei.f",
    ),
    Model(
        "arenstorf",
        arenstorf,
        ARENSTORF_START,
        (0.0, 17.0652165601579625588917206249),
        (0.012277471,),
        published=ARENSTORF_START,
        source=HAIRER_1 + "(II.0.1)-(II.0.2): the orbit is closed",
    ),
    Model(
        "linear",
        linear,
        np.array([1.0, -0.5, 0.25]),
        (0.0, 2.0),
        (np.array([[-0.5, 2.0, 0.0], [-2.0, -0.5, 0.3], [0.1, 0.0, -1.0]]),),
        exact=linear_exact,
    ),
    Model(
        "damped_oscillator",
        damped_oscillator,
        np.array([1.0, 0.3]),
        (0.0, 6.0),
        (Oscillator(2.0, 0.1),),
        exact=damped_oscillator_exact,
    ),
    Model(
        "logistic",
        logistic,
        np.array([0.1, 0.7, 1.9]),
        (0.0, 3.0),
        ({"rate": 1.3, "capacity": 1.2},),
        exact=logistic_exact,
    ),
    Model(
        "driven_decay",
        driven_decay,
        np.array([1.0, 0.2]),
        (0.5, 2.5),
        (0.4, 0.6),
        exact=driven_decay_exact,
    ),
    Model(
        "prothero_robinson",
        prothero_robinson,
        np.array([1.5]),
        (0.0, 1.5),
        (1e4,),
        stiff=True,
        exact=prothero_robinson_exact,
        source="Prothero and Robinson, Math. Comp. 28 (1974) 145-162",
    ),
    Model(
        "robertson",
        robertson,
        np.array([1.0, 0.0, 0.0]),
        (0.0, 1e11),
        (np.array([0.04, 3e7, 1e4]),),
        stiff=True,
        published=np.array([0.2083340149701255e-7, 0.8333360770334713e-13, 0.9999999791665050]),
        source=TEST_SET + "rober.f",
    ),
    Model(
        "van_der_pol",
        van_der_pol,
        np.array([2.0, 0.0]),
        (0.0, 2.0),
        (1e-6,),
        stiff=True,
        published=np.array([1.706167732170483, -0.8928097010247975]),
        source=TEST_SET + "vdpol.f",
    ),
    Model(
        "oregonator",
        oregonator,
        np.array([1.0, 2.0, 3.0]),
        (0.0, 360.0),
        (77.27, 8.375e-6, 0.161),
        stiff=True,
        published=np.array([1.000814870318523, 1228.178521549917, 132.0554942846706]),
        source=TEST_SET + "orego.f",
    ),
    Model(
        "hires",
        hires,
        np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057]),
        (0.0, 321.8122),
        (np.array([1.71, 0.43, 8.32, 0.69, 0.035, 8.32, 280.0, 0.69, 0.69, 0.0007]),),
        stiff=True,
        published=_numbers(
            """
            0.7371312573325668e-3 0.1442485726316185e-3 0.5888729740967575e-4 0.1175651343283149e-2
            0.2386356198831331e-2 0.6238968252742796e-2 0.2849998395185769e-2 0.2850001604814231e-2
            """
        ),
        source=TEST_SET + "hires.f",
    ),
    Model(
        "pollu",
        pollu,
        POLLU_START,
        (0.0, 60.0),
        (POLLU_RATES,),
        stiff=True,
        published=_numbers(
            """
            0.5646255480022769e-1 0.1342484130422339 0.4139734331099427e-8 0.5523140207484359e-2
            0.2018977262302196e-6 0.1464541863493966e-6 0.7784249118997964e-1 0.3245075353396018
            0.7494013383880406e-2 0.1622293157301561e-7 0.1135863833257075e-7 0.2230505975721359e-2
            0.2087162882798630e-3 0.1396921016840158e-4 0.8964884856898295e-2 0.4352846369330103e-17
            0.6899219696263405e-2 0.1007803037365946e-3 0.1772146513969984e-5 0.5682943292316392e-4
            """
        ),
        source=TEST_SET + "pollu.f; Verwer, SIAM J. Sci. Comput. 15 (1994) 1243-1259",
    ),
    Model(
        "brusselator",
        brusselator,
        _brusselator_start(20),
        (0.0, 10.0),
        (1.0, 3.0, 0.02),
        stiff=True,
        source=HAIRER_2 + "(IV.1.6'), n = 20 inner points",
    ),
]

MODELS = {model.name: model for model in _ALL}
