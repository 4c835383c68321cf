"""Random numbers that are functions of a key: the same in Python and in compiled functions, in any order.

A key is two numbers. What is drawn with a key is always the same, so a key is used once: `split` and
`fold_in` make new ones. There is no state that a program would have to carry or to restore, so minibatches,
Monte Carlo and noise compile, replay in a backward sweep, and do not depend on threads.

The generator is Philox 4x32-10 (`sciad/native/philox.py`).
"""

from __future__ import annotations

import math
import operator

from sciad.eager.traced import Primitive
from sciad.native.random_kernels import NORMAL, UNIFORM, WORDS, fill_random
from sciad.plain_numpy import np
from sciad.rule_table import constant

__all__ = ["choice", "fold_in", "key", "normal", "permutation", "randint", "split", "uniform"]

Shape = int | tuple[int, ...]


def key(seed: int) -> np.ndarray:
    """Return the key of a seed, an int.

    Examples
    --------
    >>> import sciad as ad
    >>> ad.random.normal(ad.random.key(1), 2)
    array([...])
    """
    return np.array([seed % 2**32, seed // 2**32 % 2**32], dtype=float)


def split(key: np.ndarray, count: int = 2) -> np.ndarray:
    """Return new keys, as the rows of an array, that have nothing to do with each other or with `key`.

    Examples
    --------
    >>> import sciad as ad
    >>> first, second = ad.random.split(ad.random.key(1))
    """
    return np.stack([fold_in(key, k) for k in range(count)])


def fold_in(key: np.ndarray, number: int) -> np.ndarray:
    """Return a new key for `key` and an int, such as the number of a step in a loop.

    Examples
    --------
    >>> import sciad as ad
    >>> keys = [ad.random.fold_in(ad.random.key(1), step) for step in range(3)]
    """
    return drawn(np.stack([key[0], key[1], number % 2**32, number // 2**32 % 2**32]) * 1.0, WORDS, 2)


def uniform(key: np.ndarray, shape: Shape = ()) -> np.ndarray:
    """Return numbers that are evenly distributed in [0, 1).

    Examples
    --------
    >>> import sciad as ad
    >>> ad.random.uniform(ad.random.key(1), (2, 3)).shape
    (2, 3)
    """
    shape = _shape(shape)
    numbers = drawn(np.stack([key[0], key[1], 0.0, 0.0]), UNIFORM, _size(shape))
    return np.reshape(numbers, shape)[()]


def normal(key: np.ndarray, shape: Shape = ()) -> np.ndarray:
    """Return standard normal numbers.

    Examples
    --------
    >>> import sciad as ad
    >>> ad.random.normal(ad.random.key(1), 3)
    array([...])
    """
    shape = _shape(shape)
    numbers = drawn(np.stack([key[0], key[1], 0.0, 0.0]), NORMAL, _size(shape))
    return np.reshape(numbers, shape)[()]


def randint(key: np.ndarray, low: int, high: int, shape: Shape = ()) -> np.ndarray:
    """Return ints from `low` on and below `high`.

    Examples
    --------
    >>> import sciad as ad
    >>> ad.random.randint(ad.random.key(1), 0, 10, 4).dtype
    dtype('int64')
    """
    return np.floor(uniform(key, shape) * (high - low)).astype(int) + low


def permutation(key: np.ndarray, x: int | np.ndarray) -> np.ndarray:
    """Return the ints below `x`, or the rows of an array, in random order.

    Examples
    --------
    >>> import sciad as ad
    >>> sorted(ad.random.permutation(ad.random.key(1), 4).tolist())
    [0, 1, 2, 3]
    """
    if np.ndim(x) == 0:
        return np.argsort(uniform(key, x), kind="stable")
    return x[np.argsort(uniform(key, len(x)), kind="stable")]


def choice(key: np.ndarray, x: int | np.ndarray, shape: Shape = (), replace: bool = True) -> np.ndarray:
    """Return random ints below `x`, or rows of an array; each at most once without `replace`.

    Examples
    --------
    >>> import sciad as ad
    >>> sorted(ad.random.choice(ad.random.key(1), 3, 3, replace=False).tolist())
    [0, 1, 2]
    """
    count = x if np.ndim(x) == 0 else len(x)
    shape = _shape(shape)
    if replace:
        places = randint(key, 0, count, shape)
    else:
        if _size(shape) > count:
            raise ValueError("choice: more are asked for than there are, without replacement")
        places = np.reshape(permutation(key, count)[: _size(shape)], shape)[()]
    return places if np.ndim(x) == 0 else x[places]


def _shape(shape: Shape) -> tuple[int, ...]:
    if isinstance(shape, tuple | list):
        return tuple(map(operator.index, shape))
    return (operator.index(shape),)


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


_shape.structural = _size.structural = True


@Primitive
def drawn(given, kind, count):
    """Numbers of a kind for a key and a counter, of two words each."""
    if np.shape(given) != (4,):
        raise ValueError("a key is what ad.random.key, split or fold_in return: two numbers")
    return fill_random(np.array([*given, kind, count], dtype=float), count)


constant(drawn)
