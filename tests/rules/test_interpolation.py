"""Piecewise linear interpolation: values as NumPy's, at a knot the mean of both slopes, compiled or not."""

import numpy as np
import pytest

import sciad as ad

XP = np.array([0.0, 1.0, 2.5, 4.0])
FP = np.array([1.0, 3.0, 2.0, 8.0])
POINTS = [-1.0, -0.0, 0.0, 0.5, 1.0, 1.7, 2.5, 3.9, 4.0, 5.0]


def both(f):
    return [f, ad.jit(f)]


@pytest.mark.parametrize("x", POINTS)
def test_mean_of_both_sides(x):
    h = 1e-6
    want = (np.interp(x + h, XP, FP) - np.interp(x - h, XP, FP)) / (2 * h)
    for g in both(lambda x: np.interp(x, XP, FP)):
        assert g(x) == np.interp(x, XP, FP)
        for found in (ad.grad(g)(x), ad.jvp(g, (x,), (1.0,))[1], ad.vmap(ad.grad(g))(np.array([x, 0.3]))[0]):
            np.testing.assert_allclose(found, want, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("argument", [0, 1, 2])
def test_every_argument(argument):
    args, h = (np.array(POINTS), XP, FP), 1e-6
    for g in both(lambda x, xp, fp: np.interp(x, xp, fp)):
        found = ad.jacobian(g, argument)(*args)
        for k in range(args[argument].size):
            sides = []
            for s in (h, -h):
                moved = [a.copy() for a in args]
                moved[argument][k] += s
                sides.append(np.interp(*moved))
            np.testing.assert_allclose(found[:, k], (sides[0] - sides[1]) / (2 * h), rtol=1e-7, atol=2e-6)


def test_two_knots_and_ends():
    for g in both(lambda x: np.interp(x, [0.0, 1.0], [2.0, 3.0])):
        np.testing.assert_allclose([ad.grad(g)(x) for x in (0.0, 0.5, 1.0, 1.5)], [0.5, 1.0, 0.5, 0.0])
    # where the table ends in a jump, its own side counts
    g = ad.grad(lambda x: np.interp(x, [0.0, 1.0], [2.0, 3.0], left=0.0, right=7.0))
    np.testing.assert_allclose([g(x) for x in (-1.0, 0.0, 1.0, 2.0)], [0.0, 1.0, 1.0, 0.0])
    g = ad.grad(lambda x: np.interp(x, [0.0, 1.0, 3.0], [2.0, 3.0, 1.0], period=4.0))
    np.testing.assert_allclose([g(x) for x in (0.0, 1.0, 3.0, 4.0, 5.0)], [1.0, 0.0, 0.0, 1.0, 0.0])
