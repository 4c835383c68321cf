"""Gradients written by hand and compiled by numba: the limit, for the evaluations that are short."""

import math

import numpy as np
from numba import njit

from benchmarks.gradbench.evaluation import Timed


@njit
def double(x):
    return 2.0 * x


@njit(fastmath=True)
def log_sum_exp(x):
    largest = x[0]
    for v in x:
        largest = max(largest, v)
    found, total = np.empty(len(x)), 0.0
    for i in range(len(x)):
        found[i] = math.exp(x[i] - largest)
        total += found[i]
    for i in range(len(x)):
        found[i] /= total
    return found


@njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def least_squares(x, n):
    found = np.zeros(len(x))
    for i in range(n):
        t = -1.0 + i * 2.0 / (n - 1)
        value = 0.0
        for j in range(len(x)):
            value = value * t + x[len(x) - 1 - j]
        gap = value - np.sign(t)
        for j in range(len(x)):
            found[j] += gap
            gap *= t
    return found


@njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def newton_step(centroids, points):
    k, d = centroids.shape
    sums, counts = np.zeros((k, d)), np.zeros(k)
    for i in range(len(points)):
        nearest, least = 0, np.inf
        for j in range(k):
            distance = 0.0
            for c in range(d):
                distance += (points[i, c] - centroids[j, c]) ** 2
            if distance < least:
                nearest, least = j, distance
        counts[nearest] += 1.0
        for c in range(d):
            sums[nearest, c] += centroids[nearest, c] - points[i, c]
    for j in range(k):
        for c in range(d):
            sums[j, c] = 2.0 * sums[j, c] / (2.0 * counts[j])
    return sums


@njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _stages(x, y, h, k):
    n = len(x)
    for stage in range(4):
        c = 0.0 if stage == 0 else h if stage == 3 else 0.5 * h
        k[stage, 0] = x[0]
        for i in range(1, n):
            before = y[i - 1] if stage == 0 else y[i - 1] + c * k[stage - 1, i - 1]
            k[stage, i] = x[i] * before


@njit(error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def last_component(x, s):
    n, h = len(x), 2.0 / s
    states, k = np.zeros((s + 1, n)), np.empty((4, n))
    for t in range(s):
        _stages(x, states[t], h, k)
        for i in range(n):
            states[t + 1, i] = states[t, i] + h * (k[0, i] + 2.0 * k[1, i] + 2.0 * k[2, i] + k[3, i]) / 6.0
    xbar, ybar, kbar = np.zeros(n), np.zeros(n), np.empty((4, n))
    ybar[n - 1] = 1.0
    for t in range(s - 1, -1, -1):
        y = states[t]
        _stages(x, y, h, k)
        for i in range(n):
            kbar[0, i] = kbar[3, i] = h * ybar[i] / 6.0
            kbar[1, i] = kbar[2, i] = h * ybar[i] / 3.0
        for stage in range(3, -1, -1):
            c = 0.0 if stage == 0 else h if stage == 3 else 0.5 * h
            xbar[0] += kbar[stage, 0]
            for i in range(1, n):
                g = kbar[stage, i]
                before = y[i - 1] if stage == 0 else y[i - 1] + c * k[stage - 1, i - 1]
                xbar[i] += g * before
                ybar[i - 1] += g * x[i]
                if stage:
                    kbar[stage - 1, i - 1] += c * g * x[i]
    return xbar


def functions(own: dict[str, dict[str, Timed]]) -> dict:
    """(evaluation, function) to a `Timed` whose results are those of `own`."""
    programs = {
        ("hello", "double"): double,
        ("lse", "gradient"): log_sum_exp,
        ("llsq", "gradient"): least_squares,
        ("kmeans", "dir"): newton_step,
        ("ode", "gradient"): last_component,
    }
    return {key: own[key[0]][key[1]]._replace(call=program) for key, program in programs.items()}
