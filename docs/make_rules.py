"""Write docs/rules.md: every function of the rule table, what it is differentiable in, and how.

python docs/make_rules.py
"""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats

import sciad as ad
from sciad import rule_table as table
from sciad.compiler.functions.absent import REASONS
from sciad.eager.traced import Primitive
from sciad.transforms.custom import Custom
from sciad.transforms.vmap import WHOLE

PAGE = Path(__file__).with_name("rules.md")

# What autograd (https://github.com/HIPS/autograd, version 1.8) has derivative rules for, by NumPy's and
# SciPy's names
AUTOGRAD = {
    np: """abs absolute add amax amin angle arccos arccosh arcsin arcsinh arctan arctan2 arctanh array
        array_split atleast_1d atleast_2d atleast_3d broadcast_to clip concatenate conj conjugate
        cos cosh cross cumsum deg2rad degrees diag diagonal diff divide dot dsplit einsum exp exp2
        expand_dims expm1 fabs fliplr flipud fmax fmin full gradient hsplit hypot imag inner kron
        linspace log log10 log1p log2 logaddexp logaddexp2 matmul max maximum mean min minimum mod
        moveaxis multiply nan_to_num negative outer pad partition power prod rad2deg radians ravel
        real real_if_close reciprocal remainder repeat reshape roll rollaxis rot90 sin sinc sinh
        sort split sqrt square squeeze std subtract sum swapaxes tan tanh tensordot tile trace
        transpose tril triu true_divide var vsplit where""",
    np.linalg: "cholesky det eig eigh inv norm pinv slogdet solve svd",
    np.fft: "fft fft2 fftn fftshift ifft ifft2 ifftn ifftshift irfft irfft2 irfftn rfft rfft2 rfftn",
    scipy.linalg: "solve_banded solve_sylvester solve_triangular sqrtm",
    scipy.special: """beta betainc betaln digamma erf erfc erfcinv erfinv expit gamma gammainc gammaincc
        gammaln gammasgn i0 i1 iv ive j0 j1 jn logit logsumexp multigammaln polygamma psi rgamma y0 y1 yn""",
}
CREATED = {"array", "full"}  # functions that make arrays: see the section on them
ABSENT = """`scipy.signal.convolve` over chosen axes (`np.convolve` is here), `scipy.integrate.odeint` (use
`solve_ivp` of this package)."""

HOW = {
    "scalar": "partial derivatives, elementwise",
    "linear": "linear: forward is the function, reverse its transpose",
    "array": "differential and its transpose",
    "composite": "written in differentiable functions",
}


def render() -> str:
    """Return the text of the page."""
    while table.load_lazy():
        pass
    records = {
        id(r): r
        for r in table.TABLE.values()
        if not isinstance(r, Custom) and not isinstance(r.fn, Primitive)
    }
    groups: dict[str, list] = {}
    for record in sorted(records.values(), key=lambda r: r.name.lower()):
        groups.setdefault(_group(record), []).append(record)
    parts = [INTRODUCTION]
    statistics = groups.pop("scipy.stats")
    for title in sorted(groups):
        parts += [f"## {title}", "", "| function | arguments | how |", "|---|---|---|"]
        parts += [_row(record) for record in groups[title] if record.kind != "constant"]
        constant = ", ".join(f"`{_short(r)}`" for r in groups[title] if r.kind == "constant")
        if constant:
            parts += ["", f"Derivative zero on purpose: {constant}."]
        parts.append("")
    parts += [STATISTICS, *_statistics(statistics), ""]
    parts += _special_points(groups)
    parts += [
        CREATING,
        COMPILING,
        *(f"- `{name}`: {reason}." for name, reason in sorted(REASONS.items())),
        "",
        "## Beside autograd",
        "",
        "Everything autograd has a rule for, under the same name:",
        "",
    ]
    for module, names in AUTOGRAD.items():
        parts.append(f"- `{_module_name(module)}`: " + ", ".join(names.split()))
    parts += ["", f"Not here: {ABSENT}", ""]
    return "\n".join(parts)


STATISTICS = """## scipy.stats

In the point and in all parameters, `loc` and `scale` included, or with the parameters given before
(`norm(mu, s).logpdf(x)`); distribution functions in a shape only where `scipy.special` has a derivative
in it. Not from other methods of a distribution, such as `ppf` and `rvs`.

| distribution | methods |
|---|---|"""


def _statistics(records) -> list[str]:
    methods: dict[str, list] = {}
    for record in records:
        owner, _, method = record.name.rpartition(".")
        methods.setdefault(owner.removesuffix("_gen"), []).append(method)
    return [f"| `{owner}` | {', '.join(sorted(found))} |" for owner, found in sorted(methods.items())]


ZEROS = """## At kinks and singularities

Elementwise functions at the points 0, 1 and -1, where these are no points of smoothness: the derivative
a little to the left, the one that `grad` gives, and the one a little to the right; of functions of two
arguments in each of them, the other being 0 or 1. A dash: the function is not defined there. At a kink it
is the mean of the two sides, also of `np.interp` at a knot. Compiled code gives the same, at these and at
31 more points, huge, tiny and infinite ones, and to second order
(`tests/rules/test_table_at_special_points.py`).

In products of derivatives a factor 0 wins over an infinite one or NaN, in compiled code as outside: a
path that is not taken contributes nothing, as in `np.where(x > 0, np.sqrt(x), 0)`. A zero may also stand
for a limit, as in `1/(1/x + 1/3)`, `np.cbrt(x)**3`, `np.arctan(1/x)` at 0. So where a 0 met an infinite
factor (and only there: smooth points cost nothing), the transform also computes the derivative a little
to the left and to the right of the arguments, by calling the function there, and takes

- what it has, if that is one of the two limits: 0 of a branch that is not taken;
- else the mean of both limits: the limit, where they agree (1, 1, -1 in the examples), and the mean of a
  kink (0 of `np.linalg.norm` and `np.std`);
- the limit of the only side, where the function is not defined on the other or jumps there:
  `np.sqrt(x)**2` has derivative 1 at 0;
- what it has, if a limit is infinite, with a `RuntimeWarning` but at a cusp: `(x > 0) * np.sqrt(x)`,
  `np.sqrt(np.abs(x))` have derivative 0 at 0;
- NaN with a `RuntimeWarning`, if nothing is settled.

This holds for every order, both modes and for compiled functions. Inside of solves (the model's Jacobian,
its products in adjoints) and of transforms within compiled functions a factor 0 wins, without that look.

| function | in | at | left | derivative | right |
|---|---|---|---|---|---|"""


def _special_points(groups) -> list[str]:
    """The section on points where a derivative had to be chosen, computed from what `grad` gives."""
    rows = []
    for record in (r for title in sorted(groups) for r in groups[title]):
        if record.kind != "scalar" or not _native(record) or len(record.partials) > 2:
            continue
        for k, partial in enumerate(record.partials):
            if partial.__name__ == "partial":
                continue
            for other in [None] if len(record.partials) == 1 else [0.0, 1.0]:
                for x in (-1.0, 0.0, 1.0):
                    rows += _special_point(record, k, x, other)
    return [ZEROS, *rows, ""]


def _special_point(record, k, x, other):
    def at(v):
        return [np.float64(v)] if other is None else [np.float64(a) for a in ((v, other), (other, v))[k]]

    def slope(v):
        args = at(v)
        return float(np.real(record.fn(*args))), float(ad.grad(lambda *x: np.real(record.fn(*x)), k)(*args))

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            (a, left), (_, here), (b, right) = (slope(x + h) for h in (-1e-9, 0.0, 1e-9))
        except TypeError:  # integers only
            return []
    if not np.isfinite([a, b]).any() or np.isnan([left, right]).all():
        return []
    sides = [s for v, s in ((a, left), (b, right)) if np.isfinite(v)]
    if np.isfinite(here) and all(abs(s - here) < 1e-3 * max(1.0, abs(here)) for s in sides):
        return []
    shown = [f"{s:.4g}" if np.isfinite(v) else "-" for v, s in ((a, left), (b, right))]
    shown, rule = [s.replace("nan", "NaN") for s in shown], f"{here:.4g}".replace("nan", "NaN")
    place = "x" if other is None else "ab"[k]
    where = ", ".join(f"{v:g}" for v in at(x))
    return [f"| `{_short(record)}` | {place} | {where} | {shown[0]} | {rule} | {shown[1]} |"]


def covered(module, name: str) -> bool:
    """Whether a function of that name can be differentiated."""
    return name in CREATED or table.lookup(getattr(module, name)) is not None


def _row(record) -> str:
    kind = "composite" if record.definition is not None else record.kind
    how = HOW[kind] + (f" ({record.note})" if record.note else "")
    if record.kind in ("linear", "array") and record.definition is None:
        how += "; `vmap` takes the whole batch" if record.fn in WHOLE or _native(record) else "; `vmap` loops"
    return f"| `{_short(record)}` | {_arguments(record)} | {how} |"


def _native(record) -> bool:
    return isinstance(record.fn, np.ufunc)


def _arguments(record) -> str:
    if record.definition is not None:
        return "all array arguments"
    if record.kind == "scalar":
        names = (
            [chr(ord("a") + k) for k in range(len(record.partials))] if len(record.partials) > 1 else ["x"]
        )
        has = [
            p.__name__ != "partial" for p in record.partials
        ]  # the stand-in for a partial there is none of
    else:
        rule = next(r for r in record.rules if r is not None)
        names = list(inspect.signature(rule.fn).parameters)[1 if isinstance(rule, table.Transpose) else 2 :]
        names, has = names[: len(record.rules)], [r is not None for r in record.rules]
    yes = [n for n, h in zip(names, has, strict=False) if h]
    no = [n for n, h in zip(names, has, strict=False) if not h]
    return ", ".join(yes) + (f" (not {', '.join(no)})" if no else "")


def _group(record) -> str:
    name = record.name
    for title in ("np.linalg", "np.fft", "scipy.special", "scipy.linalg", "scipy.stats"):
        if name.startswith(title + "."):
            return title
    return "NumPy: elementwise" if isinstance(record.fn, np.ufunc) else "NumPy: arrays"


def _short(record) -> str:
    return record.name


def _module_name(module) -> str:
    return module.__name__.replace("numpy", "np")


INTRODUCTION = """# What can be differentiated

Written by `docs/make_rules.py` from the rule table; do not edit. Every function here works in forward
mode (`jvp`), reverse mode (`grad`, `vjp`), under `vmap`, and in any nesting of these; each rule is tested
in all of them, to second order (`expm_frechet`: first), in every argument and broadcast shape
(`tests/rules/test_rules.py`). Where an argument is listed as "not", its derivative raises `MissingRule`;
integer and boolean arguments are never differentiated. `math` functions, operators and builtins stand for
the NumPy function of their name (`math.sin`, `abs`, `operator.mul`).

Complex numbers may appear inside of a function that takes and returns real ones (`np.fft`, products,
`np.abs`, `np.real`, `np.linalg.eig`). Refused with an error: `np.linalg.svd` and `np.linalg.qr` of
complex matrices, the extra columns of `svd(full_matrices=True)`. Eigenvectors and singular vectors have
derivatives where eigenvalues are distinct. At a kink the derivative is the mean of both sides (`abs` at
0, a tie of `maximum`); of a norm at zero it is zero. A slope that is infinite is returned as such
(`np.sqrt` at 0), but a path of the program on which another factor is 0 contributes nothing, in both
modes: `np.where(x > 0, np.sqrt(x), 0)` has the derivative 0 at 0 ([more](#at-kinks-and-singularities)).

Arguments are passed by value and results share no memory with anything: what a program does to its arrays
before, while or after it is differentiated changes no derivative, or raises. Gradients with respect to
arrays are arrays of their shape and precision, those with respect to numbers of any kind (0-d arrays too)
NumPy scalars. `float(x)`, and `float` of the text of a value, drop the derivative and warn;
`np.float64(text)` and text put together of several parts cannot tell.
"""

CREATING = """## Local arrays and writing

Inside of a differentiated function `np.zeros`, `np.empty`, `np.ones`, `np.full`, `np.array`, `np.copy`,
`zeros_like` and their like give arrays into which differentiated values can be written: by item, slice,
mask or integer places, through views and augmented assignment, by `np.copyto`, `np.put`,
`np.fill_diagonal`, `np.add.at` or `out=`. A write into an array from outside raises `UnsupportedWrite`.
"""

COMPILING = """## In compiled functions

`ad.jit` and the models of solvers read a function that is "written in differentiable functions" as they read
yours: what is above compiles, with the same value and derivative (`tests/rules/test_compiled_rules.py`),
your own `sciad.rule_table.composite` too. Refused, for some arguments at least, each for a reason:
"""

if __name__ == "__main__":
    PAGE.write_text(render())
