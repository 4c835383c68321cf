"""The gradients of the benchmark in other libraries, ready to be timed.

Each function of `PEERS` takes a `Problem` and returns `{name: call}`; a call returns the gradient with
respect to p (or raises, which is a result too). A library that is not installed raises ImportError; a
problem that is not put to a library is missing from what it returns.
"""

from types import SimpleNamespace

import numpy as np

from benchmarks.gradient_problems import Problem, retarget

MAX_STEPS = 4096  # of diffrax: several times what the forward solves take


def torchdiffeq(problem: Problem) -> dict:
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    torch.set_num_threads(1)
    module = SimpleNamespace(array=torch.stack, reshape=torch.reshape, tanh=torch.tanh)
    fun = retarget(problem.fun, module)
    y0, times = torch.tensor(problem.y0), torch.tensor(problem.times)
    target = None if problem.target is None else torch.tensor(problem.target)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.p = torch.nn.Parameter(torch.tensor(problem.p))

        def forward(self, t, y):
            return fun(t, y, self.p)

    model = Model()

    def gradient(solver):
        model.p.grad = None
        y = solver(model, y0, times, rtol=problem.rtol, atol=problem.atol, method="dopri5")
        problem.loss(y, target).backward()
        return model.p.grad.numpy().copy()

    return {
        "torchdiffeq backpropagation": lambda: gradient(odeint),
        "torchdiffeq adjoint": lambda: gradient(odeint_adjoint),
    }


def diffrax(problem: Problem) -> dict:
    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax
    import jax.numpy as jnp

    module = SimpleNamespace(array=jnp.stack, reshape=jnp.reshape, tanh=jnp.tanh)
    fun = retarget(problem.fun, module)
    term = diffrax.ODETerm(lambda t, y, p: fun(t, y, p))
    solver = {"Tsit5": diffrax.Tsit5, "Dopri5": diffrax.Dopri5}.get(problem.method, diffrax.Kvaerno5)()
    t0, t1 = problem.span

    def case(adjoint):
        def loss(p):
            solution = diffrax.diffeqsolve(
                *(term, solver, t0, t1, None, jnp.asarray(problem.y0), p),
                saveat=diffrax.SaveAt(ts=problem.times),
                stepsize_controller=diffrax.PIDController(rtol=problem.rtol, atol=problem.atol),
                adjoint=adjoint,
                max_steps=MAX_STEPS,
            )
            return problem.loss(solution.ys, problem.target)

        gradient = jax.jit(jax.grad(loss))
        p = jnp.asarray(problem.p)
        return lambda: np.asarray(gradient(p))

    return {
        "diffrax recursive checkpoints": case(diffrax.RecursiveCheckpointAdjoint()),
        "diffrax backsolve": case(diffrax.BacksolveAdjoint()),
    }


def heyoka(problem: Problem) -> dict:
    if problem.name != "LV":  # explicit Taylor series: not for stiff problems, and no network was written
        return {}
    import heyoka

    names = [f"y{i}" for i in range(len(problem.y0))]
    y, p = heyoka.make_vars(*names), [heyoka.par[i] for i in range(len(problem.p))]
    slopes = retarget(problem.fun, SimpleNamespace(array=list))(heyoka.time, y, p)
    n, m = len(y), len(p)
    system = heyoka.var_ode_sys(list(zip(y, slopes, strict=True)), args=p, order=1)
    integrator = heyoka.taylor_adaptive(
        system, problem.y0, pars=problem.p, tol=problem.rtol, compact_mode=False
    )
    start = integrator.state.copy()

    def gradient():
        integrator.time, integrator.state[:] = 0.0, start
        state = integrator.propagate_grid(problem.times)[-1]
        return 2 * np.einsum("ti,tij->j", state[:, :n], state[:, n:].reshape(-1, n, m))

    return {"heyoka variational equations": gradient}


def pydiffsol(problem: Problem) -> dict:
    if problem.y0.ndim > 1:  # its language would need the matrix products written out
        return {}
    import pydiffsol

    solver = pydiffsol.bdf if problem.stiff else pydiffsol.tsit45
    ode = pydiffsol.Ode(_diffsl(problem), matrix_type=pydiffsol.nalgebra_dense, ode_solver=solver)
    ode.rtol, ode.atol = problem.rtol, problem.atol

    def forward():
        solution = ode.solve_fwd_sens(problem.p, problem.times)
        return np.array([2 * np.sum(solution.ys * s) for s in solution.sens])

    def adjoint():
        solution, checkpoint = ode.solve_adjoint_fwd(problem.p, problem.times)
        return np.ravel(ode.solve_adjoint_bkwd(solution, checkpoint, 2 * solution.ys))

    return {"pydiffsol forward sensitivities": forward, "pydiffsol adjoint": adjoint}


class _Text:
    """An expression that writes itself down."""

    def __init__(self, text: str):
        self.text = text

    def __neg__(self):
        return _Text(f"(-{self.text})")

    def __pow__(self, exponent: int):
        return _Text(f"({' * '.join([self.text] * exponent)})")


def _binary(sign: str, reflected: bool):
    def method(self, other):
        pair = (_text(other), self.text) if reflected else (self.text, _text(other))
        return _Text(f"({pair[0]} {sign} {pair[1]})")

    return method


def _text(x) -> str:
    return x.text if isinstance(x, _Text) else repr(float(x))


for _name, _sign in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/")):
    setattr(_Text, f"__{_name}__", _binary(_sign, reflected=False))
    setattr(_Text, f"__r{_name}__", _binary(_sign, reflected=True))


def _diffsl(problem: Problem) -> str:
    """The model in diffsol's language."""
    y = [_Text(f"y{i}") for i in range(len(problem.y0))]
    p = [_Text(f"p{i}") for i in range(len(problem.p))]
    slopes = retarget(problem.fun, SimpleNamespace(array=list))(_Text("t"), y, p)
    inputs = ", ".join(f"{q.text} = {float(value)!r}" for q, value in zip(p, problem.p, strict=True))
    states = ", ".join(f"{q.text} = {float(value)!r}" for q, value in zip(y, problem.y0, strict=True))
    return f"in_i {{ {inputs} }}\nu_i {{ {states} }}\nF_i {{ {', '.join(q.text for q in slopes)} }}\n"


PEERS = {"torchdiffeq": torchdiffeq, "diffrax": diffrax, "heyoka": heyoka, "pydiffsol": pydiffsol}
