"""Matrix kernels that emitted code calls: each operand is a memory, an offset and a stride per dimension."""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types

from sciad.native import scipy_addresses as special
from sciad.native.intrinsics import intrinsic
from sciad.private_interfaces import cgutils

_OPTIONS = {
    "error_model": "numpy",
    "fastmath": {"contract", "nsz"},
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


@njit(**_OPTIONS)
def matmul(c, c0, cr, cc, a, a0, ar, ac, b, b0, br, bc, m, k, n, scale, add):
    """``c = scale*a@b``, or ``c += scale*a@b`` where `add`; shapes (m, n), (m, k), (k, n)."""
    for i in range(m):
        row = c0 + i * cr
        if not add:
            for j in range(n):
                c[row + j * cc] = 0.0
        if bc == 1 and cc == 1:
            for p in range(k):
                left, at = scale * a[a0 + i * ar + p * ac], b0 + p * br
                for j in range(n):
                    c[row + j] += left * b[at + j]
        else:
            for j in range(n):
                total = 0.0
                for p in range(k):
                    total += a[a0 + i * ar + p * ac] * b[b0 + p * br + j * bc]
                c[row + j * cc] += scale * total


def _gemm(c, c0, ldc, turn_a, a, a0, lda, turn_b, b, b0, ldb, m, n, k, scale, add):
    """BLAS's dgemm: ``c = scale*op(a)@op(b)``, or ``c += ...`` where `add`, of matrices by columns."""

    def columns(memory, at, rows, count, ld):
        return np.lib.stride_tricks.as_strided(memory[at:], (rows, count), (8, 8 * ld))

    left = columns(a, a0, k, m, lda).T if turn_a else columns(a, a0, m, k, lda)
    right = columns(b, b0, n, k, ldb).T if turn_b else columns(b, b0, k, n, ldb)
    out = columns(c, c0, m, n, ldc)
    out[...] = scale * (left @ right) + (out if add else 0.0)


@intrinsic(_gemm)
def gemm(typing_context, c, c0, ldc, turn_a, a, a0, lda, turn_b, b, b0, ldb, m, n, k, scale, add):
    integer, flag, number = types.int64, types.boolean, types.float64
    kinds = [c, integer, integer, flag, a, integer, integer, flag, b, integer, integer]
    kinds += [integer, integer, integer, number, flag]

    def generate(context, builder, signature, values):
        c, c0, ldc, turn_a, a, a0, lda, turn_b, b, b0, ldb, m, n, k, scale, add = values
        small, byte, double = ir.IntType(32), ir.IntType(8), ir.DoubleType()

        def place(value):
            return cgutils.alloca_once_value(builder, value)

        def size(value):
            return place(builder.trunc(value, small))

        def letter(turned):
            return place(builder.select(turned, ir.Constant(byte, ord("T")), ir.Constant(byte, ord("N"))))

        keep = builder.select(add, ir.Constant(double, 1.0), ir.Constant(double, 0.0))
        arguments = [letter(turn_a), letter(turn_b), size(m), size(n), size(k), place(scale)]
        arguments += [builder.gep(a, [a0]), size(lda), builder.gep(b, [b0]), size(ldb)]
        arguments += [place(keep), builder.gep(c, [c0]), size(ldc)]
        kind = ir.FunctionType(ir.VoidType(), [x.type for x in arguments])
        special.provide("dgemm")
        function = cgutils.get_or_insert_function(builder.module, kind, f"{special.PREFIX}dgemm")
        builder.call(function, arguments)
        return context.get_dummy_value()

    return types.none(*kinds), generate


@njit(**_OPTIONS)
def combine(c, c0, cr, cc, a, a0, ar, ac, m, n, keep, scale):
    """``c = keep*c + scale*a``; with keep 0 the old c is not read."""
    for i in range(m):
        for j in range(n):
            at, value = c0 + i * cr + j * cc, scale * a[a0 + i * ar + j * ac]
            c[at] = value if keep == 0.0 else keep * c[at] + value


@njit(**_OPTIONS)
def clear(c, c0, cr, cc, m, n):
    """``c = 0``."""
    for i in range(m):
        for j in range(n):
            c[c0 + i * cr + j * cc] = 0.0


@njit(**_OPTIONS)
def factor(lu, at, a, a0, ar, ac, n):
    """LU of a matrix by rows, partial pivoting; behind the n*n factors stand the n rows swapped with."""
    for i in range(n):
        for j in range(n):
            lu[at + i * n + j] = a[a0 + i * ar + j * ac]
    for k in range(n):
        pivot = k
        for i in range(k + 1, n):
            if abs(lu[at + i * n + k]) > abs(lu[at + pivot * n + k]):
                pivot = i
        lu[at + n * n + k] = float(pivot)
        if pivot != k:
            for j in range(n):
                x = lu[at + k * n + j]
                lu[at + k * n + j] = lu[at + pivot * n + j]
                lu[at + pivot * n + j] = x
        scale = 1.0 / lu[at + k * n + k]
        for i in range(k + 1, n):
            x = lu[at + i * n + k] * scale
            lu[at + i * n + k] = x
            for j in range(k + 1, n):
                lu[at + i * n + j] -= x * lu[at + k * n + j]


@njit(**_OPTIONS)
def substitute(x, x0, xr, xc, lu, at, b, b0, br, bc, n, m, transposed):
    """``x = A^-1 b``, or ``A^-T b``, for the m columns of b, from the factors of A."""
    for c in range(m):
        here = x0 + c * xc
        for i in range(n):
            x[here + i * xr] = b[b0 + i * br + c * bc]
        if not transposed:
            for i in range(n):
                p = int(lu[at + n * n + i])
                y = x[here + i * xr]
                x[here + i * xr] = x[here + p * xr]
                x[here + p * xr] = y
            for i in range(n):
                total = x[here + i * xr]
                for j in range(i):
                    total -= lu[at + i * n + j] * x[here + j * xr]
                x[here + i * xr] = total
            for q in range(n):
                i = n - 1 - q
                total = x[here + i * xr]
                for j in range(i + 1, n):
                    total -= lu[at + i * n + j] * x[here + j * xr]
                x[here + i * xr] = total / lu[at + i * n + i]
        else:
            for i in range(n):
                total = x[here + i * xr]
                for j in range(i):
                    total -= lu[at + j * n + i] * x[here + j * xr]
                x[here + i * xr] = total / lu[at + i * n + i]
            for q in range(n):
                i = n - 1 - q
                total = x[here + i * xr]
                for j in range(i + 1, n):
                    total -= lu[at + j * n + i] * x[here + j * xr]
                x[here + i * xr] = total
            for q in range(n):
                i = n - 1 - q
                p = int(lu[at + n * n + i])
                y = x[here + i * xr]
                x[here + i * xr] = x[here + p * xr]
                x[here + p * xr] = y
