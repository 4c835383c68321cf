"""Stochastic gradient methods: their formulas, torch's numbers, compiled and eager the same."""

import numpy as np
import pytest

import sciad as ad
import sciad.optimize as opt
from sciad.tree import tree_leaves, tree_map

METHODS = {
    "sgd": lambda: opt.sgd(0.05),
    "momentum": lambda: opt.sgd(0.02, momentum=0.9),
    "nesterov": lambda: opt.sgd(opt.cosine_decay(0.02, 30), momentum=0.9, nesterov=True),
    "adam": lambda: opt.adam(opt.warmup(3, opt.exponential_decay(0.1, 10, 0.5))),
    "adamw": lambda: opt.adamw(opt.piecewise_rate([0.1, 0.01], [3]), decay=0.1),
    "lion": lambda: opt.lion(0.01, decay=0.1),
    "chain": lambda: opt.chain(opt.clip_norm(1.0), opt.clip(0.3), opt.adam(0.1)),
}
PARAMS = {"a": np.array([3.0, -2.0, 1.0]), "b": [np.arange(4.0).reshape(2, 2), 1.5]}


def slopes(p):
    return {"a": 2 * p["a"] * np.array([1.0, 3.0, 0.5]), "b": [np.cos(p["b"][0]), 4 * p["b"][1] ** 3]}


def steps_of(method, count=6):
    def steps(p):
        state = method.init(p)
        for _ in range(count):
            updates, state = method.update(slopes(p), state, p)
            p = opt.apply_updates(p, updates)
        return p, state

    return steps


@pytest.mark.parametrize("name", METHODS)
def test_compiled_steps_are_those_of_python(name):
    steps = steps_of(METHODS[name]())
    for plain, compiled in zip(tree_leaves(steps(PARAMS)), tree_leaves(ad.jit(steps)(PARAMS)), strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", METHODS)
def test_a_convex_loss_is_brought_down(name):
    method = opt.chain(opt.clip(10.0), METHODS[name]())
    p = {"x": np.array([1.0, -2.0]), "y": 0.5}
    loss = lambda p: np.sum(np.array([1.0, 5.0]) * p["x"] ** 2) + p["y"] ** 2  # noqa: E731
    state, first = method.init(p), loss(p)
    for _ in range(60):
        updates, state = method.update(ad.grad(loss)(p), state, p)
        p = opt.apply_updates(p, updates)
    assert loss(p) < 0.75 * first


def test_one_step_of_each_formula_by_hand():
    p, g = {"x": 2.0}, {"x": 0.5}

    def moved(method, times=1):
        x, state = p, method.init(p)
        for _ in range(times):
            updates, state = method.update(g, state, x)
            x = opt.apply_updates(x, updates)
        return x["x"] - p["x"]

    assert moved(opt.sgd(0.1)) == pytest.approx(-0.05, rel=1e-14)
    assert moved(opt.sgd(0.1, momentum=0.9), 2) == pytest.approx(-0.1 * (0.5 + 0.95), rel=1e-14)
    assert moved(opt.adam(0.1)) == pytest.approx(-0.1 * 0.5 / (0.5 + 1e-8), rel=1e-12)
    assert moved(opt.adamw(0.1, decay=0.2)) == pytest.approx(-0.1 * 0.5 / (0.5 + 1e-8) - 0.04, rel=1e-12)
    assert moved(opt.lion(0.1, decay=0.3)) == pytest.approx(-0.1 * (1 + 0.6), rel=1e-14)


def test_clipping():
    g = {"x": np.array([3.0, 0.0]), "y": 4.0}
    scaled, _ = opt.clip_norm(1.0).update(g, (), g)
    np.testing.assert_allclose(np.hstack(tree_leaves(scaled)), [0.6, 0.0, 0.8])
    same, _ = opt.clip_norm(6.0).update(g, (), g)
    np.testing.assert_array_equal(np.hstack(tree_leaves(same)), [3.0, 0.0, 4.0])
    cut, _ = opt.clip(3.5).update(g, (), g)
    np.testing.assert_array_equal(np.hstack(tree_leaves(cut)), [3.0, 0.0, 3.5])


def test_rates():
    cosine = opt.cosine_decay(2.0, 10, last=0.1)
    np.testing.assert_allclose([cosine(0.0), cosine(5.0), cosine(10.0), cosine(99.0)], [2.0, 1.1, 0.2, 0.2])
    falling = opt.exponential_decay(1.0, 10, 0.5)
    np.testing.assert_allclose([falling(0.0), falling(10.0), falling(20.0)], [1.0, 0.5, 0.25])
    stairs = opt.piecewise_rate([1.0, 0.1, 0.01], [5, 8])
    assert [float(stairs(k)) for k in (0, 4, 5, 7, 8, 100)] == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    rising = opt.warmup(4, cosine)
    np.testing.assert_allclose([rising(0.0), rising(2.0), rising(4.0), rising(9.0)], [0.0, 1.0, 2.0, 1.1])
    with pytest.raises(ValueError, match="2 rates need 1 ends"):
        opt.piecewise_rate([1.0, 0.1], [])


TORCH = {
    "sgd": (opt.sgd(0.05), lambda torch, p: torch.optim.SGD(p, lr=0.05)),
    "momentum": (opt.sgd(0.05, 0.9), lambda torch, p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "nesterov": (
        opt.sgd(0.05, 0.9, True),
        lambda torch, p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (opt.adam(0.1, 0.8, 0.99, 1e-6), lambda torch, p: torch.optim.Adam(p, 0.1, (0.8, 0.99), 1e-6)),
    "adamw": (opt.adamw(0.1, decay=0.2), lambda torch, p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.2)),
}


@pytest.mark.parametrize("name", TORCH)
def test_steps_are_those_of_torch(name):
    torch = pytest.importorskip("torch")
    method, make = TORCH[name]
    start, weights = np.array([1.5, -0.7, 3.0]), np.array([1.0, 0.3, 4.0])
    theirs = torch.tensor(start, requires_grad=True)
    optimiser = make(torch, [theirs])
    ours, state = start, method.init(start)
    for _ in range(25):
        optimiser.zero_grad()
        torch.sum(torch.tensor(weights) * theirs**2).backward()
        optimiser.step()
        updates, state = method.update(2 * weights * ours, state, ours)
        ours = opt.apply_updates(ours, updates)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)


def test_tree_map_of_all_containers_compiles():
    from dataclasses import dataclass
    from typing import NamedTuple

    class Pair(NamedTuple):
        left: float
        right: np.ndarray

    @dataclass
    class Rates:
        birth: float
        more: dict

    given = [Pair(1.0, np.ones(2)), Rates(2.0, {"x": (3.0, None)}), None, []]

    def doubled(x):
        return tree_map(lambda a, b: a + b, x, x)

    plain, compiled = doubled(given), ad.jit(doubled)(given)
    assert isinstance(compiled[0], Pair) and isinstance(compiled[1], Rates) and compiled[2] is None
    for a, b in zip(tree_leaves(plain), tree_leaves(compiled), strict=True):
        np.testing.assert_array_equal(a, b)

    with pytest.raises(ad.UnsupportedSyntax, match="different structure"):
        ad.jit(lambda a, b: tree_map(lambda x, y: x + y, a, b))({"x": 1.0}, {"y": 1.0})
