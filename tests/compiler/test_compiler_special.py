"""Special functions in compiled code: SciPy's values, and the derivatives of the rule table."""

import linecache

import numpy as np
import pytest
import scipy.special as sp

import sciad as ad
import sciad.rules.scipy_special
from sciad import rule_table as table
from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import python_function
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.ir.verify import verify
from sciad.compiler.passes.pipeline import finish, optimize
from sciad.compiler.tracing.trace import Group, trace
from sciad.errors import UnsupportedSyntax
from sciad.native import scalar_functions, scipy_addresses
from tests.compiler.agree import follows_python
from tests.rules.rule_cases import _DOMAIN, BINARY, UNARY, Static

RECORDS = [
    record
    for fn, record in table.TABLE.items()
    if fn is record.fn and isinstance(fn, np.ufunc) and record.kind == "scalar" and fn.nout == 1
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.name)
def test_emitted_derivatives_of_every_rule(record):
    """The text of both derivatives runs and agrees with the eager core; what it calls exists natively."""
    fn = record.fn
    calls = _DOMAIN.get(fn, BINARY if fn.nin == 2 else [(x,) for x in UNARY])
    for call in [c for c in calls if all(np.shape(a) in ((), (3,)) for a in c if not isinstance(a, Static))][
        :2
    ]:
        args = [a.value if isinstance(a, Static) else np.asarray(a, float)[()] for a in call]
        active = [k for k, a in enumerate(call) if not isinstance(a, Static)]
        x = tuple(args[k] for k in active)
        f = _of_active(fn, args, active)
        try:
            primal = verify(optimize(trace(f, [Group("x", x, spread=True)]).program))
        except UnsupportedSyntax as error:
            assert "is not known" in str(error) or "is not compiled" in str(error)
            continue
        flat = np.concatenate([np.ravel(v) for v in x])
        dots = np.linspace(0.5, 1.5, flat.size)
        parts = np.split(dots, np.cumsum([np.size(v) for v in x])[:-1])
        tangents = tuple(d.reshape(np.shape(v))[()] for d, v in zip(parts, x, strict=True))
        want, want_dot = ad.jvp(f, x, tangents)
        out, out_dot, bar = np.zeros(np.size(want)), np.zeros(np.size(want)), np.zeros(flat.size)
        push, pull = (_runs(verify(d(primal))) for d in (pushforward, pullback))
        assert push(flat, dots, out, out_dot) == 0
        np.testing.assert_allclose(out_dot, np.ravel(want_dot), rtol=1e-9, atol=1e-12)
        assert pull(flat, np.ones(out.size), out, bar) == 0
        np.testing.assert_allclose(bar @ dots, np.sum(want_dot), rtol=1e-9)
        np.testing.assert_allclose(out, np.ravel(want), rtol=1e-12)


def _runs(program):
    text = emit(verify(finish(program)))
    assert all(hasattr(scalar_functions, f) or scipy_addresses.available(f) for f in text.functions)
    return python_function(text)


def _of_active(fn, args, active):
    """``fn`` of the active arguments, the others written out."""
    names = [f"x{k}" if k in active else repr(args[k]) for k in range(len(args))]
    text = f"f = lambda {', '.join(names[k] for k in active)}: fn({', '.join(names)})\n"
    place = f"<{fn.__name__}{names}>"
    linecache.cache[place] = (len(text), None, text.splitlines(True), place)
    space = {"fn": fn, "array": np.array}
    exec(compile(text, place, "exec"), space)
    return space["f"]


def several(x):
    q = 2.0 + x[2]
    out = [sp.gamma(q), sp.logit(0.3 * x[0]), np.logaddexp2(x[0], x[1]), sp.zeta(3.0, q), sp.digamma(q)]
    out += [sp.polygamma(2, q), sp.jv(2, q), sp.erfinv(0.5 * x[1]), sp.gammainc(1.7, q), sp.expn(3, q)]
    return np.array(out) * np.arange(1, 11)


def test_native_code_calls_them():
    x = np.array([0.6, 0.9, 1.1])
    fun = ad.jit(several)
    np.testing.assert_allclose(fun(x), several(x), rtol=1e-13)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(
            ad.jacobian(fun, mode=mode)(x), ad.jacobian(several)(x), rtol=1e-10, atol=1e-12
        )


def test_hurwitz_zeta_is_that_of_scipy():
    s, q = np.meshgrid([1.0, 1.1, 2.0, 3.5, 17.0, 300.0, np.inf], [1e-3, 0.7, 1.0, 8.0, 1e3, 1e9, -1.5, -2.0])
    with np.errstate(all="ignore"):
        found = [scipy_addresses.zeta(a, b) for a, b in zip(s.flat, q.flat, strict=True)]
        np.testing.assert_allclose(found, sp._ufuncs._zeta(s, q).ravel(), rtol=1e-14)


def combined(x):
    return (
        sp.logsumexp(x),
        sp.logsumexp(np.outer(x, x), axis=1),
        sp.softmax(3 * x),
        sp.log_softmax(x),
        sp.polygamma(0, x[0]),
        sp.zeta(2.0),
        sp.multigammaln(x[1] + 3, 2),
        sp.logsumexp(np.array([-np.inf, -np.inf]) + 0 * x[:2]),
    )


def test_functions_written_in_others():
    follows_python(combined, np.array([0.4, 0.8, 1.5]), rtol=1e-13)
