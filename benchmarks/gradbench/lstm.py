"""The loss of a recurrent network of long short-term memory that predicts characters."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def loss(main, extra, state, sequence):
    """`main`: weights, biases [2 layers, 4 b]; `extra` [3, b]; `state` [2 layers, b]; `sequence` [t, b]."""
    layers, b = len(main) // 2, extra.shape[1]
    hidden, cell = state[0::2].copy(), state[1::2].copy()
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for k in range(layers):
            weight, bias = main[2 * k], main[2 * k + 1]
            forget = sigmoid(x * weight[:b] + bias[:b])
            ingate = sigmoid(hidden[k] * weight[b : 2 * b] + bias[b : 2 * b])
            outgate = sigmoid(x * weight[2 * b : 3 * b] + bias[2 * b : 3 * b])
            change = np.tanh(hidden[k] * weight[3 * b :] + bias[3 * b :])
            cell[k] = cell[k] * forget + ingate * change
            hidden[k] = outgate * np.tanh(cell[k])
            x = hidden[k]
        predicted = x * extra[1] + extra[2]
        normalized = predicted - np.log(np.sum(np.exp(predicted)) + 2.0)
        total += np.sum(sequence[t + 1] * normalized)
    return -total / ((len(sequence) - 1) * b)


def _prepare(given):
    return tuple(array(given[name]) for name in ("main_params", "extra_params", "state", "sequence"))


FUNCTIONS = {
    "objective": Timed(_prepare, ad.jit(loss), float),
    "jacobian": Timed(
        _prepare,
        ad.jit(ad.grad(loss, argnums=(0, 1))),
        lambda found: np.concatenate([np.ravel(g) for g in found]).tolist(),
    ),
}
