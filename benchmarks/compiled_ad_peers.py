"""The programs of `compiled_ad.py` in JAX, where JAX can express them."""

import numpy as np

from benchmarks.compiled_ad_problems import STEPS, SWEEPS, TARGETS, WISHART, Problem


def jax_gradients(problems: dict[str, Problem]) -> dict:
    """Name to a function that computes value and gradient; raises ImportError without JAX."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax import lax

    def logistic(x, r):
        return lax.fori_loop(0, STEPS, lambda i, x: r * x * (1 - x) + 1e-3 * jnp.sin(x), x)

    def stencil(u, c=0.2):
        def sweep(i, u):
            return u.at[1:-1].set(u[1:-1] + c * (u[2:] - 2 * u[1:-1] + u[:-2]))

        return jnp.sum(lax.fori_loop(0, SWEEPS, sweep, u))

    def gmm(alphas, means, icf, x):
        n, d = x.shape
        rows, columns = np.tril_indices(d, -1)
        place = {(b, a): k for k, (a, b) in enumerate((a, b) for a in range(d) for b in range(a + 1, d))}
        order = np.array([place[row, column] for row, column in zip(rows, columns, strict=True)])
        diagonals = jnp.exp(icf[:, :d])
        factors = jnp.zeros((len(alphas), d, d)).at[:, rows, columns].set(icf[:, d:][:, order])
        factors = factors + jnp.vectorize(jnp.diag, signature="(d)->(d,d)")(diagonals)
        q = jnp.einsum("kab,nkb->nka", factors, x[:, None] - means[None])
        main = alphas + jnp.sum(icf[:, :d], axis=1) - 0.5 * jnp.sum(q * q, axis=2)
        total = jnp.sum(jax.nn.logsumexp(main, axis=1)) - n * jax.nn.logsumexp(alphas)
        prior = 0.5 * (jnp.sum(diagonals**2) + jnp.sum(icf[:, d:] ** 2)) - len(alphas) * WISHART
        return total - 0.5 * n * d * jnp.log(2 * jnp.pi) + prior

    def mlp(y, p):
        return jnp.sum(jnp.tanh((y**3) @ p["w1"].T + p["b1"]) @ p["w2"].T + p["b2"])

    def lotka_volterra(y, p):
        both = y[0] * y[1]
        return p[0] * y[0] - p[1] * both + p[2] * both - p[3] * y[1]

    functions = {
        "a logistic": logistic,
        "c stencil": stencil,
        "c stencil, c too": stencil,
        "d gmm": gmm,
        "e mlp": mlp,
        "f lotka_volterra": lotka_volterra,
    }

    def case(name):
        args = problems[name].args
        gradient = jax.jit(jax.value_and_grad(functions[name], tuple(range(len(args)))))
        arguments = jax.tree.map(jnp.asarray, args)
        return lambda: jax.block_until_ready(gradient(*arguments))

    return {name: case(name) for name in functions if name in problems}


def jax_refusal() -> str:
    """What JAX's reverse mode says to a loop that runs until a value is reached."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def newton(a):
        def root(i, carry):
            z, s = carry
            target = a + 1e-4 * i
            z = lax.while_loop(
                lambda z: jnp.abs(z + 0.5 * jnp.sin(z) - target) > 1e-12,
                lambda z: z - (z + 0.5 * jnp.sin(z) - target) / (1 + 0.5 * jnp.cos(z)),
                z,
            )
            return z, s + z

        return lax.fori_loop(0, TARGETS, root, (a, 0.0))[1]

    try:
        return f"gives {jax.grad(newton)(0.7)}"
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
