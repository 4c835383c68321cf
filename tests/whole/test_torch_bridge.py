"""Functions of NumPy in torch: gradients of two orders, training, `odeint` beside torchdiffeq's."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import sciad as ad  # noqa: E402
import sciad.torch as bridge  # noqa: E402
from sciad import nn  # noqa: E402
from sciad.solvers import solve_ivp  # noqa: E402

DOUBLE = {"dtype": torch.float64}
RATES = torch.tensor([1.5, 1.0, 3.0, 1.0], requires_grad=True, **DOUBLE)
START = torch.ones(2, requires_grad=True, **DOUBLE)


def lotka_volterra(t, y, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def solution(p, y0):
    sol = solve_ivp(lotka_volterra, (0, 2), y0, "Tsit5", [1.0, 2.0], args=(p["r"],), rtol=1e-8, atol=1e-8)
    return {"y": sol.y, "sum": np.sum(sol.y)}


FUNCTIONS = {
    "solve": (lambda r, y: bridge.function(solution)({"r": r}, y)["y"], (RATES, START)),
    "number": (bridge.function(lambda x: np.sum(np.sin(x) ** 2)), (START,)),
    "compiled": (bridge.function(ad.jit(lambda x, y: np.exp(x) * y[0])), (RATES, START)),
    "one of two": (
        lambda x: bridge.function(lambda x, y: x * np.cumsum(y))(x, torch.ones(4, **DOUBLE)),
        (RATES,),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_two_orders(name):
    f, inputs = FUNCTIONS[name]
    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs)


def test_third_order():
    x = torch.tensor(0.7, requires_grad=True, **DOUBLE)
    y = bridge.function(lambda x: np.sin(x) * x)(x)
    for expected in (
        np.sin(0.7) + 0.7 * np.cos(0.7),
        2 * np.cos(0.7) - 0.7 * np.sin(0.7),
        -3 * np.sin(0.7) - 0.7 * np.cos(0.7),
    ):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected, rel=1e-12)


def test_single_precision_and_other_arguments_pass():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = bridge.function(lambda x, k, name: x[k] * len(name))(x, torch.tensor(1), "abc")
    assert y.dtype == torch.float32 and y.item() == 6.0
    y.backward()
    assert x.grad.tolist() == [0.0, 3.0] and x.grad.dtype == torch.float32


def test_failures_are_errors():
    f = bridge.function(
        lambda k: solve_ivp(lambda t, y, k: k * y * y, (0, 1), np.ones(1), "Tsit5", [1.0], args=(k,)).y
    )
    with pytest.raises(ad.SolverError):
        f(torch.tensor(3.0, **DOUBLE))


def test_a_module_of_torch_is_trained_through_a_model_of_ours():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    y0, times = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([0.0, 0.5, 1.0])
    target = np.stack([y0 * np.exp(-t) for t in times], axis=-1)

    def loss(w):
        layers = [{"weight": x["weight"].T, "bias": x["bias"]} for x in (w["0"], w["2"])]
        sol = solve_ivp(
            lambda t, y, w: nn.mlp(w, y), (0, 1), y0, "Tsit5", times, args=(layers,), rtol=1e-6, atol=1e-6
        )
        return np.mean((sol.y - target) ** 2)

    f, optimiser, losses = bridge.function(loss), torch.optim.Adam(net.parameters(), lr=0.02), []
    for _ in range(80):
        optimiser.zero_grad()
        value = f(bridge.weights(net))
        value.backward()
        optimiser.step()
        losses.append(value.item())
    assert losses[-1] < 0.02 * losses[0]
    ours = bridge.nested_tensors(nn.mlp_weights(np.random.default_rng(0), (2, 3)), requires_grad=True)
    assert ours[0]["weight"].requires_grad and ours[0]["weight"].shape == (2, 3)


class Field(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.net = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()

    def forward(self, t, y):
        return self.net(y) * torch.cos(t)


@pytest.mark.parametrize("method", ["Tsit5", "Rodas5P", "auto"])
def test_odeint_is_that_of_torchdiffeq(method):
    torchdiffeq = pytest.importorskip("torchdiffeq")
    field, y0 = Field(), torch.randn(3, 2, requires_grad=True, **DOUBLE)
    t = torch.linspace(0, 1, 4, requires_grad=True, **DOUBLE)
    ours = bridge.odeint(field, y0, t, method=method, rtol=1e-9, atol=1e-9)
    theirs = torchdiffeq.odeint(field, y0, t, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    wanted = [y0, t, *field.parameters()]
    for a, b in zip(*(torch.autograd.grad((y**3).sum(), wanted) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5)


def test_odeint_of_a_stiff_equation():
    """Relaxation with a rate of 10^6 onto a slow motion: where explicit methods underflow."""

    class Stiff(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rate = torch.nn.Parameter(torch.tensor(1e6, **DOUBLE))
            self.slow = torch.nn.Parameter(torch.tensor(0.5, **DOUBLE))

        def forward(self, t, y):
            return torch.stack([-self.slow * y[0], -self.rate * (y[1] - y[0])])

    model = Stiff()
    t = torch.tensor([0.0, 1.0, 2.0], **DOUBLE)
    y = bridge.odeint(model, torch.tensor([1.0, 0.0], **DOUBLE), t, method="Rodas5P", rtol=1e-8, atol=1e-8)
    assert y[-1, 0].item() == pytest.approx(np.exp(-1), rel=1e-6)
    y[-1, 1].backward()
    assert model.slow.grad.item() == pytest.approx(-2 * np.exp(-1), rel=1e-4)


def test_odeint_backwards_and_what_it_refuses():
    y = bridge.odeint(lambda t, y: -y, torch.ones(1, **DOUBLE), torch.tensor([1.0, 0.0], **DOUBLE))
    assert y[-1].item() == pytest.approx(np.e, rel=1e-6)
    k = torch.tensor(2.0, requires_grad=True, **DOUBLE)
    with pytest.raises(ValueError, match=r"torch\.nn\.Module"):
        bridge.odeint(lambda t, y: -k * y, torch.ones(1, **DOUBLE), torch.tensor([0.0, 1.0], **DOUBLE))
