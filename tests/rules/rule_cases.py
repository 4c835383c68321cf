# ruff: noqa: E501, RUF015  tables read best one call to a line
"""One or more calls of every differentiable function of the rule table, at points where it is smooth."""

from __future__ import annotations

import itertools
import linecache

import numpy as np
import scipy.linalg as sl
import scipy.special as sp
import scipy.stats as st

from sciad.eager import indexing, traced, views, zeros
from sciad.rules import array_functions as rules_array
from sciad.rules import grids as rules_grid
from sciad.rules import numpy_linalg as rules_linalg
from sciad.rules import products as rules_product
from sciad.rules import samples as rules_samples
from sciad.rules import scipy_linalg as rules_scipy_linalg
from sciad.transforms import vmap as batch

_rng = np.random.default_rng(7)


class Static:
    """An argument that is not differentiated."""

    def __init__(self, value):
        self.value = value


def S(value):
    return Static(value)


def real(*shape):
    """Distinct numbers away from zero, of both signs."""
    n = int(np.prod(shape, dtype=int))
    values = (0.3 + 1.1 * _rng.permutation(n) / max(n, 1) + 0.05 * _rng.random(n)) * _rng.choice([-1, 1], n)
    return values.reshape(shape) if shape else np.float64(values[0])


def unit(*shape):
    """Distinct numbers between 0.15 and 0.85."""
    n = int(np.prod(shape, dtype=int))
    values = 0.15 + 0.7 * (_rng.permutation(n) + _rng.random(n) * 0.5) / max(n, 1)
    return values.reshape(shape) if shape else np.float64(values[0])


def above(*shape):
    return 1.2 + unit(*shape)


def spd(n, *batch):
    a = real(*batch, n, n)
    return a @ np.swapaxes(a, -1, -2) + np.diag(np.arange(1.0, n + 1))


def cplx(*shape):
    return real(*shape) + 1j * real(*shape)


def broadcasts(a, b):
    """A binary elementwise function at every kind of broadcasting."""
    return [(a(3), b(3)), (a(2, 3), b(3)), (a(2, 1), b(1, 3)), (a(), b(2)), (a(2), b()), (a(), b())]


UNARY = [real(3), real(), real(2, 2)]
BINARY = broadcasts(real, real)

# functions whose domain is not the whole line, by where to evaluate them
_UNIT = [(unit(3),), (unit(),)]
_ABOVE = [(above(3),), (above(),)]
_DOMAIN = {
    **dict.fromkeys(
        [np.log, np.log2, np.log10, np.log1p, np.sqrt, np.arcsin, np.arccos, np.arctanh, sp.gammaln, sp.gamma, sp.digamma,
         sp.rgamma, sp.erfinv, sp.erfcinv, sp.ndtri, sp.logit, sp.entr, sp.exp1, sp.spence, sp.y0, sp.y1, sp.k0, sp.k1,
         sp.k0e, sp.k1e, sp.expi, sp.ellipe, sp.ellipk, sp.ellipkm1, sp.loggamma, sp.ker, sp.kei, sp.kerp, sp.keip, sp.zetac,
         sp.kolmogorov, sp.kolmogi, sp.itstruve0, sp.itmodstruve0, sp.it2struve0],
        _UNIT,
    ),
    sp.ndtri_exp: [(-above(3),), (-above(),)],
    np.arccosh: _ABOVE,
    np.power: [*broadcasts(unit, real), (real(3), S(2)), (real(3), S(3.0)), (S(2.0), real(3)), (real(3), S(0)),
               (np.array([0.0, 1.5]), S(2)), (np.array([0.0, 1.5]), S(1))],
    np.ldexp: [(real(3), S(np.array([1, 2, -1])))],
    np.remainder: [(3.3 + real(3), 1.0 + 0.1 * unit(3)), (np.float64(3.3), 1.0 + 0.1 * unit(3))],
    np.fmod: [(3.3 + unit(3), 1.0 + 0.1 * unit(3)), (-3.3 - unit(2, 3), 1.0 + 0.1 * unit(3))],
    np.sign: [],
    sp.beta: broadcasts(above, above), sp.betaln: broadcasts(above, above), sp.poch: broadcasts(above, above),
    sp.binom: [(above(3) + 2.0, above(3)), (above() + 2.0, above(3))],
    sp._ufuncs._zeta: [(S(3.0), above(3)), (S(2.0), above())],
    sp.betainc: [(S(1.3), S(2.2), unit(3))],
    sp.betaincc: [(S(1.3), S(2.2), unit(3))],
    sp.stdtr: [(S(3.3), real(3))],
    sp.gammainc: [(S(1.7), above(3))], sp.gammaincc: [(S(1.7), above(3))],
    sp.xlogy: broadcasts(real, unit), sp.xlog1py: broadcasts(real, unit),
    sp.rel_entr: broadcasts(unit, above), sp.kl_div: broadcasts(unit, above),
    sp.boxcox: [(above(3), unit(3)), (above(3), S(0.0)), (above(2, 3), unit())],
    sp.expn: [(S(3), above(3))],
    sp.hyp0f1: [(S(1.5), real(3)), (S(2.0), real())],
    sp.hyp1f1: [(S(0.5), S(1.5), real(3))], sp.hyp2f1: [(S(0.5), S(1.5), S(2.0), unit(3))],
    sp.struve: [(S(0.0), above(3)), (S(1.5), above())], sp.modstruve: [(S(0.0), above(3)), (S(1.5), above())],
    **{f: [(S(2), above(3)), (S(1), above())] for f in (sp.jv, sp.yv, sp.yn, sp.iv, sp.ive, sp.kv, sp.kn, sp.kve)},
    np.arctan2: [*BINARY, (real(3), S(1.0))],
    np.hypot: BINARY,
    zeros.product: BINARY,
}  # fmt: skip

_MEMORY = np.zeros(6)
A33, B33, v3 = spd(3), real(3, 3), real(3)

_ARRAY = {
    # products
    np.matmul: [(real(2, 3), real(3, 2)), (real(3), real(3)), (real(2, 3), real(3)), (real(3), real(3, 2)),
                (real(2, 2, 3), real(3, 2)), (real(2, 2, 3), real(2, 3, 2)), (real(3), real(2, 3, 2)), (real(2, 2, 3), real(3)),
                (cplx(2, 2), cplx(2, 2))],
    np.dot: [(real(3), real(3)), (real(2, 3), real(3)), (real(2, 3), real(3, 2)), (real(), real(3)), (real(2, 2, 3), real(2, 3, 2)),
             (real(3), real(2, 3, 2))],
    np.vdot: [(real(2, 2), real(2, 2)), (cplx(3), cplx(3))],
    np.inner: [(real(3), real(3)), (real(2, 3), real(4, 3)), (real(), real(2))],
    np.outer: [(real(3), real(2)), (real(2, 2), real(2))],
    np.tensordot: [(real(2, 3), real(3, 2), S(1)), (real(2, 3), real(2, 3)), (real(2, 3, 2), real(3, 2, 2), S(([1, 0], [0, 1]))),
                   (real(2), real(3), S(0))],
    np.kron: [(real(2, 2), real(2, 3)), (real(2), real(3)), (real(2), real(2, 2))],
    np.vecdot: [(real(2, 3), real(3)), (cplx(3), cplx(3))],
    np.matvec: [(real(2, 3), real(3))],
    np.vecmat: [(real(2), real(2, 3))],
    np.cross: [(real(3), real(3)), (real(2, 3), real(3)), (real(3, 2), real(3, 2), {"axis": 0})],
    np.einsum: [(S("ij,jk"), real(2, 3), real(3, 2)), (S("ij,jk->"), real(2, 3), real(3, 2)), (S("ii->i"), real(3, 3)),
                (S("ii"), real(3, 3)), (S("...ij,...j->...i"), real(2, 2, 3), real(2, 3)), (S("i,j,k->kj"), real(2), real(3), real(2)),
                (S("ij->j"), real(2, 3)), (S("iij->j"), real(2, 2, 3)), (real(2, 3), S([0, 1]), real(3), S([1]), S([0]))],
    rules_product.einsum_: [(S("ij,j->i"), real(2, 3), real(3))],
    # reductions
    np.sum: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": (0, -1), "keepdims": True}), (real(2, 3), S(1)),
             (real(2, 3), {"axis": 1, "keepdims": True}), (real(3), {"initial": 2.0}), (real(3), {"where": [True, False, True]}),
             (real(),)],
    (np.add, "reduce"): [(real(2, 3),), (real(2, 3), {"axis": 1})],
    np.mean: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": 1, "keepdims": True}),
              (real(2, 3), {"axis": 1, "where": [[True, False, True], [True, True, True]]})],
    np.var: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": 1, "ddof": 1, "keepdims": True}), (cplx(3),)],
    np.std: [(real(2, 3),), (real(2, 3), {"axis": 1, "ddof": 1})],
    np.average: [(real(2, 3),), (real(2, 3), {"axis": 1, "weights": np.array([1.0, 2.0, 0.5])})],
    np.prod: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(3, 2), {"axis": 0, "keepdims": True}), (np.array([0.0, 1.5, 2.0]),),
              (np.array([0.0, 1.5, 0.0]),)],
    (np.multiply, "reduce"): [(real(3, 2),)],
    np.max: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": 1, "keepdims": True}), (real(3), {"initial": -9.0})],
    np.min: [(real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": (0, 1), "keepdims": True})],
    (np.maximum, "reduce"): [(real(3, 2),)], (np.minimum, "reduce"): [(real(3, 2),)],
    (np.maximum, "accumulate"): [(real(5),), (real(2, 4), {"axis": 1})], (np.minimum, "accumulate"): [(real(5),)],
    (np.logaddexp, "reduce"): [(real(4),), (real(2, 3), {"axis": 1})], (np.logaddexp2, "reduce"): [(real(4),)],
    np.ptp: [(real(4),), (real(2, 3), {"axis": 1})],
    np.cumsum: [(real(4),), (real(2, 3),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": -1})],
    (np.add, "accumulate"): [(real(2, 3),)],
    **{(u, m): [(above(4),), (above(2, 3), {"axis": 1}), *([(above(3), {"keepdims": True, "initial": 1.5})] if m == "reduce" else [])]
       for u in (np.subtract, np.divide, np.hypot) for m in ("reduce", "accumulate")},
    **{(u, m): [(real(4),), (real(2, 3), {"axis": 1})] for u in (np.fmax, np.fmin) for m in ("reduce", "accumulate")},
    (np.logaddexp, "accumulate"): [(real(4),)], (np.logaddexp2, "accumulate"): [(real(2, 3), {"axis": -1})],
    np.cumulative_sum: [(real(4),), (real(2, 3), {"axis": 1, "include_initial": True})],
    np.cumulative_prod: [(real(4), {"include_initial": True}), (real(2, 3), {"axis": 0})],
    np.i0: [(real(3),)], sp._ufuncs._lambertw: [(above(3), S(0), S(1e-12)), (-0.3 * unit(3), S(-1), S(1e-12))],
    np.lib.stride_tricks.sliding_window_view: [(real(5), S(3)), (real(3, 4), S(2), {"axis": 1}), (real(3, 4), S((2, 2)))],
    rules_samples.windows_: [(real(5), S((3,)), S((0,)))],
    **{(u, "reduceat"): [(real(5), S([0, 3, 1, 2])), (real(2, 4), S([0, 2]), {"axis": 1})] for u in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp)},
    np.unique: [(real(4),)],
    np.histogram: [(unit(5), S(3)), (unit(5), S(np.array([0.0, 0.4, 1.0])), {"density": True})],
    np.polyfit: [(real(5), real(5), S(2)), (real(4), real(4, 2), S(1))],
    np.roots: [(np.array([1.0, -3.0, -6.0, 8.0]),), (np.array([1.3, 0.4, 0.7]),)],
    np.trim_zeros: [(real(3),)],
    np.insert: [(real(4), S(1), real()), (real(2, 3), S([0, 2, 2]), real(2, 3), {"axis": 1}), (real(2, 3), S(1), real(3), {"axis": 0}), (real(2, 2), S([-1, 0]), real())],
    np.cumprod: [(real(5),), (real(2, 3), {"axis": 1}), (np.array([1.5, 0.0, 2.0]),)],
    (np.multiply, "accumulate"): [(real(5),)],
    **{f: [(real(3),), (real(2, 3), {"axis": 1})] for f in (
        np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd, np.nancumsum, np.nancumprod)},
    # shapes
    np.reshape: [(real(2, 3), S((3, 2))), (real(2, 3), S(-1)), (real(2, 3), S((3, -1)), {"order": "F"})],
    np.ravel: [(real(2, 3),), (real(2, 3), S("F"))],
    np.transpose: [(real(2, 3),), (real(2, 3, 4), S((2, 0, 1)))],
    np.matrix_transpose: [(real(2, 3),)],
    np.moveaxis: [(real(2, 3, 4), S(0), S(-1)), (real(2, 3, 4), S((0, 1)), S((2, 0)))],
    np.swapaxes: [(real(2, 3, 4), S(0), S(-1))],
    np.rollaxis: [(real(2, 3, 4), S(2)), (real(2, 3, 4), S(0), S(2))],
    np.squeeze: [(real(2, 1, 3, 1),), (real(2, 1, 3, 1), {"axis": 1})],
    np.expand_dims: [(real(2, 3), S(0)), (real(2, 3), S((0, -1)))],
    np.broadcast_to: [(real(3), S((2, 3))), (real(), S((2,))), (real(2, 1), S((2, 3)))],
    np.broadcast_arrays: [(real(3), real(2, 1))],
    np.atleast_1d: [(real(),), (real(2),)], np.atleast_2d: [(real(2),)], np.atleast_3d: [(real(2),), (real(2, 3),)],
    np.roll: [(real(4), S(1)), (real(2, 3), S(1), {"axis": 1}), (real(2, 3), S((1, 2)), {"axis": (0, 1)})],
    np.flip: [(real(2, 3),), (real(2, 3), S(1))], np.flipud: [(real(2, 3),)], np.fliplr: [(real(2, 3),)],
    np.rot90: [(real(2, 3),), (real(2, 3), S(2)), (real(2, 3), S(3))],
    np.tile: [(real(3), S(2)), (real(2, 2), S((2, 1)))],
    np.repeat: [(real(3), S(2)), (real(2, 2), S([1, 2]), {"axis": 1})],
    np.resize: [(real(3), S((2, 2)))], np.delete: [(real(4), S(1)), (real(2, 3), S([0]), {"axis": 1})],
    np.pad: [(real(2, 3), S(1)), (real(2, 3), S(((0, 1), (2, 0))), {"mode": "edge"}), (real(4), S(2), {"mode": "reflect"}),
             (real(4), S(2), {"mode": "wrap"}), (real(4), S(2), {"mode": "symmetric"}), (real(3), S(1), {"constant_values": 4.0})],
    np.diag: [(real(3),), (real(3, 3),), (real(2), S(1)), (real(2), S(-1)), (real(2, 3), S(1))],
    np.bincount: [(S(np.array([0, 2, 2])), real(3)), (S(np.array([1, 0])), real(2), S(4))], np.nextafter: [(real(3), S(9.0))],
    rules_array.diagonal_: [(real(3, 4), S(1), S(0), S(1))], rules_array.ravel_: [(real(2, 3), S("F")), (real(2, 3),)],
    np.diagflat: [(real(2, 2),)], np.diagonal: [(real(3, 3),), (real(2, 3, 3), S(1), S(1), S(2))],
    np.trace: [(real(3, 3),), (real(3, 3), S(1))], np.tril: [(real(3, 3),), (real(3, 3), S(-1))], np.triu: [(real(3, 3), S(1))],
    # joining and splitting
    np.concatenate: [([real(2, 3), real(1, 3)],), ([real(2, 1), real(2, 3)], S(1)), ([real(2, 2), real(3)], S(None))],
    np.stack: [([real(3), real(3)],), ([real(3), real(3)], S(-1))], np.vstack: [([real(3), real(2, 3)],)],
    np.hstack: [([real(3), real(2)],), ([real(2, 1), real(2, 2)],)], np.dstack: [([real(3), real(3)],)],
    np.column_stack: [([real(3), real(3, 2)],)], np.append: [(real(3), real(2)), (real(2, 2), real(1, 2), {"axis": 0})],
    np.block: [([[real(2, 2), real(2, 1)], [real(1, 2), real(1, 1)]],)],
    np.split: [(real(4), S(2)), (real(2, 4), S([1, 3]), {"axis": 1})], np.array_split: [(real(5), S(2))],
    np.hsplit: [(real(2, 4), S(2))], np.vsplit: [(real(4, 2), S(2))], np.dsplit: [(real(2, 2, 4), S(2))],
    np.unstack: [(real(2, 3),), (real(2, 3), {"axis": 1})],
    # choosing and sorting
    np.where: [(S(np.array([True, False, True])), real(3), real(3)), (S(np.array([[True], [False]])), real(3), real())],
    np.clip: [(real(4), S(-0.5), S(0.9)), (real(4), S(-0.5), S(None)), (real(4), np.float64(-0.51), np.float64(0.83))],
    np.select: [(S([np.array([True, False, False]), np.array([True, True, False])]), [real(3), real(3)], S(1.0))],
    np.choose: [(S(np.array([0, 1, 0])), [real(3), real(3)])],
    np.sort: [(real(5),), (real(2, 3), {"axis": 0}), (real(2, 3), {"axis": None})], np.partition: [(real(5), S(2))],
    np.median: [(real(5),), (real(4),), (real(2, 3), {"axis": 1})],
    np.quantile: [(real(5), S(0.3)), (real(2, 4), S([0.2, 0.9]), {"axis": 1}), (real(5), S(0.5), {"keepdims": True})],
    np.percentile: [(real(5), S(30.0)), (real(3, 2), S([10, 60]), {"axis": 0})],
    np.take: [(real(5), S([0, 3, 3])), (real(2, 3), S([1, 1]), {"axis": 1})],
    np.take_along_axis: [(real(2, 3), S(np.array([[0, 2], [1, 1]])), S(1))],
    np.compress: [(S([True, False, True]), real(3))], np.extract: [(S(np.array([True, False, True])), real(3))],
    # grids
    np.diff: [(real(5),), (real(2, 4), {"n": 2}), (real(3, 2), {"axis": 0}), (real(3), {"prepend": 0.5, "append": 2.0})],
    np.ediff1d: [(real(4),)],
    np.gradient: [(real(5),), (real(5), S(0.5)), (real(5), np.cumsum(unit(5))), (real(4, 3),), (real(5), S(0.5), {"edge_order": 2}),
                  (real(5), np.cumsum(unit(5)), {"edge_order": 2}), (real(3, 4), {"axis": 1})],
    np.trapezoid: [(real(4),), (real(4), np.cumsum(unit(4))), (real(2, 4), {"dx": 0.3}), (real(3, 2), {"axis": 0})],
    np.interp: [(np.array([0.1, 1.3, 2.6, -1.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.0]), real(4)),
                (np.array([0.1, 4.4]), np.array([0.0, 1.0, 2.0, 3.0]), real(4), {"period": 4.0}),
                (np.array([0.1, 9.0, -1.0]), np.array([0.0, 1.0, 2.0, 3.0]), real(4), {"left": 1.0, "right": 2.0})],
    np.convolve: [(real(4), real(3)), (real(4), real(3), S("same")), (real(4), real(3), S("valid")), (real(2), real(4), S("same")),
                  (real(2), real(3))],
    np.correlate: [(real(4), real(3)), (real(4), real(3), S("same")), (real(4), real(3), S("full")), (real(2), real(4))],
    rules_grid.convolve_: [(real(4), real(3))],
    np.linspace: [(real(), real()), (real(), real(), S(4), S(False)), (real(2), real(2), S(3))],
    np.logspace: [(real(), real(), S(3))], np.geomspace: [(unit(), above(), S(3))],
    np.meshgrid: [(real(2), real(3)), (real(2), real(3), {"indexing": "ij"})],
    np.unwrap: [(np.array([0.1, 3.0, 6.5, 9.0]),), (np.array([0.1, 5.0, 0.3, 5.2]),)],
    np.apply_along_axis: [(S(lambda row: row * row[0]), S(1), real(2, 3)), (S(np.sum), S(0), real(2, 3))],
    np.cov: [(real(2, 4),), (real(4),), (real(4), real(4))], np.corrcoef: [(real(2, 4),)],
    np.polyval: [(real(3), real(2)), (real(3), real())], np.vander: [(real(3),), (real(3), S(4), S(True))],
    np.sinc: [(real(3),), (np.array([0.0, 0.02, 0.9]),)],
    np.nan_to_num: [(real(3),)], np.copy: [(real(3),)],
    # two results; complex parts
    np.divmod: [(3.3 + unit(3), 1.0 + 0.1 * unit(3))], np.modf: [(3.2 + 0.2 * unit(3),)], np.frexp: [(real(3),)],
    np.real: [(real(3),), (cplx(3),)], np.imag: [(real(3),), (cplx(3),)], np.conjugate: [(real(3),), (cplx(3),)],
    np.angle: [(cplx(3),)], np.real_if_close: [(real(3),)],
    # linear algebra
    np.linalg.solve: [(A33, v3), (A33, B33), (spd(2, 2), real(2, 2, 2)), (spd(2, 2), real(2)), (cplx(2, 2), cplx(2))],
    np.linalg.inv: [(A33,), (spd(2, 2),)], np.linalg.det: [(A33,), (spd(2, 2),)], np.linalg.slogdet: [(A33,), (spd(2, 2),)],
    np.linalg.pinv: [(real(3, 2),), (real(2, 3),), (A33,)],
    np.linalg.lstsq: [(real(4, 2), real(4)), (real(4, 2), real(4, 2))],
    np.linalg.tensorsolve: [(spd(4).reshape(2, 2, 2, 2), real(2, 2))], np.linalg.tensorinv: [(spd(4).reshape(2, 2, 2, 2),)],
    np.linalg.cholesky: [(A33,), (spd(2, 2),), (A33, {"upper": True})],
    np.linalg.eigvalsh: [(A33,), (spd(2, 2),)], np.linalg.svdvals: [(real(3, 2),)],
    np.linalg.qr: [(real(3, 2),), (B33 + 2 * np.eye(3),), (real(2, 3),), (real(3, 2), S("r"))],
    np.linalg.norm: [(real(3),), (real(2, 3),), (real(2, 3), {"axis": 1}), (real(3), S(1)), (real(3), S(3)), (real(3), S(np.inf)),
                     (real(3), S(-np.inf)), (B33, S("nuc")), (B33, S(2)), (B33, S(1)), (B33, S(np.inf)), (real(2, 3), S("fro")),
                     (real(2, 2, 3), {"axis": (1, 2)}), (real(2, 3), {"axis": 0, "keepdims": True}), (cplx(3),)],
    np.linalg.vector_norm: [(real(3),), (real(2, 3), {"axis": 1, "ord": 4})], np.linalg.matrix_norm: [(B33,), (B33, {"ord": "nuc"})],
    np.linalg.matrix_power: [(B33, S(3)), (A33, S(-2)), (B33, S(0)), (B33, S(1))], np.linalg.cond: [(A33,), (A33, S(1))],
    np.linalg.multi_dot: [([real(2, 3), real(3, 2), real(2, 2)],)], np.linalg.matmul: [(B33, B33)],
    np.linalg.diagonal: [(B33,)], np.linalg.trace: [(B33,)],
    rules_linalg.solve_: [(A33, B33)], rules_linalg.cholesky_: [], rules_linalg.eigh_: [], rules_linalg.svd_: [], rules_linalg.qr_: [],
    # Fourier
    **{f: [(real(4),), (cplx(4),), (real(2, 3), {"axis": 0}), (real(4), {"n": 6}), (real(5), {"n": 3}), (real(4), {"norm": "ortho"})]
       for f in (np.fft.fft, np.fft.ifft)},
    np.fft.rfft: [(real(4),), (real(5),), (real(4), {"n": 6}), (real(2, 3), {"axis": 0})],
    np.fft.irfft: [(cplx(3),), (cplx(3), {"n": 5}), (cplx(3), {"n": 4, "norm": "ortho"}), (cplx(2, 3), {"axis": 0})],
    np.fft.hfft: [(cplx(3),)], np.fft.ihfft: [(real(4),)],
    **{f: [(real(2, 3),), (cplx(2, 3),)] for f in (np.fft.fft2, np.fft.ifft2, np.fft.fftn, np.fft.ifftn)},
    **{f: [(real(2, 4),), (real(3, 3),)] for f in (np.fft.rfft2, np.fft.rfftn)},
    **{f: [(cplx(2, 3),), (cplx(2, 2), {"s": (2, 3), "axes": (0, 1)})] for f in (np.fft.irfft2, np.fft.irfftn)},
    np.fft.fftshift: [(real(5),), (real(2, 3),)], np.fft.ifftshift: [(real(5),), (real(2, 3), {"axes": 1})],
    rules_linalg.fft_: [(cplx(3), S(0), S(None))], rules_linalg.ifft_: [(cplx(3), S(0), S(None))],
    # scipy
    sp.logsumexp: [(real(4),), (real(2, 3), {"axis": 1}), (real(3), {"b": np.array([1.0, 2.0, 0.5])}), (real(2, 3), {"axis": 0, "keepdims": True})],
    sp.softmax: [(real(4),), (real(2, 3), {"axis": 1})], sp.log_softmax: [(real(2, 3), {"axis": 1})],
    sp.polygamma: [(S(1), above(3)), (S(0), above())], sp.multigammaln: [(above() + 2.0, S(3))], sp.zeta: [(S(3.0), above(2))],
    **{f: [(above(3),), (unit(2),)] for f in (sp.shichi, sp.airy, sp.airye, sp.itairy, sp.iti0k0, sp.itj0y0, sp.it2i0k0, sp.it2j0y0)},
    sp.fresnel: [(real(3),)], sp.sici: [(above(3),)],
    sl.expm: [(B33,)], sl.expm_frechet: [(B33, real(3, 3))], sl.sqrtm: [(A33,)], sl.solve_sylvester: [(A33, spd(2), real(3, 2))],
    sl.solve_triangular: [(A33, v3), (A33, B33, {"lower": True}), (A33, v3, {"trans": 1}), (A33, v3, {"unit_diagonal": True})],
    sl.cho_solve: [], sl.cho_factor: [], sl.cholesky: [(A33,), (A33, {"lower": True})], sl.solve: [(A33, v3), (A33, v3, {"assume_a": "pos"})],
    sl.solve_banded: [(S((1, 1)), np.abs(real(3, 4)) + np.array([[0.0], [3.0], [0.0]]), real(4))],
    sl.inv: [(A33,)], sl.det: [(A33,)], sl.pinv: [(real(3, 2),)], sl.norm: [(B33,)], sl.eigh: [], sl.svd: [],
    sl.eigvalsh: [(A33,), (A33, spd(3))], sl.svdvals: [(B33,)], sl.qr: [(real(3, 2), {"mode": "economic"}), (B33 + 2 * np.eye(3),), (real(3, 2), {"mode": "r"})],
    sl.lstsq: [(real(4, 2), real(4))], sl.block_diag: [(real(2, 2), real(1, 3))],
    rules_scipy_linalg.expm_: [(B33,)], rules_scipy_linalg.frechet_: [(B33, real(3, 3))],
    rules_scipy_linalg.sylvester_: [(A33, spd(2), real(3, 2))], rules_scipy_linalg.sqrtm_: [(A33,)],
    rules_scipy_linalg.solve_triangular_: [(A33, B33, S(True))],
    # the structural primitives
    indexing.getitem_: [(real(3, 4), S(i)) for i in (
        1, (1, 2), slice(None, None, -1), (slice(0, 2), 1), (None, Ellipsis, 0), np.array([0, 2, 2]), (np.array([0, 1]), np.array([1, 1])),
        (slice(None), np.array([[0, 1], [3, 3]])), np.arange(12).reshape(3, 4) % 3 == 0, ([0, 1], slice(1, 3)))],
    indexing.scatter_: [(real(3), S(np.array([0, 2, 2])), S((4,)))],
    indexing.setitem_: [(real(4), real(), S(1)), (real(4), real(2), S(slice(1, 3))), (real(2, 3), real(3), S(Ellipsis)),
                        (real(4), real(3), S(np.array([0, 2, 2]))), (real(4), real(), S(np.array([True, False, True, False])))],
    views.window_: [(real(6), S(views.Window(_MEMORY[1:].reshape(5)[::2], _MEMORY.ctypes.data, 6)))],
    traced.stack_: [(real(2), real(2)), (real(), real())], indexing.concatenate_: [(S(0), real(2), real(3))],
    indexing.astype_: [(real(3), S(np.dtype(float))), (real(3), S(np.dtype(complex)))],
    rules_array.sum_: [(real(2, 3),)], rules_array.cumsum_: [(real(3), S(0))], rules_array.reshape_: [(real(2, 3), S((3, 2)))],
    rules_array.transpose_: [(real(2, 3),)], rules_array.broadcast_to_: [(real(3), S((2, 3)))], rules_array.copy_: [(real(2),)],
    rules_array.where_: [(S(np.array([True, False])), real(2), real(2))], rules_array.real_: [(cplx(2),)], rules_array.imag_: [(cplx(2),)],
}  # fmt: skip


def _symmetric(x):
    return 0.5 * (x + np.swapaxes(x, -1, -2))


# functions whose result is fixed up to a sign only, or that write: what is well defined about them is checked
_WRITTEN = {
    np.linalg.eigh: lambda a: [v @ np.diag(np.sin(w)) @ v.T for w, v in [np.linalg.eigh(a)]][0],
    rules_linalg.eigh_: lambda a: [v @ np.diag(np.sin(w)) @ v.T for w, v in [rules_linalg.eigh_(_symmetric(a))]][0],
    np.linalg.eig: lambda a: [np.real(v @ (np.exp(w)[:, None] * np.linalg.inv(v))) for w, v in [np.linalg.eig(a)]][0],
    np.linalg.eigvals: lambda a: np.real(np.sum(np.linalg.eigvals(a) ** 3)),
    np.linalg.svd: lambda a: [(u * np.sin(s)) @ vt for u, s, vt in [np.linalg.svd(a[:, :2], full_matrices=False)]][0],
    rules_linalg.svd_: lambda a: [(u * np.sin(s)) @ vt for u, s, vt in [rules_linalg.svd_(a[:2])]][0],
    rules_linalg.qr_: lambda a: [np.sin(q[:, :1] @ r[:1]) for q, r in [rules_linalg.qr_(a)]][0],
    rules_linalg.cholesky_: lambda a: rules_linalg.cholesky_(_symmetric(a)),
    sl.cho_factor: lambda a: np.triu(sl.cho_factor(a)[0]), sl.cho_solve: lambda a: sl.cho_solve(sl.cho_factor(a, lower=True), v3),
    sl.eigh: lambda a: [v @ np.diag(np.sin(w)) @ v.T for w, v in [sl.eigh(a)]][0],
    sl.svd: lambda a: [(u * np.sin(s)) @ vt for u, s, vt in [sl.svd(a)]][0],
    np.copyto: lambda a: _wrote(a, lambda b: np.copyto(b, a * a)), np.put: lambda a: _wrote(a, lambda b: np.put(b, [1, 4], a[0, :2])),
    np.fill_diagonal: lambda a: _wrote(a, lambda b: np.fill_diagonal(b, a[0])),
    np.place: lambda a: _wrote(a, lambda b: np.place(b, np.eye(3) > 0, a[1] * a[0])),
    np.piecewise: lambda a: np.piecewise(a, [a < -0.5, a > 0.5], [lambda x: x**2, lambda x: np.sin(x) * np.sum(x), 0.3]) * a,
    np.putmask: lambda a: _wrote(a, lambda b: np.putmask(b, np.eye(3) > 0, a * a)),
    np.put_along_axis: lambda a: _wrote(a, lambda b: np.put_along_axis(b, np.array([[0], [2], [1]]), a[:, :1] ** 2, 1)),
    np.full_like: lambda a: np.full_like(np.ones(3), a[0, 0]) * a,
    np.zeros_like: lambda a: np.zeros_like(a) + a, np.ones_like: lambda a: np.ones_like(a) * a, np.empty_like: lambda a: _wrote(a, None),
    batch.element_: lambda a: batch.element_(batch.restack_(0.5, a, np.sin(a)), 0.5, 1) * a,
    batch.restack_: lambda a: batch.element_(batch.restack_(0.5, a * a, a), 0.5, 0) * np.sin(a),
    batch.place_: lambda a: batch.element_(batch.place_(np.sin(a), 0.5, 1, 3), 0.5, 1) * a,
}  # fmt: skip


def _wrote(a, write):
    b = np.empty_like(a)
    b[...] = np.sin(a)
    if write is not None:
        write(b)
    return b * a


_PARAMETERS = {"df": 3.3, "a": 1.7, "b": 2.6, "dfn": 3.0, "dfd": 7.0, "s": 0.6, "c": 1.4, "mu": 2.2, "p": 0.3}
_AFTER_1 = ("pareto", "truncnorm", "loguniform")


def _of_statistics(fn):
    """Calls of a method of scipy.stats: densities in all they depend on, distribution functions in what they can."""
    of = getattr(fn, "__self__", None)
    if of is st.multivariate_normal:
        return [(real(4, 2), real(2), spd(2)), (real(2), real(2), S(np.eye(2)))]
    if of is st.dirichlet:
        return [(S(np.array([0.2, 0.5, 0.3])), above(3))]
    if not isinstance(of, (st.rv_continuous, st.rv_discrete)):
        return None
    density = fn.__name__ in ("logpdf", "pdf", "logpmf", "pmf")
    shapes = [s.strip() for s in (of.shapes or "").split(",") if s.strip()]
    if isinstance(of, st.rv_discrete):
        x = S(np.array([1, 2, 5] if of.name != "bernoulli" else [1, 0] if density else [0, 0]))
        values = [S(7) if s == "n" else np.float64(_PARAMETERS[s]) for s in shapes]
        return [(x, *values)]
    x = (
        0.15 + unit(3)
        if of.name in ("uniform", "beta")
        else above(3)
        if of.name in _AFTER_1
        else 2.0 * unit(3)
    )
    x = np.minimum(x, 0.9) if of.name in ("uniform", "beta") else x
    values = [np.float64(_PARAMETERS[s]) for s in shapes]
    values = [np.float64(0.7), np.float64(3.1)] if of.name in ("truncnorm", "loguniform") else values
    if not density:
        return [(x, *map(S, values))]
    inside = of.name in ("uniform", "beta", *_AFTER_1)
    return [(x, *values), (x, *values, np.float64(-0.05), np.float64(1.1) if not inside else S(1.0))]


def cases(fn, kind):
    """Return ``(function of the differentiated arguments, arguments)`` for every call of `fn` to be tested."""
    if fn in _WRITTEN:
        return [(_WRITTEN[fn], (A33 + 0.3 * B33,))]
    calls = _ARRAY.get(fn, _DOMAIN.get(fn)) or _of_statistics(fn)
    if calls is None and kind == "scalar":
        calls = BINARY if getattr(fn, "nin", 1) == 2 else [(x,) for x in UNARY]
    return [_split(fn, call) for call in calls or ()]


def written_calls(fn, kind):
    """The same calls as ``(function, arguments)`` with a source text, as the compiler wants them: real arguments only."""
    if fn in _WRITTEN:
        return [(_WRITTEN[fn], (A33 + 0.3 * B33,))]
    calls = _ARRAY.get(fn, _DOMAIN.get(fn)) or _of_statistics(fn)
    if calls is None and kind == "scalar":
        calls = BINARY if getattr(fn, "nin", 1) == 2 else [(x,) for x in UNARY]
    return [_spelled(fn, call) for call in calls or () if not _has_complex(call)]


def _has_complex(x):
    if isinstance(x, (tuple, list)):
        return any(map(_has_complex, x))
    return _has_complex(x.value) if isinstance(x, Static) else x is complex or np.iscomplexobj(x)


def _spelled(fn, call):
    """A function whose text is the call, with its constants written out."""
    kwargs = call[-1] if isinstance(call[-1], dict) else {}
    args = call[:-1] if isinstance(call[-1], dict) else call
    names, known = [], {"np": np, "fn": fn[0] if isinstance(fn, tuple) else fn, "dtype": np.dtype}

    def word(x):
        if isinstance(x, np.ndarray) or callable(x) or type(x).__module__.startswith(("sciad", "scipy")):
            name = f"array_{len(known)}"
            known[name] = x
            return name
        if type(x) in (list, tuple) and x:
            inner = ", ".join(map(word, x))
            return f"[{inner}]" if type(x) is list else f"({inner},)"
        return "np.inf" if x is np.inf else "-np.inf" if type(x) is float and x == -np.inf else repr(x)

    words = []
    for k, a in enumerate(args):
        words.append(word(a.value) if isinstance(a, Static) else f"x{k}")
        names += [] if isinstance(a, Static) else [f"x{k}"]
    words += [f"{k}={word(v)}" for k, v in kwargs.items()]
    run = f"fn.{fn[1]}" if isinstance(fn, tuple) else "fn"
    text = f"def call({', '.join(names)}):\n    return {run}({', '.join(words)})\n"
    place = f"<case {next(_COUNT)} of {getattr(fn, '__name__', fn)}>"
    linecache.cache[place] = (len(text), None, text.splitlines(True), place)
    exec(compile(text, place, "exec"), known)
    return known["call"], tuple(a for a in args if not isinstance(a, Static))


_COUNT = itertools.count()


def _split(fn, call):
    kwargs = call[-1] if isinstance(call[-1], dict) else {}
    args = call[:-1] if isinstance(call[-1], dict) else call
    active = tuple(a for a in args if not isinstance(a, Static))
    module = {"scipy.linalg": sl, "scipy.special": sp}.get(
        ".".join((getattr(fn, "__module__", None) or "").split(".")[:2])
    )

    of = getattr(fn, "__self__", None)
    found = next((name for name, x in vars(st).items() if x is of), None) if of is not None else None

    def f(*xs):
        it = iter(xs)
        # SciPy's functions are found by name, as users call them
        run = getattr(*fn) if isinstance(fn, tuple) else getattr(module, fn.__name__) if module else fn
        run = run if found is None else getattr(getattr(st, found), fn.__name__)
        return run(*[a.value if isinstance(a, Static) else next(it) for a in args], **kwargs)

    return f, active
