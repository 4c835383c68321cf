"""Functions with rules of their own, and roots, in every nesting of transforms and `vmap`."""

import numpy as np
import pytest

import sciad as ad
from sciad.solvers import solve_ivp

X = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.6]])


def branch(x):
    """Not to be had for a whole batch: the condition differs between its elements."""
    return x**2 if x.sum() > 5 else 2 * x**2


def slope(x):
    return 2 * x if x.sum() > 5 else 4 * x


def pull(args):
    return branch(*args), lambda g: (slope(*args) * g,)


def push(args, tangents):
    return branch(*args), slope(*args) * tangents[0]


def pull_product(args):
    (d,) = args
    return {"y": d["a"] * d["b"], "n": 3}, lambda g: ({"a": g["y"] * d["b"], "b": g["y"] * d["a"]},)


pulled, pushed = ad.custom(branch, pullback=pull), ad.custom(branch, pushforward=push)
both = ad.custom(branch, pushforward=push, pullback=pull)
product = ad.custom(lambda d: {"y": d["a"] * d["b"], "n": 3}, pullback=pull_product)


def decay(t, y, p):
    return -p * y


def solution(p):
    return solve_ivp(decay, (0, 1), np.array([1.0, 2.0]), args=(p,), method="Tsit5", t_eval=[0.5, 1.0]).y


# function, and the same without a rule of its own
FUNCTIONS = {
    "pullback": (lambda x: np.sum(pulled(x) * x), lambda x: np.sum(branch(x) * x)),
    "pushforward": (lambda x: np.sum(pushed(x) * x), lambda x: np.sum(branch(x) * x)),
    "both": (lambda x: np.sum(both(x) * x), lambda x: np.sum(branch(x) * x)),
    "structure": (lambda x: np.sum(product({"a": x, "b": x * x})["y"]), lambda x: np.sum(x**3)),
    "root": (lambda x: np.sum(ad.root(lambda y: y**3 - x, np.ones(2))), lambda x: np.sum(x ** (1 / 3))),
    "fixed point": (
        lambda x: np.sum(ad.fixed_point(lambda y, a: 0.5 * y + a, np.ones(2), x) ** 2),
        lambda x: np.sum(4 * x**2),
    ),
    "checkpoint": (
        lambda x: np.sum(ad.checkpoint(lambda y: np.sin(y) * x)(x)),
        lambda x: np.sum(np.sin(x) * x),
    ),
    "local array": (
        lambda x: np.sum(ad.checkpoint(squares)(x) * ad.root(lambda y: squares(y) - x, X[0])),
        lambda x: np.sum(x**2 * np.sqrt(x)),
    ),
    "solve": (
        lambda x: np.sum(solution(x) ** 2),
        lambda x: np.sum(np.exp(-x) * [1, 4]) + np.sum(np.exp(-2 * x) * [1, 4]),
    ),
}


def squares(x):
    out = np.zeros(2)
    out[0] = x[0] ** 2
    out[1] = x[1] * x[1]
    return out


TRANSFORMS = {
    "grad": ad.grad,
    "Jacobian by columns": lambda f: ad.jacobian(f, mode="forward"),
    "Jacobian by rows": lambda f: ad.jacobian(f, mode="reverse"),
    "Hessian": ad.hessian,
    "Hessian by rows": lambda f: ad.jacobian(ad.grad(f), mode="reverse"),
    "Hessian times vector": lambda f: lambda x: ad.hvp(f, (x,), (x,)),
    "jvp": lambda f: lambda x: ad.jvp(f, (x,), (x,))[1],
    "linearize": lambda f: lambda x: ad.linearize(f, x)[1](x),
    "value": lambda f: f,
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_mapped_over_elements(name, transform):
    f, exact = FUNCTIONS[name]
    run, reference = TRANSFORMS[transform](f), TRANSFORMS[transform](exact)
    rough = 1e-2 if name == "solve" else 1e-8
    direct = np.array([run(x) for x in X])
    assert direct == pytest.approx(np.array([reference(x) for x in X]), rel=rough, abs=rough)
    assert ad.vmap(run)(X) == pytest.approx(direct, rel=1e-9, abs=1e-12)
    if transform in ("grad", "value") and name != "solve":
        outside = ad.jacobian(lambda X: ad.vmap(run)(X), mode="reverse")(X)
        for i, x in enumerate(X):
            assert outside[i, ..., i, :] == pytest.approx(ad.jacobian(run)(x), rel=1e-8, abs=1e-12)


def test_rules_of_another_module_of_the_user(tmp_path, monkeypatch):
    """They are rebound as all functions of users, in later calls too, and may write into their arguments."""
    (tmp_path / "rules_of_cube.py").write_text(
        "import numpy as np\nfrom cube import cube\n\n@cube.def_pullback\ndef pullback(args):\n"
        "    (x,) = args\n"
        "    slope = np.zeros(3)\n    for i in range(3):\n        slope[i] = 3 * x[i] ** 2\n    y = x**3\n"
        "    x[:] = 0.0\n    return y, lambda g: (slope * g,)\n"
    )
    (tmp_path / "cube.py").write_text(
        "import sciad as ad\ncube = ad.custom(lambda x: x**3, rules_from='rules_of_cube')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from cube import cube

    x = np.array([1.0, 2.0, 3.0])
    for _ in range(2):
        assert ad.grad(lambda x: np.sum(cube(x) * x))(x) == pytest.approx(4 * x**3)
        assert ad.hessian(lambda x: np.sum(cube(x)))(x) == pytest.approx(np.diag(6 * x))
