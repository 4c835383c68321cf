"""Solvers of the work-precision diagrams: each returns `{name: solve}`, `solve(rtol) -> y at the end`.

Right-hand sides are as fast as each library lets its users have them: SciPy's are our own compiled ones,
CVODES' and diffsol's compiled by those libraries.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import scipy.integrate

import sciad as ad
from benchmarks.gradient_peers import _Text
from benchmarks.gradient_problems import retarget
from benchmarks.work_precision_problems import Problem
from sciad.solvers import solve_ivp

OWN = {
    False: ("Tsit5", "DOP853", "Vern9", "auto"),
    True: ("Rodas5P", "Rodas4", "Rosenbrock23", "KenCarp4", "auto"),
}
SCIPY = {False: ("RK45", "DOP853", "LSODA"), True: ("Radau", "BDF", "LSODA")}


def sciad(problem: Problem) -> dict:
    end = [problem.span[1]]

    def solver(method):
        def solve(rtol):
            return solve_ivp(
                problem.fun, problem.span, problem.y0, method, end, args=problem.args, rtol=rtol,
                atol=rtol * problem.atol,
            ).y[..., -1]  # fmt: skip

        return solve

    return {f"sciad {method}": solver(method) for method in OWN[problem.stiff]}


def scipy_methods(problem: Problem) -> dict:
    shape, args = problem.y0.shape, problem.args
    jitted = ad.jit(problem.fun)

    def fun(t, y):
        return jitted(float(t), y.reshape(shape), *args).ravel()

    def solver(method):
        options = {} if problem.sparsity is None or method == "LSODA" else {"jac_sparsity": problem.sparsity}

        def solve(rtol):
            return scipy.integrate.solve_ivp(
                fun, problem.span, problem.y0.ravel(), method, [problem.span[1]], rtol=rtol,
                atol=rtol * problem.atol, **options,
            ).y[:, -1]  # fmt: skip

        return solve

    return {f"SciPy {method}": solver(method) for method in SCIPY[problem.stiff]}


def cvodes(problem: Problem) -> dict:
    import casadi

    casadi.GlobalOptions.setNumpyMode(-1) if hasattr(casadi.GlobalOptions, "setNumpyMode") else None
    t = casadi.SX.sym("t")
    y = [casadi.SX.sym(f"y{i}") for i in range(problem.y0.size)]
    slopes = problem.fun(t, np.array(y, dtype=object).reshape(problem.y0.shape), *problem.args)
    system = {"x": casadi.vertcat(*y), "t": t, "ode": casadi.vertcat(*np.ravel(slopes))}
    made = {}

    def solve(rtol):
        if rtol not in made:
            options = {"reltol": rtol, "abstol": rtol * problem.atol, "max_num_steps": 1_000_000}
            if not problem.stiff:
                options |= {"linear_multistep_method": "adams", "nonlinear_solver_iteration": "functional"}
            made[rtol] = casadi.integrator("f", "cvodes", system, problem.span[0], [problem.span[1]], options)
        return np.ravel(made[rtol](x0=problem.y0.ravel())["xf"])

    return {"CasADi CVODES": solve}


def pydiffsol(problem: Problem) -> dict:
    if problem.y0.ndim > 1 or problem.y0.size > 20 or problem.fun.__name__ in ("pleiades", "arenstorf"):
        return {}  # its text would be very long, or has powers that its writer does not write
    import pydiffsol

    y = [_Text(f"y{i}") for i in range(problem.y0.size)]
    slopes = retarget(problem.fun, SimpleNamespace(array=list))(_Text("t"), y, *problem.args)
    states = ", ".join(f"{q.text} = {float(v)!r}" for q, v in zip(y, problem.y0, strict=True))
    code = f"in_i {{ k = 1.0 }}\nu_i {{ {states} }}\nF_i {{ {', '.join(q.text for q in slopes)} }}\n"
    solver = pydiffsol.bdf if problem.stiff else pydiffsol.tsit45
    ode = pydiffsol.Ode(code, matrix_type=pydiffsol.nalgebra_dense, ode_solver=solver)

    def solve(rtol):
        ode.rtol, ode.atol = rtol, rtol * problem.atol
        return ode.solve_dense(np.ones(1), np.array([problem.span[1]])).ys[:, -1]

    return {f"pydiffsol {'bdf' if problem.stiff else 'tsit45'}": solve}


def numbalsoda(problem: Problem) -> dict:
    times = np.array(problem.span)

    def solver(routine):
        def solve(rtol):
            return routine(problem.y0.ravel(), times, rtol, rtol * problem.atol)[-1]

        return solve

    routines = numbalsoda_routines(problem.fun, problem.y0.shape, problem.args)
    names = ("lsoda",) if problem.stiff else ("lsoda", "dop853")
    return {f"numbalsoda {name}": solver(routines[name]) for name in names}


def numbalsoda_routines(fun, shape, args) -> dict:
    """`routine(y0, times, rtol, atol) -> states (times, n)`, each calling our compiled right-hand side."""
    import numba
    import numbalsoda as package

    from sciad.native.intrinsics import call
    from sciad.solvers.model.build_model import build_model

    model, p = build_model(fun, shape, args)
    primal, work = model.address("primal"), np.zeros(model.work_size_of("primal"))
    n, m = model.n, len(p)

    @numba.cfunc(package.lsoda_sig)
    def rhs(t, u, du, data):
        numbers = numba.carray(data, m + work.size + 1)
        call(primal, (t, numba.carray(u, n), numbers[:m], numba.carray(du, n), numbers[m:]))

    data = np.concatenate([p, work, [0.0]])

    def routine(function):
        return lambda y0, times, rtol, atol: function(rhs.address, y0, times, data, rtol=rtol, atol=atol)[0]

    found = {"lsoda": routine(package.lsoda), "dop853": routine(package.dop853)}
    found["kept"] = rhs
    return found


PEERS = {
    "sciad": sciad,
    "scipy": scipy_methods,
    "casadi": cvodes,
    "pydiffsol": pydiffsol,
    "numbalsoda": numbalsoda,
}
