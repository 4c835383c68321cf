"""Rules of NumPy's products: each linear in every factor."""

import operator
from math import prod

from sciad.eager.traced import Primitive, number, operand
from sciad.plain_numpy import np
from sciad.rule_table import TABLE, Record, Repeat, Transpose, composite, linear
from sciad.rules.array_functions import diagonal_, transpose_


def _mT(x):
    return np.swapaxes(x, -1, -2)


def _matmul_a(g, a, b):
    na, nb = np.ndim(a), np.ndim(b)
    if nb == 1:
        return g[..., None] * b if na > 1 else g * b
    if na == 1:
        return (
            np.sum(np.matmul(b, g[..., None])[..., 0], axis=tuple(range(nb - 2)))
            if nb > 2
            else np.matmul(b, g)
        )
    return np.matmul(g, _mT(b))


def _matmul_b(g, a, b):
    na, nb = np.ndim(a), np.ndim(b)
    if na == 1:
        return a[:, None] * g[..., None, :] if nb > 1 else g * a
    if nb == 1:
        return np.tensordot(g, a, (range(na - 1), range(na - 1)))
    return np.matmul(_mT(a), g)


linear(np.matmul, _matmul_a, _matmul_b, also=[operator.matmul])


def _with_zeros(subscripts, x, y):
    """``np.einsum(subscripts, x, y)`` in which 0 times infinity or NaN is 0."""
    if x.dtype.kind == "c" or y.dtype.kind == "c":
        return np.einsum(subscripts, x, y)

    def any_of(*pairs):
        return sum(np.einsum(subscripts, p.astype(float), q.astype(float)) for p, q in pairs) > 0

    finite = [np.where(np.isfinite(z), z, 0.0) for z in (x, y)]
    up, down = [(z > 0) & np.isinf(z) for z in (x, y)], [(z < 0) & np.isinf(z) for z in (x, y)]
    rises = any_of((up[0], y > 0), (x > 0, up[1]), (down[0], y < 0), (x < 0, down[1]))
    falls = any_of((up[0], y < 0), (x < 0, up[1]), (down[0], y > 0), (x > 0, down[1]))
    unknown = any_of((np.isnan(x), y != 0), (x != 0, np.isnan(y))) | (rises & falls)
    infinite = np.where(unknown, np.nan, np.where(rises, np.inf, np.where(falls, -np.inf, 0.0)))
    return np.einsum(subscripts, *finite) + infinite


def _careful_matmul(which):
    """Product and transposes of matmul as sums that heed zeros."""

    def run(*args):
        terms = {
            "a": "j" if np.ndim(args[-2]) == 1 else "...ij",
            "b": "j" if np.ndim(args[-1]) == 1 else "...jk",
        }
        terms["y"] = "..." + "i" * (np.ndim(args[-2]) > 1) + "k" * (np.ndim(args[-1]) > 1)
        left, right, result = which
        values = dict(zip("yab" if len(args) == 3 else "ab", args, strict=True))
        to = terms[result] if "..." in terms[result] else "..." + terms[result]
        return _with_zeros(f"{terms[left]},{terms[right]}->{to}", values[left], values[right])

    return run


TABLE[np.matmul].careful = Record(
    _careful_matmul("aby"), "linear", rules=[Transpose(_careful_matmul(w)) for w in ("yba", "yab")],
    name="np.matmul",
)  # fmt: skip


def _tensordot(a, b, axes=2):
    a, b = operand(a), operand(b)
    na, nb = np.ndim(a), np.ndim(b)
    if np.ndim(axes) == 0:
        axes_a, axes_b = list(range(na - axes, na)), list(range(axes))
    else:
        axes_a, axes_b = (list(np.atleast_1d(x)) for x in axes)
    axes_a, axes_b = [k % na for k in axes_a], [k % nb for k in axes_b]
    free_a = [k for k in range(na) if k not in axes_a]
    free_b = [k for k in range(nb) if k not in axes_b]
    inner = prod(a.shape[k] for k in axes_a)
    left = np.reshape(
        np.transpose(a, free_a + axes_a), (-1, inner) if inner else (prod(a.shape[k] for k in free_a), 0)
    )
    right = np.reshape(
        np.transpose(b, axes_b + free_b), (inner, -1) if inner else (0, prod(b.shape[k] for k in free_b))
    )
    return np.reshape(np.matmul(left, right), [a.shape[k] for k in free_a] + [b.shape[k] for k in free_b])


def _dot(a, b):
    a, b = operand(a), operand(b)
    na, nb = np.ndim(a), np.ndim(b)
    if na == 0 or nb == 0:
        return a * b
    return np.matmul(a, b) if na <= 2 and nb <= 2 else _tensordot(a, b, (na - 1, max(nb - 2, 0)))


def _inner(a, b):
    a, b = operand(a), operand(b)
    return a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else number(_tensordot(a, b, (-1, -1)))


def _outer(a, b):
    a, b = operand(a), operand(b)
    a = a if np.ndim(a) == 1 else np.ravel(a)
    return a[:, None] * (b if np.ndim(b) == 1 else np.ravel(b))


def _kron(a, b):
    a, b = operand(a), operand(b)
    n = max(np.ndim(a), np.ndim(b))
    a = np.reshape(a, (1,) * (n - np.ndim(a)) + np.shape(a))
    b = np.reshape(b, (1,) * (n - np.ndim(b)) + np.shape(b))
    left = a[tuple(x for _ in range(n) for x in (slice(None), None))]
    right = b[tuple(x for _ in range(n) for x in (None, slice(None)))]
    return np.reshape(left * right, [p * q for p, q in zip(a.shape, b.shape, strict=True)])


composite(np.dot, _dot)
composite(np.vdot, lambda a, b: _dot(np.conjugate(np.ravel(operand(a))), np.ravel(operand(b))))
composite(np.inner, _inner)
composite(np.outer, _outer)
composite(np.tensordot, _tensordot)
composite(np.kron, _kron)
composite(np.vecdot, lambda a, b, axis=-1: np.sum(np.conjugate(a) * b, axis=axis))
composite(np.matvec, lambda a, b: np.matmul(a, operand(b)[..., None])[..., 0])
composite(np.vecmat, lambda a, b: np.matmul(np.conjugate(operand(a))[..., None, :], b)[..., 0, :])
composite(
    np.cross, lambda a, b, axisa=-1, axisb=-1, axisc=-1, axis=None: _cross(a, b, axisa, axisb, axisc, axis)
)


def _cross(a, b, axisa, axisb, axisc, axis):
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(operand(a), axisa, 0), np.moveaxis(operand(b), axisb, 0)
    if len(a) == 2 and len(b) == 2:
        return a[0] * b[1] - a[1] * b[0]
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return np.moveaxis(np.stack(parts), 0, axisc)


def _einsum(*operands, optimize=False):
    """Write the call in explicit letters, each at most once in an operand, and hand it to the primitive."""
    if not isinstance(operands[0], str):
        pairs = [(operands[i], operands[i + 1]) for i in range(0, len(operands) - 1, 2)]

        def letter(k):
            return "..." if k is Ellipsis else _LETTERS[k]

        text = ",".join("".join(map(letter, axes)) for _, axes in pairs)
        if len(operands) % 2:
            text += "->" + "".join(map(letter, operands[-1]))
        operands = (text, *(x for x, _ in pairs))
    text, arrays = operands[0].replace(" ", ""), [operand(x) for x in operands[1:]]
    inputs, arrow, output = text.partition("->")
    inputs = inputs.split(",")
    if "..." in text:
        free = [c for c in _LETTERS if c not in text]
        ranks = [np.ndim(x) - len(term) + 3 if "..." in term else 0
                 for x, term in zip(arrays, inputs, strict=True)]  # fmt: skip
        rank = max(ranks)
        for i, (n, term) in enumerate(zip(ranks, inputs, strict=True)):
            inputs[i] = term.replace("...", "".join(free[rank - n : rank]))
        dots = "".join(free[:rank])
        output = output.replace("...", dots) if arrow else dots
    if not arrow:
        joined = "".join(inputs)
        output += "".join(sorted(c for c in joined if joined.count(c) == 1 and c not in output))
    view = len(arrays) == 1 and np.ndim(arrays[0]) and set(output) == set(inputs[0])
    for i, term in enumerate(inputs):
        for c in dict.fromkeys(term):
            while term.count(c) > 1:  # a diagonal
                j = term.index(c)
                k = term.index(c, j + 1)
                arrays[i] = diagonal_(arrays[i], 0, j, k, writeable=True)
                term = term[:j] + term[j + 1 : k] + term[k + 1 :] + c
        inputs[i] = term
    if view:
        return transpose_(arrays[0], tuple(map(inputs[0].index, output)))
    return einsum_(",".join(inputs) + "->" + output, *arrays)


@Primitive
def einsum_(subscripts, *arrays):
    return np.einsum(subscripts, *arrays, optimize=len(arrays) > 2)


def _einsum_transpose(g, k, subscripts, *arrays, einsum=einsum_):
    """Transpose in one factor: the same sum with `g` in its place; letters it alone has are spread again."""
    inputs, output = subscripts.split("->")
    inputs = inputs.split(",")
    wanted = inputs.pop(k - 1)
    others = [x for i, x in enumerate(arrays) if i != k - 1]
    known = set(output).union(*inputs)
    kept = "".join(c for c in wanted if c in known)
    out = einsum(",".join([output, *inputs]) + "->" + kept, g, *others)
    index = tuple(slice(None) if c in known else None for c in wanted)
    return np.broadcast_to(out[index], np.shape(arrays[k - 1])) if kept != wanted else out


_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
linear(einsum_, None, Repeat(_einsum_transpose))


def _careful_einsum(subscripts, *arrays):
    return _with_zeros(subscripts, *arrays) if len(arrays) == 2 else einsum_(subscripts, *arrays)


TABLE[einsum_].careful = Record(
    _careful_einsum,
    "linear",
    rules=[None, Repeat(lambda *args: _einsum_transpose(*args, einsum=_careful_einsum))],
    name="np.einsum",
)
composite(np.einsum, _einsum)
