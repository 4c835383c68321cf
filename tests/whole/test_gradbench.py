"""The evaluations of GradBench: values against NumPy, derivatives against differences, and the protocol."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sciad as ad
from benchmarks.gradbench import NAMES, ba, by_hand, functions, gmm, ht, inputs, kmeans, llsq, lse, lstm, ode

ROOT = Path(__file__).parents[2]
SMALL = inputs.small()


def result(name, function):
    timed = functions(name)[function]
    return timed.call(*timed.prepare(SMALL[name]))


def arguments(name, function="jacobian"):
    return functions(name)[function].prepare(SMALL[name])


def test_every_evaluation_has_an_input():
    assert set(SMALL) == set(NAMES)


def test_hello():
    assert result("hello", "square") == 9.0 and result("hello", "double") == 6.0


def test_determinant():
    (a,) = arguments("det", "primal")
    exact = np.linalg.det(a)
    assert result("det", "primal") == pytest.approx(exact, rel=1e-12)
    assert np.allclose(result("det", "gradient"), exact * np.linalg.inv(a).T, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "value", "derivative", "plain"),
    [
        ("lse", "primal", "gradient", lse.log_sum_exp),
        ("llsq", "primal", "gradient", llsq.objective),
        ("ode", None, "gradient", ode.last_component),
        ("kmeans", "cost", None, kmeans.cost),
        ("gmm", "objective", "jacobian", gmm.objective),
        ("lstm", "objective", "jacobian", lstm.loss),
    ],
)
def test_values_and_gradients(name, value, derivative, plain):
    args = arguments(name, value or derivative)
    if value:
        assert result(name, value) == pytest.approx(plain(*args), rel=1e-12)
    if derivative:
        found = result(name, derivative)
        found = found if isinstance(found, tuple) else (found,)
        rng = np.random.default_rng(4)
        moves = [rng.normal(size=np.shape(g)) for g in found]
        h = 1e-5
        high, low = (
            plain(*[a + s * h * d for a, d in zip(args, moves, strict=False)], *args[len(moves) :])
            for s in (1, -1)
        )
        slope = sum(np.sum(g * d) for g, d in zip(found, moves, strict=True))
        assert slope == pytest.approx((high - low) / (2 * h), rel=1e-7)


def test_k_means_steps_to_the_means_of_the_clusters():
    """The cost is a parabola in each centroid as long as no point changes its cluster."""
    centroids, points = arguments("kmeans", "dir")
    nearest = np.argmin(np.sum((points[:, None] - centroids) ** 2, axis=2), axis=1)
    means = np.array([points[nearest == j].mean(axis=0) for j in range(len(centroids))])
    assert np.allclose(centroids - result("kmeans", "dir"), means, rtol=1e-12)


def test_bundle_adjustment():
    cams, points, weights, seen, features = arguments("ba")
    sizes = np.cumsum([cams.size, points.size])

    def everything(unknowns):
        c, x, w = np.split(unknowns, sizes)
        reprojection, weight = ba.errors(c.reshape(cams.shape), x.reshape(points.shape), w, seen, features)
        return np.concatenate([reprojection.ravel(), weight])

    unknowns = np.concatenate([cams.ravel(), points.ravel(), weights])
    direction = np.random.default_rng(5).normal(size=unknowns.shape)
    slope = (everything(unknowns + 1e-6 * direction) - everything(unknowns - 1e-6 * direction)) / 2e-6
    assert np.allclose(result("ba", "jacobian") @ direction, slope, rtol=1e-6, atol=1e-6 * abs(slope).max())


@pytest.mark.parametrize("us", [True, False])
def test_hand_tracking(us):
    given = SMALL["ht"] if us else SMALL["ht"] | {"us": []}
    objective, jacobian = functions("ht").values()
    args = jacobian.prepare(given)
    theta, found = args[0], jacobian.call(*args)
    plain = ht.complicated if us else ht.simple
    assert np.allclose(objective.call(*args), plain(*args), rtol=1e-12)
    direction = np.random.default_rng(6).normal(size=theta.shape)
    h = 1e-6
    slope = (plain(theta + h * direction, *args[1:]) - plain(theta - h * direction, *args[1:])) / (2 * h)
    assert np.allclose(found[:, -len(theta) :] @ direction, slope, atol=1e-7 * abs(slope).max())
    if us:
        exact = ad.jacobian(ht.complicated, argnums=1)(*args)  # [3 * points, points, 2]
        assert np.allclose(found[:, :2], exact[np.arange(len(found)), np.arange(len(found)) // 3], atol=1e-12)


@pytest.mark.parametrize("way", ["ff", "fr", "rf", "rr"])
def test_nested_derivatives(way):
    """Published: 0.20719187464861 (Pearlmutter and Siskind 2008); the saddle is the origin."""
    assert result("particle", way)[0] == pytest.approx(0.20719187464861, abs=1e-12)
    assert np.allclose(result("saddle", way), 0.0, atol=1e-5)


def test_programs_by_hand():
    """What the table compares with computes the same."""
    own = {name: functions(name) for name in NAMES}
    for (name, function), timed in by_hand.functions(own).items():
        args = arguments(name, function)
        found, expected = (np.asarray(f.call(*args)) for f in (timed, own[name][function]))
        assert np.allclose(found, expected, rtol=1e-11, atol=1e-13)


def test_the_protocol():
    runs = {"min_runs": 3, "min_seconds": 0.0}
    messages = [
        {"kind": "start", "eval": "llsq"},
        {"kind": "define", "module": "llsq"},
        {"kind": "evaluate", "module": "llsq", "function": "gradient", "input": SMALL["llsq"] | runs},
        {"kind": "analysis", "of": 2, "valid": True},
        {"kind": "define", "module": "chess"},
        {"kind": "evaluate", "module": "llsq", "function": "gradient", "input": runs},
        {"kind": "end"},
    ]
    text = "\n".join(json.dumps({"id": k} | m) for k, m in enumerate(messages))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gradbench.adapter"],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["id"] for a in answers] == list(range(6))
    assert answers[0]["tool"] == "sciad" and answers[1]["success"] and not answers[4]["success"]
    assert len(answers[2]["timings"]) == 3 and answers[2]["output"] == result("llsq", "gradient").tolist()
    assert not answers[5]["success"] and "KeyError" in answers[5]["error"]
