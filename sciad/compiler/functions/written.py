"""Functions of the values of arrays that NumPy and LAPACK have in machine code, written in the language that
the compiler reads: loops over elements.  They are traced where they are called, as functions of the user's,
and their derivatives follow from what they do.

Where an order or a place is all that depends on the values (`argsort`), it is an array of integers and has no
derivative.
"""

from __future__ import annotations

import numpy as np

from sciad.eager.indexing import stop_gradient
from sciad.transforms.jacobians import jacobian


def convolve(a, v):
    """The full convolution of two vectors."""
    out = np.zeros(len(a) + len(v) - 1)
    for k in range(len(v)):
        out[k : k + len(a)] += v[k] * a
    return out


def argsort_rows(x):
    """The stable order of every row of a matrix, NaN last: by merging."""
    rows, n = x.shape
    order, other = np.zeros((rows, n), int), np.zeros((rows, n), int)
    for r in range(rows):
        for i in range(n):
            order[r, i] = i
        width = 1
        while width < n:
            start = 0
            while start < n:
                middle, end = min(start + width, n), min(start + 2 * width, n)
                i, j = start, middle
                for k in range(start, end):
                    left = j >= end
                    if i < middle and j < end:
                        a, b = x[r, order[r, i]], x[r, order[r, j]]
                        left = a <= b or b != b
                    if left:
                        other[r, k] = order[r, i]
                        i += 1
                    else:
                        other[r, k] = order[r, j]
                        j += 1
                start = end
            for k in range(n):
                order[r, k] = other[r, k]
            width *= 2
    return order


def searchsorted(a, v, side, sorter=None):
    """Where the numbers `v` belong in a sorted vector."""
    places = np.zeros(len(v), int)
    for k in range(len(v)):
        low, high = 0, len(a)
        while low < high:
            middle = (low + high) // 2
            if a[middle] <= v[k] if side == "right" else a[middle] < v[k]:
                low = middle + 1
            else:
                high = middle
        places[k] = low
    return places


def running(pick, x):
    """Extremes of what stands before every element of a row, itself included."""
    rows, n = x.shape
    out = np.copy(x)
    for r in range(rows):
        for k in range(1, n):
            out[r, k] = pick(out[r, k - 1], x[r, k])
    return out


def each(fn, *stacks):
    """A function of matrices for every one of a stack."""
    first = fn(*[x[0] for x in stacks])
    out = np.zeros((len(stacks[0]), *np.shape(first)))
    out[0] = first
    for k in range(1, len(stacks[0])):
        out[k] = fn(*[x[k] for x in stacks])
    return out


def each_pair(fn, stack):
    """A function of matrices that returns two arrays, for every one of a stack."""
    first, second = fn(stack[0])
    one, two = np.zeros((len(stack), *np.shape(first))), np.zeros((len(stack), *np.shape(second)))
    one[0], two[0] = first, second
    for k in range(1, len(stack)):
        one[k], two[k] = fn(stack[k])
    return one, two


def each_element(fn, *vectors):
    """A function of numbers for the elements of vectors."""
    out = np.zeros(len(vectors[0]))
    for k in range(len(out)):
        out[k] = fn(*[x[k] for x in vectors])
    return out


def least_squares(a, b):
    """The solution of linear equations with least squares, and the sums of these."""
    q, r = np.linalg.qr(a)
    n = r.shape[0]
    largest = np.max(np.abs(np.diag(r)))
    for j in range(n):
        assert abs(r[j, j]) > 2.3e-16 * a.shape[0] * largest, "np.linalg.lstsq of a matrix of lower rank"
    x = np.zeros((n, b.shape[1]))
    right = q.T @ b
    for c in range(b.shape[1]):
        for back in range(n):
            j = n - 1 - back
            total = right[j, c]
            for k in range(j + 1, n):
                total -= r[j, k] * x[k, c]
            x[j, c] = total / r[j, j]
    return x, np.sum((b - a @ x) ** 2, axis=0)


def inv(a):
    return np.linalg.inv(a)


def solve(a, b):
    return np.linalg.solve(a, b)


def cholesky(a):
    """The lower triangular factor of a symmetric positive definite matrix."""
    n = a.shape[0]
    y = np.zeros((n, n))
    for j in range(n):
        pivot = a[j, j]
        for k in range(j):
            pivot -= y[j, k] * y[j, k]
        if not pivot > 0:
            raise np.linalg.LinAlgError("Matrix is not positive definite")
        y[j, j] = np.sqrt(pivot)
        for i in range(j + 1, n):
            total = a[i, j]
            for k in range(j):
                total -= y[i, k] * y[j, k]
            y[i, j] = total / y[j, j]
    return y


def solve_lower(a, b):
    """``x`` with ``a @ x == b`` for a matrix of which the lower triangle counts."""
    n, columns = b.shape
    x = np.zeros((n, columns))
    for i in range(n):
        for c in range(columns):
            total = b[i, c]
            for j in range(i):
                total -= a[i, j] * x[j, c]
            x[i, c] = total / a[i, i]
    return x


def solve_upper(a, b):
    """The same for the upper triangle: from the other end."""
    return solve_lower(a[::-1, ::-1], b[::-1])[::-1]


def qr(a):
    """The reduced factors of a matrix with at least as many rows as columns, by reflections."""
    m, n = a.shape
    r = np.copy(a)
    vectors = np.zeros((n, m))
    for j in range(min(n, m - 1)):  # as LAPACK: the last row of a square matrix is not reflected
        size = np.sqrt(np.sum(r[j:, j] * r[j:, j]))
        top = -size if r[j, j] >= 0 else size
        vectors[j, j:] = r[j:, j]
        vectors[j, j] -= top
        square = np.sum(vectors[j] * vectors[j])
        for c in range(j, n):
            factor = 2.0 * np.sum(vectors[j] * r[:, c]) / square if square > 0 else 0.0
            r[:, c] -= factor * vectors[j]
    q = np.zeros((m, n))
    for c in range(n):
        q[c, c] = 1.0
        for k in range(min(n, m - 1)):
            j = min(n, m - 1) - 1 - k
            square = np.sum(vectors[j] * vectors[j])
            factor = 2.0 * np.sum(vectors[j] * q[:, c]) / square if square > 0 else 0.0
            q[:, c] -= factor * vectors[j]
    return q, np.triu(r[:n])


def slogdet(a):
    """Sign and logarithm of the size of a determinant, by elimination with pivots."""
    n = a.shape[0]
    u = np.copy(a)
    sign, logarithm = 1.0, 0.0
    for j in range(n):
        best = j
        for i in range(j + 1, n):
            if abs(u[i, j]) > abs(u[best, j]):
                best = i
        if best != j:
            sign = -sign
            for c in range(n):
                u[j, c], u[best, c] = u[best, c], u[j, c]
        pivot = u[j, j]
        sign = sign * np.sign(pivot)
        logarithm += np.log(abs(pivot))
        if pivot != 0:
            for i in range(j + 1, n):
                factor = u[i, j] / pivot
                for c in range(j + 1, n):
                    u[i, c] -= factor * u[j, c]
    return sign, logarithm


def det(a):
    """A determinant, by elimination with pivots."""
    n = a.shape[0]
    u = np.copy(a)
    result = 1.0
    for j in range(n):
        best = j
        for i in range(j + 1, n):
            if abs(u[i, j]) > abs(u[best, j]):
                best = i
        if best != j:
            result = -result
            for c in range(n):
                u[j, c], u[best, c] = u[best, c], u[j, c]
        result *= u[j, j]
        if u[j, j] != 0:
            for i in range(j + 1, n):
                factor = u[i, j] / u[j, j]
                for c in range(j + 1, n):
                    u[i, c] -= factor * u[j, c]
    return result


def take_along_axis(x, places, axis):
    """What stands at given places of every row."""
    x, places = np.moveaxis(x, axis, -1), np.moveaxis(places, axis, -1)
    lead = np.broadcast_shapes(x.shape[:-1], places.shape[:-1])
    rows = np.reshape(np.broadcast_to(x, (*lead, x.shape[-1])), (-1, x.shape[-1]))
    columns = np.reshape(np.broadcast_to(places, (*lead, places.shape[-1])), (-1, places.shape[-1]))
    out = np.reshape(rows[np.arange(rows.shape[0])[:, None], columns], (*lead, places.shape[-1]))
    return np.moveaxis(out, -1, axis)


# ---------------------------------------------------------------------- equations


def newton(g, x, rtol, atol, most):
    """A zero of `g`, by Newton's method with halved steps while the residual does not fall, as `ad.root`;
    and whether it was found.
    """
    done, k = False, 0
    while not done and k < most:
        y = g(x)
        size = np.max(np.abs(y))
        step = np.linalg.solve(jacobian(g)(x), y)
        new = x - step
        halvings = 0
        while not np.max(np.abs(g(new))) <= max(size, atol) and halvings < 30:
            step = 0.5 * step
            new = x - step
            halvings += 1
        x = new
        done = np.all(np.abs(step) <= atol + rtol * np.abs(x)) and np.all(np.isfinite(x))
        k += 1
    return x, done


def iterated(g, x, rtol, atol, most):
    """The point that `g` does not move, as `ad.fixed_point`; and whether it was found."""
    done, k = False, 0
    while not done and k < most:
        new = g(x)
        done = np.all(np.abs(new - x) <= atol + rtol * np.abs(new)) and np.all(np.isfinite(new))
        x = new
        k += 1
    return x, done


def with_derivatives(gap, x):
    """A zero of `gap` that has its derivatives, up to the fourth: from the zero, which is a constant, each
    step of Newton's method with a constant Jacobian gives the derivatives of one more order.
    """
    inverse = np.linalg.inv(stop_gradient(jacobian(gap)(x)))
    y = x - inverse @ gap(x)
    y = y - inverse @ gap(y)
    y = y - inverse @ gap(y)
    y = y - inverse @ gap(y)
    return x + (y - stop_gradient(y))  # the number that was found


def moved(g, x):
    """How far `g` moves a point."""
    return g(x) - x
