"""Adjoints are entered once: who names them, offers them or refuses them reads that."""

from dataclasses import dataclass

import numpy as np
import pytest

import sciad as ad
from sciad import adjoints
from sciad.adjoints import ADJOINTS, DiscreteAdjoint, serving
from sciad.solvers import solve_ivp, solve_sde, steady_state
from sciad.solvers.adjoint import Adjoint


def ordinary(adjoint):
    return solve_ivp(lambda t, y, k: -k * y, (0, 1), np.ones(1), "Tsit5", [1.0], args=(2.0,), adjoint=adjoint)


def stochastic(adjoint):
    return solve_sde(
        lambda t, y, k: -k * y,
        lambda t, y, k: 0.1 * y,
        (0, 1),
        np.ones(1),
        args=(2.0,),
        dt=0.5,
        adjoint=adjoint,
    )


def steady(adjoint):
    return steady_state(lambda t, y, k: 1.0 - k * y, np.ones(1), (2.0,), adjoint=adjoint)


SOLVERS = {"solve_ivp": ordinary, "solve_sde": stochastic, "steady_state": steady}


@pytest.mark.parametrize("name", ADJOINTS)
def test_every_adjoint_is_offered_and_serves_a_solver(name):
    adjoint = getattr(ad, name)
    assert adjoint is getattr(adjoints, name) and name in dir(ad) and name in dir(adjoints)
    assert issubclass(adjoint, Adjoint) and adjoint.serves and set(adjoint.serves) <= set(SOLVERS)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", ADJOINTS)
def test_solvers_take_the_adjoints_that_serve_them_only(name, solver):
    adjoint = getattr(ad, name)()
    if name in serving(solver):
        SOLVERS[solver](adjoint)
    elif solver != "solve_sde":  # which refuses them when it is differentiated
        with pytest.raises(TypeError, match=f"{name} is one for .*For {solver} there are: "):
            SOLVERS[solver](adjoint)


@dataclass(frozen=True)
class Doubled(Adjoint):
    """One of a user's own, in one place."""

    serves = ("solve_ivp",)

    def pullback(self, model, trajectory, p, gys, times, options):
        return DiscreteAdjoint().pullback(model, trajectory, p, 2.0 * gys, times, options)


def loss(k, adjoint="auto", weight=1.0):
    def fall(t, y, k):
        return -k * y

    sol = solve_ivp(fall, (0, 1), np.ones(1), "Tsit5", [1.0], args=(k,), rtol=1e-9, adjoint=adjoint)
    return weight * sol.y[0, 0]


def test_an_adjoint_of_ones_own_needs_nothing_but_its_class():
    assert np.isclose(ad.grad(loss)(2.0, Doubled()), -2.0 * np.exp(-2.0), rtol=1e-6)
    with pytest.raises(TypeError, match="Doubled is one for solve_ivp"):
        steady(Doubled())
    with pytest.raises(TypeError, match="which is the class"):
        ordinary(DiscreteAdjoint)


def test_errors_of_solvers_are_errors_of_the_package():
    assert issubclass(ad.SolverError, ad.SciadError) and issubclass(ad.SolverError, RuntimeError)
    with pytest.raises(ad.SolverError, match="is not finite but nan"):
        ad.grad(loss)(2.0, "auto", np.nan)
