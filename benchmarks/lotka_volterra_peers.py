"""The Lotka-Volterra benchmark in other libraries: forward solves and gradients, ready to be timed.

Each function of `PEERS` returns `{kind: {name: call}}`, kind "forward" or "gradient"; a call returns the
outputs of shape (2, 101) or the gradient with respect to p. All settle the same problem: p, y0, 101
outputs on [0, 10], rtol = atol = 1e-6, loss sum(y**2). A library that is not installed raises
ImportError.
"""

import numpy as np

Y0 = np.array([1.0, 1.0])
P = np.array([1.5, 1.0, 3.0, 1.0])
TIMES = np.linspace(0.0, 10.0, 101)
TOL = 1e-6


def torchdiffeq() -> dict:
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    torch.set_num_threads(1)
    y0, times = torch.tensor(Y0), torch.tensor(TIMES)

    class LotkaVolterra(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.p = torch.nn.Parameter(torch.tensor(P))

        def forward(self, t, y):
            birth, predation, growth, death = self.p
            hare, lynx = y
            return torch.stack([birth * hare - predation * hare * lynx, growth * hare * lynx - death * lynx])

    model = LotkaVolterra()

    def forward():
        with torch.no_grad():
            return odeint(model, y0, times, rtol=TOL, atol=TOL, method="dopri5").numpy().T

    def gradient(solver):
        model.p.grad = None
        (solver(model, y0, times, rtol=TOL, atol=TOL, method="dopri5") ** 2).sum().backward()
        return model.p.grad.numpy()

    return {
        "forward": {"torchdiffeq dopri5": forward},
        "gradient": {
            "torchdiffeq backpropagation": lambda: gradient(odeint),
            "torchdiffeq adjoint": lambda: gradient(odeint_adjoint),
        },
    }


def diffrax() -> dict:
    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax
    import jax.numpy as jnp

    times, y0, p = jnp.asarray(TIMES), jnp.asarray(Y0), jnp.asarray(P)

    def model(t, y, p):
        return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])

    def solve(p, adjoint):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(model),
            diffrax.Tsit5(),
            0.0,
            10.0,
            None,
            y0,
            p,
            saveat=diffrax.SaveAt(ts=times),
            stepsize_controller=diffrax.PIDController(rtol=TOL, atol=TOL),
            adjoint=adjoint,
        ).ys

    def compiled(adjoint):
        gradient = jax.jit(jax.value_and_grad(lambda p: jnp.sum(solve(p, adjoint) ** 2)))
        return lambda: np.asarray(gradient(p)[1])

    forward = jax.jit(lambda p: solve(p, diffrax.RecursiveCheckpointAdjoint()))
    return {
        "forward": {"diffrax Tsit5": lambda: np.asarray(forward(p)).T},
        "gradient": {
            "diffrax recursive checkpoints": compiled(diffrax.RecursiveCheckpointAdjoint()),
            "diffrax backsolve": compiled(diffrax.BacksolveAdjoint()),
        },
    }


def heyoka() -> dict:
    import heyoka

    hare, lynx = heyoka.make_vars("hare", "lynx")
    p = [heyoka.par[i] for i in range(4)]
    model = [(hare, p[0] * hare - p[1] * hare * lynx), (lynx, p[2] * hare * lynx - p[3] * lynx)]
    plain = heyoka.taylor_adaptive(model, Y0, pars=P, tol=TOL)
    system = heyoka.var_ode_sys(model, args=p, order=1)
    variational = heyoka.taylor_adaptive(system, Y0, pars=P, tol=TOL, compact_mode=False)
    start = variational.state.copy()

    def forward():
        plain.time, plain.state[:] = 0.0, Y0
        return plain.propagate_grid(TIMES)[-1].T

    def gradient():
        variational.time, variational.state[:] = 0.0, start
        y = variational.propagate_grid(TIMES)[-1]
        sensitivities = y[:, 2:].reshape(len(TIMES), 2, 4)
        return 2 * np.einsum("ti,tij->j", y[:, :2], sensitivities)

    return {
        "forward": {"heyoka Taylor": forward},
        "gradient": {"heyoka variational equations": gradient},
    }


def pydiffsol() -> dict:
    import pydiffsol

    code = """
    in_i { a = 1.5, b = 1.0, c = 3.0, d = 1.0 }
    u_i { x = 1.0, y = 1.0 }
    F_i { a * x - b * x * y, c * x * y - d * y }
    """
    ode = pydiffsol.Ode(code, matrix_type=pydiffsol.nalgebra_dense, ode_solver=pydiffsol.tsit45)
    ode.rtol = ode.atol = TOL

    def forward():
        return ode.solve_dense(P, TIMES).ys

    def gradient():
        solution = ode.solve_fwd_sens(P, TIMES)
        return np.array([2 * np.sum(solution.ys * sensitivity) for sensitivity in solution.sens])

    return {
        "forward": {"pydiffsol tsit45": forward},
        "gradient": {"pydiffsol forward sensitivities": gradient},
    }


def scipy() -> dict:
    from scipy.integrate import solve_ivp

    def model(t, y):
        hare, lynx = y
        return [P[0] * hare - P[1] * hare * lynx, P[2] * hare * lynx - P[3] * lynx]

    def forward():
        return solve_ivp(model, (0.0, 10.0), Y0, "RK45", t_eval=TIMES, rtol=TOL, atol=TOL).y

    return {"forward": {"SciPy RK45": forward}}


PEERS = {
    "scipy": scipy,
    "torchdiffeq": torchdiffeq,
    "diffrax": diffrax,
    "heyoka": heyoka,
    "pydiffsol": pydiffsol,
}
