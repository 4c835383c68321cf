"""What a function sees of scipy.stats, scipy.optimize and scipy.integrate while it is differentiated.

Methods of distributions go to the rule table where an argument is traced.  Routines that call a function
until something is found have no derivative along the way: what to write instead is said where a traced value
comes in, as an argument or from the function they call.
"""

from __future__ import annotations

from functools import wraps

from sciad.eager.traced import call, holds_traced
from sciad.errors import MissingRule, NotDifferentiable
from sciad.rule_table import TABLE

_ROOT = "ad.root(function, guess) is a root with its derivative, of one equation or a system"
_MINIMUM = (
    "the minimum is where the gradient is zero: ad.root(ad.grad(function), guess), with the result of this "
    "routine for ad.stop_gradient of the parameters as the guess"
)
_SOLVE = "sciad.solvers.solve_ivp has derivatives with respect to all it is given"
_INTEGRAL = (
    "an integral is the last value of sciad.solvers.solve_ivp(lambda t, y: function(t), (a, b), [0.0]), or a "
    "sum over nodes: x, w = np.polynomial.legendre.leggauss(n)"
)
_FIT = "sciad.adjoints.gauss_newton, or ad.root of the gradient of the sum of squares"

INSTEAD = {
    "scipy.optimize": {
        **dict.fromkeys(
            "brentq brenth bisect ridder toms748 root_scalar root fsolve broyden1 broyden2 anderson "
            "newton_krylov".split(),
            _ROOT,
        ),
        "fixed_point": "ad.fixed_point(function, guess) has the derivative of the limit",
        **dict.fromkeys(
            "minimize minimize_scalar fmin fmin_bfgs fmin_cg fmin_l_bfgs_b fmin_powell fmin_tnc fmin_slsqp "
            "fmin_ncg fminbound brent golden basinhopping differential_evolution dual_annealing shgo "
            "linprog milp".split(),
            _MINIMUM,
        ),
        **dict.fromkeys(("least_squares", "leastsq", "curve_fit", "lsq_linear", "nnls"), _FIT),
    },
    "scipy.integrate": {
        **dict.fromkeys(("solve_ivp", "odeint", "ode", "solve_bvp"), _SOLVE),
        **dict.fromkeys("quad dblquad tplquad nquad quad_vec fixed_quad".split(), _INTEGRAL),
    },
}


def routine(module: str, name: str, fn):
    """A routine of SciPy that refuses traced values."""

    def refuse(where):
        raise NotDifferentiable(
            f"{module}.{name} met a value being differentiated, {where}, and does not know it. "
            f"Instead: {INSTEAD[module][name]}"
        )

    @wraps(fn)
    def run(*args, **kwargs):
        if any(map(holds_traced, (*args, *kwargs.values()))):
            refuse("among its arguments")
        seen: list = []

        def watched(function):
            if not callable(function) or isinstance(function, type):
                return function

            def calls(*inner, **options):
                value = function(*inner, **options)
                if holds_traced(value):
                    seen.append(True)
                    refuse("returned by the function it calls")
                return value

            return calls

        args = [watched(a) for a in args]
        try:
            return fn(*args, **{k: watched(a) for k, a in kwargs.items()})
        except Exception:
            if seen:  # some of SciPy's own code makes other errors of it
                refuse("returned by the function it calls")
            raise

    return run


class Distribution:
    """Stands for a distribution of scipy.stats."""

    def __init__(self, plain):
        self.plain = plain

    def __getattr__(self, name: str):
        found = getattr(self.plain, name)
        if not callable(found):
            return found

        @wraps(found)
        def method(*args, **kwargs):
            if any(map(holds_traced, (*args, *kwargs.values()))):
                record = TABLE.get(found)
                if record is None:
                    raise MissingRule(refusal(self.plain, name))
                return call(record, args, kwargs)
            return found(*args, **kwargs)

        return method

    def __call__(self, *args, **kwargs):
        if any(map(holds_traced, (*args, *kwargs.values()))):
            return Frozen(self, args, kwargs)
        return Frozen(self, args, kwargs, self.plain(*args, **kwargs))


class Frozen:
    """Stands for a distribution with its parameters given."""

    def __init__(self, distribution: Distribution, args: tuple, kwargs: dict, plain=None):
        self.distribution, self.plain = distribution, plain
        self.parameters = args, kwargs

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        args, kwargs = self.parameters
        plain = None if self.plain is None else getattr(self.plain, name)
        if plain is not None and not callable(plain):
            return plain

        def method(*points, **options):
            if plain is not None and not any(map(holds_traced, (*points, *options.values()))):
                return plain(*points, **options)
            return getattr(self.distribution, name)(*points, *args, **options, **kwargs)

        return method


def refusal(distribution, name: str) -> str:
    """What is said of a method without a derivative."""
    known = sorted(fn.__name__ for fn in TABLE if getattr(fn, "__self__", None) is distribution)
    which = f"differentiable are {', '.join(known)}" if known else "this distribution has none that is"
    return (
        f"scipy.stats.{getattr(distribution, 'name', None) or type(distribution).__name__}.{name} has no "
        f"derivative; {which}. Write its formula in NumPy and scipy.special"
    )


def distributions(namespace) -> list[str]:
    """Names of the distributions of scipy.stats."""
    kinds = (
        namespace["rv_continuous"],
        namespace["rv_discrete"],
        type(namespace["multivariate_normal"]).__mro__[1],
    )
    return [name for name, x in namespace.items() if isinstance(x, kinds)]


def thawed(frozen, namespace) -> Frozen | None:
    """The stand-in of a distribution that was given its parameters outside."""
    of = namespace.get(getattr(frozen.dist, "name", None))
    if of is None:
        return None
    return Frozen(Distribution(of), frozen.args, frozen.kwds, frozen)


def uncached(f, rebind):
    """A function under `functools.lru_cache`, called itself where an argument is traced: that has no hash."""

    @wraps(f)
    def run(*args, **kwargs):
        if any(map(holds_traced, (*args, *kwargs.values()))):
            return rebind(f.__wrapped__)(*args, **kwargs)
        return f(*args, **kwargs)

    return run


__all__ = ["INSTEAD", "Distribution", "Frozen", "distributions", "refusal", "routine", "thawed", "uncached"]
