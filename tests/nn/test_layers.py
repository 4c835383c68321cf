"""Networks: formulas by hand and by torch, gradients, compiled and in models."""

import numpy as np
import pytest
from scipy.special import erf

import sciad as ad
from sciad import nn
from sciad.solvers import solve_ivp
from sciad.tree import tree_leaves, tree_map

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
H = RNG.normal(size=(4, 5))
GRU = nn.gru_weights(RNG, 3, 5)
MLP = nn.mlp_weights(RNG, (3, 8, 6, 2))
NORM = {"scale": RNG.normal(size=3), "shift": RNG.normal(size=3)}
CONVEX = nn.convex_weights(RNG, 3, (6, 5))
NETS = {
    "dense": (nn.dense, nn.dense_weights(RNG, 3, 2), X),
    "mlp": (nn.mlp, MLP, X),
    "mlp silu": (lambda w, x: nn.mlp(w, x, nn.silu), MLP, X),
    "mlp of one": (nn.mlp, MLP, X[0]),
    "mlp of many": (nn.mlp, MLP, RNG.normal(size=(2, 2, 3))),
    "layer norm": (nn.layer_norm, NORM, X),
    "gru": (lambda w, x: nn.gru(w, H, x), GRU, X),
    "convex": (nn.convex, CONVEX, X),
    "radial": (lambda w, x: nn.radial_basis(x, w["c"], w["s"]), {"c": RNG.normal(size=(5, 3)), "s": 0.7}, X),
    "fourier": (lambda w, x: nn.fourier(x, w), 0.3 * RNG.normal(size=(3, 4)), X),
    "softmax": (lambda w, x: nn.softmax(x @ w), RNG.normal(size=(3, 4)), X),
}
ACTIVATIONS = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "relu": lambda x: np.where(x > 0, x, 0),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_and_compiled_values(name):
    net, w, x = NETS[name]
    loss = lambda w, x: np.sum(np.sin(net(w, x)))  # noqa: E731
    ad.check_grads(loss, (w, x), order=1)
    compiled = ad.jit(net)(w, x)
    np.testing.assert_allclose(compiled, net(w, x), rtol=1e-12, atol=1e-14)
    eager, native = ad.grad(loss, (0, 1))(w, x), ad.grad(ad.jit(loss), (0, 1))(w, x)
    for a, b in zip(tree_leaves(eager), tree_leaves(native), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    f, x = getattr(nn, name), np.array([-5.0, -0.7, 0.3, 2.0])
    np.testing.assert_allclose(f(x), ACTIVATIONS[name](x), rtol=1e-12)
    np.testing.assert_allclose(ad.jit(f)(x), f(x), rtol=1e-13)
    ad.check_grads(lambda x: np.sum(f(x) ** 2), (x,), order=2 if name not in ("relu", "elu") else 1)
    far = np.array([-1e3, 1e3])
    assert np.isfinite(f(far)).all() and np.isfinite(ad.grad(lambda x: np.sum(f(x)))(far)).all()


def test_softmax_of_large_numbers():
    np.testing.assert_allclose(nn.softmax(np.array([[1e3, 1e3, -1e3]])), [[0.5, 0.5, 0.0]])


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (nn.glorot_normal, 2 / 500),
        (nn.glorot_uniform, 2 / 500),
        (nn.he_normal, 2 / 200),
        (nn.lecun_normal, 1 / 200),
        (nn.orthogonal, 1 / 300),
        (nn.zeros, 0.0),
    ],
)
def test_initial_weights_have_their_variance(init, variance):
    w = init(np.random.default_rng(1), 200, 300)
    assert w.shape == (200, 300) and np.var(w) == pytest.approx(variance, rel=0.03)
    if init is nn.orthogonal:
        np.testing.assert_allclose(w @ w.T, np.eye(200), atol=1e-12)
        tall = init(np.random.default_rng(1), 5, 3)
        np.testing.assert_allclose(tall.T @ tall, np.eye(3), atol=1e-13)


def test_layer_norm_normalises():
    y = nn.layer_norm(nn.layer_norm_weights(50), RNG.normal(3.0, 2.0, size=(7, 50)), eps=0.0)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(-1), 1, rtol=1e-12)


def test_gru_and_layer_norm_are_those_of_torch():
    torch = pytest.importorskip("torch")
    cell = torch.nn.GRUCell(3, 5, dtype=torch.float64)
    order = ("reset", "update", "candidate")
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor(np.concatenate([GRU[k]["input"].T for k in order])))
        cell.weight_hh.copy_(torch.tensor(np.concatenate([GRU[k]["state"].T for k in order])))
        cell.bias_ih.zero_()
        cell.bias_hh.zero_()
        # torch multiplies the reset gate after the product with the state: the same where it is constant
        theirs = cell(torch.tensor(X), torch.zeros(4, 5, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(nn.gru(GRU, np.zeros((4, 5)), X), theirs, rtol=1e-12)
    norm = torch.nn.functional.layer_norm(
        torch.tensor(X), (3,), torch.tensor(NORM["scale"]), torch.tensor(NORM["shift"])
    ).numpy()
    np.testing.assert_allclose(nn.layer_norm(NORM, X), norm, rtol=1e-12)


def test_gru_by_hand():
    w = tree_map(lambda x: np.ravel(x)[0], nn.gru_weights(np.random.default_rng(2), 1, 1))
    as_arrays = {
        k: {"input": np.array([[v["input"]]]), "state": np.array([[v["state"]]]), "bias": np.zeros(1)}
        for k, v in w.items()
    }
    h, x = 0.4, -0.3
    s = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    r = s(w["reset"]["input"] * x + w["reset"]["state"] * h)
    u = s(w["update"]["input"] * x + w["update"]["state"] * h)
    c = np.tanh(w["candidate"]["input"] * x + w["candidate"]["state"] * r * h)
    np.testing.assert_allclose(
        nn.gru(as_arrays, np.array([h]), np.array([x])), [u * h + (1 - u) * c], rtol=1e-13
    )


def test_a_convex_network_is_convex():
    a, b = RNG.normal(size=(200, 3)) * 3, RNG.normal(size=(200, 3)) * 3
    middle = nn.convex(CONVEX, 0.3 * a + 0.7 * b)
    assert np.all(middle <= 0.3 * nn.convex(CONVEX, a) + 0.7 * nn.convex(CONVEX, b) + 1e-12)


def test_a_network_is_a_model():
    """Any shape of y0; the gradient of a solve with respect to all weights against differences."""
    w = nn.mlp_weights(np.random.default_rng(3), (3, 7, 3))
    y0 = np.random.default_rng(4).normal(size=(5, 3))

    def loss(w):
        sol = solve_ivp(
            lambda t, y, w: nn.mlp(w, y), (0, 1), y0, "Tsit5", [0.5, 1.0], args=(w,), rtol=1e-8, atol=1e-8
        )
        return np.sum(sol.y**2)

    ad.check_grads(loss, (w,), order=1, rtol=1e-4)


def test_energy_is_kept():
    """H = p^2/2 + 1 - cos q: the field from its gradient moves along its levels."""
    gradient = lambda y: np.stack([np.sin(y[..., 0]), y[..., 1]], axis=-1)  # noqa: E731
    field = nn.hamiltonian_field(gradient)
    y = solve_ivp(field, (0, 20), np.array([1.0, 0.5]), "DOP853", rtol=1e-10, atol=1e-10).y
    energy = 0.5 * y[1] ** 2 + 1 - np.cos(y[0])
    assert np.ptp(energy) < 1e-7
    np.testing.assert_allclose(nn.hamiltonian_field(gradient)(0.0, np.array([0.3, 2.0])), [2.0, -np.sin(0.3)])


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="sizes of its input"):
        nn.mlp_weights(RNG, (3,))


def test_what_a_field_captures_is_read_anew():
    """A closure made by the package captures the user's function, and that an array which changes later."""
    stiffness = np.array([1.0])
    field = nn.hamiltonian_field(lambda y: np.concatenate([stiffness * y[:1], y[1:]]))
    inner = lambda t, y: field(t, y)  # noqa: E731
    compiled = ad.jit(lambda y: field(0.0, y))
    for value in (1.0, 4.0):
        stiffness[0] = value
        np.testing.assert_allclose(compiled(np.array([1.0, 2.0])), [2.0, -value])
        y = solve_ivp(inner, (0, 1), np.array([1.0, 0.0]), "Tsit5", rtol=1e-9, atol=1e-9).y[0, -1]
        assert y == pytest.approx(np.cos(np.sqrt(value)), abs=1e-7)
