"""Densities and distribution functions of scipy.stats, entered when it is first imported by someone.

One table: of each family the logarithm of its standard density, its standard distribution function, and where
it lives. Location and scale, and the functions that follow from these, are the same for all.
"""

from __future__ import annotations

import math

import scipy.special as sp
import scipy.stats as st

from sciad.eager.traced import operand
from sciad.plain_numpy import np
from sciad.rule_table import composite

_LOG_2PI = math.log(2.0 * math.pi)
_INF = math.inf


# -- continuous families: standard log densities and distribution functions ---------------------------------


def _norm(z):
    return -0.5 * z * z - 0.5 * _LOG_2PI


def _t(z, df):
    return (
        sp.gammaln(0.5 * (df + 1.0))
        - sp.gammaln(0.5 * df)
        - 0.5 * np.log(df * math.pi)
        - 0.5 * (df + 1.0) * np.log1p(z * z / df)
    )


def _gamma(z, a):
    return sp.xlogy(a - 1.0, z) - z - sp.gammaln(a)


def _beta(z, a, b):
    return sp.xlog1py(b - 1.0, -z) + sp.xlogy(a - 1.0, z) - sp.betaln(a, b)


def _chi2(z, df):
    half = 0.5 * df
    return sp.xlogy(half - 1.0, z) - 0.5 * z - sp.gammaln(half) - half * math.log(2.0)


def _f(z, n, m):
    return (
        0.5 * n * np.log(n)
        + 0.5 * m * np.log(m)
        + sp.xlogy(0.5 * n - 1.0, z)
        - 0.5 * (n + m) * np.log(m + n * z)
        - sp.betaln(0.5 * n, 0.5 * m)
    )


def _logistic(z):
    size = np.absolute(z)
    return -size - 2.0 * np.log1p(np.exp(-size))


def _lognorm(z, s):
    return -0.5 * (np.log(z) / s) ** 2 - np.log(s * z) - 0.5 * _LOG_2PI


def _truncnorm(z, a, b):
    return _norm(z) - np.log(sp.ndtr(b) - sp.ndtr(a))


# name: (shapes, where it begins, where it ends, log density, distribution function, what is above)
CONTINUOUS = {
    "norm": ((), -_INF, _INF, _norm, lambda z: sp.ndtr(z), lambda z: sp.ndtr(-z)),
    "t": (("df",), -_INF, _INF, _t, lambda z, df: sp.stdtr(df, z), lambda z, df: sp.stdtr(df, -z)),
    "cauchy": (
        (), -_INF, _INF,
        lambda z: -math.log(math.pi) - np.log1p(z * z),
        lambda z: np.arctan2(1.0, -z) / math.pi,
        lambda z: np.arctan2(1.0, z) / math.pi,
    ),
    "laplace": (
        (), -_INF, _INF, lambda z: -np.absolute(z) - math.log(2.0), lambda z: _tail(-z), lambda z: _tail(z)
    ),
    "logistic": ((), -_INF, _INF, _logistic, lambda z: sp.expit(z), lambda z: sp.expit(-z)),
    "gumbel_r": (
        (), -_INF, _INF,
        lambda z: -z - np.exp(-z), lambda z: np.exp(-np.exp(-z)), lambda z: -np.expm1(-np.exp(-z)),
    ),
    "gumbel_l": (
        (), -_INF, _INF,
        lambda z: z - np.exp(z), lambda z: -np.expm1(-np.exp(z)), lambda z: np.exp(-np.exp(z)),
    ),
    "uniform": ((), 0.0, 1.0, lambda z: 0.0 * z, lambda z: z, lambda z: 1.0 - z),
    "beta": (
        ("a", "b"), 0.0, 1.0, _beta,
        lambda z, a, b: sp.betainc(a, b, z), lambda z, a, b: sp.betainc(b, a, 1.0 - z),
    ),
    "expon": ((), 0.0, _INF, lambda z: -z, lambda z: -np.expm1(-z), lambda z: np.exp(-z)),
    "gamma": (
        ("a",), 0.0, _INF, _gamma, lambda z, a: sp.gammainc(a, z), lambda z, a: sp.gammaincc(a, z)
    ),
    "invgamma": (
        ("a",), 0.0, _INF,
        lambda z, a: -(a + 1.0) * np.log(z) - sp.gammaln(a) - 1.0 / z,
        lambda z, a: sp.gammaincc(a, 1.0 / z),
        lambda z, a: sp.gammainc(a, 1.0 / z),
    ),
    "chi2": (
        ("df",), 0.0, _INF, _chi2,
        lambda z, df: sp.gammainc(0.5 * df, 0.5 * z), lambda z, df: sp.gammaincc(0.5 * df, 0.5 * z),
    ),
    "f": (
        ("dfn", "dfd"), 0.0, _INF, _f,
        lambda z, n, m: sp.betainc(0.5 * n, 0.5 * m, n * z / (m + n * z)),
        lambda z, n, m: sp.betainc(0.5 * m, 0.5 * n, m / (m + n * z)),
    ),
    "lognorm": (
        ("s",), 0.0, _INF, _lognorm,
        lambda z, s: sp.ndtr(np.log(z) / s), lambda z, s: sp.ndtr(-np.log(z) / s),
    ),
    "weibull_min": (
        ("c",), 0.0, _INF,
        lambda z, c: np.log(c) + sp.xlogy(c - 1.0, z) - z**c,
        lambda z, c: -np.expm1(-(z**c)),
        lambda z, c: np.exp(-(z**c)),
    ),
    "pareto": (
        ("b",), 1.0, _INF,
        lambda z, b: np.log(b) - (b + 1.0) * np.log(z),
        lambda z, b: -np.expm1(-b * np.log(z)),
        lambda z, b: z**-b,
    ),
    "halfnorm": (
        (), 0.0, _INF,
        lambda z: 0.5 * math.log(2.0 / math.pi) - 0.5 * z * z,
        lambda z: sp.erf(z / math.sqrt(2.0)),
        lambda z: sp.erfc(z / math.sqrt(2.0)),
    ),
    "halfcauchy": (
        (), 0.0, _INF,
        lambda z: math.log(2.0 / math.pi) - np.log1p(z * z),
        lambda z: 2.0 / math.pi * np.arctan(z),
        lambda z: 2.0 / math.pi * np.arctan2(1.0, z),
    ),
    "rayleigh": (
        (), 0.0, _INF,
        lambda z: np.log(z) - 0.5 * z * z, lambda z: -np.expm1(-0.5 * z * z), lambda z: np.exp(-0.5 * z * z),
    ),
    "invgauss": (
        ("mu",), 0.0, _INF,
        lambda z, mu: -0.5 * _LOG_2PI - 1.5 * np.log(z) - ((z - mu) / mu) ** 2 / (2.0 * z),
        lambda z, mu: sp.ndtr((z / mu - 1.0) / np.sqrt(z))
        + np.exp(2.0 / mu) * sp.ndtr(-(z / mu + 1.0) / np.sqrt(z)),
        None,
    ),
    "truncnorm": (
        ("a", "b"), lambda a, b: a, lambda a, b: b, _truncnorm,
        lambda z, a, b: (sp.ndtr(z) - sp.ndtr(a)) / (sp.ndtr(b) - sp.ndtr(a)),
        lambda z, a, b: (sp.ndtr(-z) - sp.ndtr(-b)) / (sp.ndtr(-a) - sp.ndtr(-b)),
    ),
    "loguniform": (
        ("a", "b"), lambda a, b: a, lambda a, b: b,
        lambda z, a, b: -np.log(z) - np.log(np.log(b / a)),
        lambda z, a, b: np.log(z / a) / np.log(b / a),
        lambda z, a, b: np.log(b / z) / np.log(b / a),
    ),
}  # fmt: skip
# where the tail has no numbers any more, its logarithm still does
LOG_ABOVE = {
    "norm": lambda z: sp.log_ndtr(-z),
    "expon": lambda z: -z,
    "weibull_min": lambda z, c: -(z**c),
    "pareto": lambda z, b: -b * np.log(z),
    "rayleigh": lambda z: -0.5 * z * z,
    "gumbel_l": lambda z: -np.exp(z),
}
LOG_BELOW = {"norm": lambda z: sp.log_ndtr(z), "gumbel_r": lambda z: -np.exp(-z)}
OPEN = {"invgamma", "lognorm", "invgauss", "rayleigh"}  # their densities are 0 at 0, their logarithms -inf


def _tail(z):
    half = 0.5 * np.exp(-np.absolute(z))
    return np.where(z > 0, half, 1.0 - half)


# -- discrete families: log probabilities and distribution functions of a whole number k --------------------


def _binom(k, n, p):
    combinations = sp.gammaln(n + 1.0) - sp.gammaln(k + 1.0) - sp.gammaln(n - k + 1.0)
    return combinations + sp.xlogy(k, p) + sp.xlog1py(n - k, -p)


def _nbinom(k, n, p):
    return sp.gammaln(n + k) - sp.gammaln(k + 1.0) - sp.gammaln(n) + sp.xlogy(n, p) + sp.xlog1py(k, -p)


def _betabinom(k, n, a, b):
    combinations = -np.log(n + 1.0) - sp.betaln(n - k + 1.0, k + 1.0)
    return combinations + sp.betaln(k + a, n - k + b) - sp.betaln(a, b)


DISCRETE = {
    "poisson": (
        ("mu",), 0.0, _INF,
        lambda k, mu: sp.xlogy(k, mu) - sp.gammaln(k + 1.0) - mu,
        lambda k, mu: sp.gammaincc(k + 1.0, mu),
        lambda k, mu: sp.gammainc(k + 1.0, mu),
    ),
    "binom": (
        ("n", "p"), 0.0, lambda n, p: n, _binom,
        lambda k, n, p: sp.betainc(n - k, k + 1.0, 1.0 - p), lambda k, n, p: sp.betainc(k + 1.0, n - k, p),
    ),
    "bernoulli": (
        ("p",), 0.0, 1.0,
        lambda k, p: sp.xlogy(k, p) + sp.xlog1py(1.0 - k, -p),
        lambda k, p: 1.0 - p + 0.0 * k,
        lambda k, p: p + 0.0 * k,
    ),
    "nbinom": (
        ("n", "p"), 0.0, _INF, _nbinom,
        lambda k, n, p: sp.betainc(n, k + 1.0, p), lambda k, n, p: sp.betainc(k + 1.0, n, 1.0 - p),
    ),
    "geom": (
        ("p",), 1.0, _INF,
        lambda k, p: sp.xlog1py(k - 1.0, -p) + np.log(p),
        lambda k, p: -np.expm1(k * np.log1p(-p)),
        lambda k, p: np.exp(k * np.log1p(-p)),
    ),
    "betabinom": (("n", "a", "b"), 0.0, lambda n, a, b: n, _betabinom, None, None),
}  # fmt: skip


def _standard(names, args, given, discrete):
    """Shapes, location and scale, passed by place or by name."""
    values = [*args]
    for name in (*names, "loc", "scale")[len(args) : len(names) + 2 - discrete]:
        if name in given:
            values.append(given[name])
        elif name == "loc":
            values.append(0.0)
        elif name == "scale":
            values.append(1.0)
        else:
            raise TypeError(f"missing the parameter {name!r}")
    shapes, loc = [operand(v) for v in values[: len(names)]], operand(values[len(names)])
    return shapes, loc, 1.0 if discrete else operand(values[len(names) + 1])


def _at(bound, shapes):
    return bound(*shapes) if callable(bound) else bound


def _inside(z, low, high, is_open=False):
    """Whether z lies between the ends, and z itself where it does, else a point that does."""
    inside = (z > low if is_open else z >= low) & (z <= high)
    some = np.where(np.isfinite(low), np.where(np.isfinite(high), 0.5 * (low + high), low + 1.0), 0.0)
    return inside, np.where(inside, z, some)


def _enter(name, shapes, low, high, log_density, below, above, discrete=False):
    of, is_open = getattr(st, name), name in OPEN
    log_below = LOG_BELOW.get(name) or (lambda z, *values: _log(below(z, *values), above(z, *values)))
    log_above = LOG_ABOVE.get(name) or (lambda z, *values: _log(above(z, *values), below(z, *values)))

    def log(x, *args, **given):
        values, loc, scale = _standard(shapes, args, given, discrete)
        z = (operand(x) - loc) / scale
        inside, z = _inside(z, _at(low, values), _at(high, values), is_open)
        return np.where(inside, log_density(z, *values) - np.log(scale), -_INF)[()]

    def log_of_whole(x, *args, **given):
        values, loc, _ = _standard(shapes, args, given, discrete)
        k = operand(x) - loc
        inside, z = _inside(k, _at(low, values), _at(high, values))
        return np.where(inside & (np.floor(k) == k), log_density(np.floor(z), *values), -_INF)[()]

    def density(x, *args, **given):
        return np.exp((log_of_whole if discrete else log)(x, *args, **given))

    def split(x, args, given):
        """Shapes, a point inside, and where x is before and after all of the distribution."""
        values, loc, scale = _standard(shapes, args, given, discrete)
        z, first, last = (operand(x) - loc) / scale, _at(low, values), _at(high, values)
        z = np.floor(z) if discrete else z
        before, after = (z <= first if is_open else z < first), (z >= last if discrete else z > last)
        some = np.where(
            np.isfinite(first), np.where(np.isfinite(last), 0.5 * (first + last), first + 1.0), 0.0
        )
        some = first if discrete else some
        return values, np.where(before | after, some, z), before, after

    def distribution(x, *args, **given):
        values, z, before, after = split(x, args, given)
        return np.where(before, 0.0, np.where(after, 1.0, below(z, *values)))[()]

    def survival(x, *args, **given):
        values, z, before, after = split(x, args, given)
        return np.where(before, 1.0, np.where(after, 0.0, above(z, *values)))[()]

    def log_distribution(x, *args, **given):
        values, z, before, after = split(x, args, given)
        return np.where(before, -_INF, np.where(after, 0.0, log_below(z, *values)))[()]

    def log_survival(x, *args, **given):
        values, z, before, after = split(x, args, given)
        return np.where(before, 0.0, np.where(after, -_INF, log_above(z, *values)))[()]

    composite(of.logpmf if discrete else of.logpdf, log_of_whole if discrete else log)
    composite(of.pmf if discrete else of.pdf, density)
    if below is not None:
        composite(of.cdf, distribution)
    if above is not None:
        composite(of.sf, survival)
        composite(of.logcdf, log_distribution)
        composite(of.logsf, log_survival)


def _log(p, rest):
    """The logarithm of a probability, of which the rest to 1 is known, too."""
    small = p < 0.5
    return np.where(small, np.log(np.where(small, p, 0.5)), np.log1p(-np.where(small, 0.5, rest)))


for _name, _family in CONTINUOUS.items():
    _enter(_name, *_family)
for _name, _family in DISCRETE.items():
    _enter(_name, *_family, discrete=True)


def _multivariate_normal(x, mean=None, cov=1.0):
    x, cov = operand(x), operand(cov)
    cov = cov * np.eye(np.shape(x)[-1] if mean is None else np.size(mean)) if np.ndim(cov) == 0 else cov
    cov = np.diag(cov) if np.ndim(cov) == 1 else cov
    n = cov.shape[0]
    gap = np.reshape(x - (0.0 if mean is None else operand(mean)), (-1, n))
    factor = np.linalg.cholesky(cov)
    z = np.linalg.solve(factor, gap.T)
    value = -0.5 * np.sum(z * z, axis=0) - np.sum(np.log(np.diag(factor))) - 0.5 * n * _LOG_2PI
    return np.reshape(value, np.shape(x)[:-1] if np.shape(x)[-1:] == (n,) else np.shape(x))[()]


composite(st.multivariate_normal.logpdf, _multivariate_normal)
composite(
    st.multivariate_normal.pdf, lambda x, mean=None, cov=1.0: np.exp(_multivariate_normal(x, mean, cov))
)


def _dirichlet(x, alpha):
    x, alpha = operand(x), operand(alpha)
    return np.sum(sp.xlogy(alpha - 1.0, x)) + sp.gammaln(np.sum(alpha)) - np.sum(sp.gammaln(alpha))


composite(st.dirichlet.logpdf, _dirichlet)
