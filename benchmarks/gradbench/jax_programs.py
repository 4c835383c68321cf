"""The evaluations in JAX, where it can express them: what is timed beside ours."""

import numpy as np

from benchmarks.gradbench.ba import CAMERA, POINT
from benchmarks.gradbench.evaluation import Timed


def functions(own: dict[str, dict[str, Timed]]) -> dict:
    """(evaluation, function) to a `Timed` that is prepared as `own` are; raises ImportError without JAX."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    from jax import lax

    def log_sum_exp(x):
        return jnp.max(x) + jnp.log(jnp.sum(jnp.exp(x - jnp.max(x))))

    def llsq(x, n):
        t = jnp.linspace(-1.0, 1.0, n)
        return 0.5 * jnp.sum((jnp.sign(t) - jnp.polyval(x[::-1], t)) ** 2)

    def ode(x, s):
        h = 2.0 / s

        def slope(y):
            return jnp.concatenate([x[:1], x[1:] * y[:-1]])

        def step(_, y):
            k1 = slope(y)
            k2 = slope(y + h * k1 / 2.0)
            k3 = slope(y + h * k2 / 2.0)
            k4 = slope(y + h * k3)
            return y + h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0

        return lax.fori_loop(0, s, step, jnp.zeros(len(x)))[-1]

    def cost(centroids, points):
        squares = jnp.sum(centroids**2, axis=1) - 2.0 * points @ centroids.T
        return jnp.sum(jnp.min(squares, axis=1)) + jnp.sum(points**2)

    def newton_step(centroids, points):
        slope = jax.grad(lambda c: cost(c, points))
        gradient, diagonal = jax.jvp(slope, (centroids,), (jnp.ones_like(centroids),))
        return gradient / diagonal

    def gmm(alpha, mu, q, l, x, gamma, m, fixed):
        (n, d), k = x.shape, len(alpha)
        columns, rows = np.triu_indices(d, 1)
        diagonals, sums = jnp.exp(q), jnp.sum(q, axis=1)
        triangles = jnp.zeros((k, d, d)).at[:, rows, columns].set(l)
        triangles = triangles.at[:, np.arange(d), np.arange(d)].set(diagonals)
        turned = jnp.einsum("kab,nkb->nka", triangles, x[:, None] - mu)
        terms = alpha + sums - 0.5 * jnp.sum(turned * turned, axis=2)
        total = jnp.sum(jax.nn.logsumexp(terms, axis=1))
        prior = 0.5 * gamma**2 * (jnp.sum(diagonals**2) + jnp.sum(l**2)) - m * jnp.sum(sums)
        return total - n * jax.nn.logsumexp(alpha) - prior + fixed

    def lstm(main, extra, state, sequence):
        b = extra.shape[1]

        def step(carried, pair):
            hidden, cell = carried
            x = pair[0] * extra[0]
            for k in range(len(main) // 2):
                weight, bias = main[2 * k], main[2 * k + 1]
                forget = jax.nn.sigmoid(x * weight[:b] + bias[:b])
                ingate = jax.nn.sigmoid(hidden[k] * weight[b : 2 * b] + bias[b : 2 * b])
                outgate = jax.nn.sigmoid(x * weight[2 * b : 3 * b] + bias[2 * b : 3 * b])
                change = jnp.tanh(hidden[k] * weight[3 * b :] + bias[3 * b :])
                cell = cell.at[k].set(cell[k] * forget + ingate * change)
                hidden = hidden.at[k].set(outgate * jnp.tanh(cell[k]))
                x = hidden[k]
            predicted = x * extra[1] + extra[2]
            normalized = predicted - jnp.log(jnp.sum(jnp.exp(predicted)) + 2.0)
            return (hidden, cell), jnp.sum(pair[1] * normalized)

        _, terms = lax.scan(step, (state[0::2], state[1::2]), (sequence[:-1], sequence[1:]))
        return -jnp.sum(terms) / ((len(sequence) - 1) * b)

    def error(unknowns, feature):
        cam, point = unknowns[:CAMERA], unknowns[CAMERA : CAMERA + POINT]
        rot, moved = cam[:3], point - cam[3:6]
        angle = jnp.sqrt(jnp.sum(rot**2))
        axis = rot / angle
        along = jnp.dot(axis, moved) * (1.0 - jnp.cos(angle))
        seen = moved * jnp.cos(angle) + jnp.cross(axis, moved) * jnp.sin(angle) + axis * along
        flat = seen[:2] / seen[2]
        squared = jnp.sum(flat**2)
        flat = flat * (1.0 + cam[9] * squared + cam[10] * squared**2)
        return unknowns[-1] * (flat * cam[6] + cam[7:9] - feature)

    blocks = jax.jit(jax.vmap(jax.jacfwd(error)))

    def ba_blocks(cams, points, weights, seen, features):
        unknowns = np.concatenate([cams[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)
        return np.asarray(blocks(unknowns, features))

    programs = {
        ("hello", "double"): jax.jit(jax.grad(lambda x: x * x)),
        ("lse", "gradient"): jax.jit(jax.grad(log_sum_exp)),
        ("llsq", "gradient"): jax.jit(jax.grad(llsq), static_argnums=1),
        ("ode", "gradient"): jax.jit(jax.grad(ode), static_argnums=1),
        ("kmeans", "dir"): jax.jit(newton_step),
        ("gmm", "jacobian"): jax.jit(jax.grad(gmm, argnums=(0, 1, 2, 3))),
        ("lstm", "jacobian"): jax.jit(jax.grad(lstm, argnums=(0, 1))),
    }

    def waited(program):
        return lambda *args: jax.block_until_ready(program(*args))

    timed = {key: own[key[0]][key[1]]._replace(call=waited(program)) for key, program in programs.items()}
    # the blocks of the Jacobian only: that they are put into a sparse matrix is not counted for JAX
    timed["ba", "jacobian"] = own["ba"]["jacobian"]._replace(call=ba_blocks, output=lambda found: found)
    return timed
