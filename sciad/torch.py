"""torch's side of the bridge: functions of NumPy as differentiable functions of tensors, and `odeint`.

    import sciad.torch

Nothing else of the package imports torch.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sciad.eager.traced import is_traced
from sciad.solvers import solve_ivp
from sciad.solvers.strict import failed_solves_raise
from sciad.solvers.warn import InterpretedModel
from sciad.transforms.custom import custom
from sciad.transforms.gradients import vjp
from sciad.tree import flatten, tree_map, unflatten

__all__ = ["function", "nested_tensors", "odeint", "weights"]


def function(f: Callable) -> Callable:
    """A function of numbers and arrays as a function of tensors, with gradients of all orders.

    Parameters
    ----------
    f : callable
        Plain NumPy, a compiled function (`sciad.jit`), anything with solves in it. Arguments and results are
        nested containers.

    Returns
    -------
    callable
        Takes nested containers with tensors among their leaves, returns tensors. What is no tensor of floats
        is passed on as it is. Computed in double precision; the result has the widest dtype of the tensors
        and lives where the first of them does.

    Examples
    --------
    >>> import numpy as np, torch, sciad.torch
    >>> norm = sciad.torch.function(lambda x: np.sqrt(np.sum(x**2)))
    >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> norm(x).backward()
    >>> x.grad
    tensor([0.6000, 0.8000])
    """

    def called(*args):
        leaves, structure = flatten(args)
        places = [k for k, x in enumerate(leaves) if isinstance(x, torch.Tensor) and x.is_floating_point()]
        rest = [_plain(x) for x in leaves]

        def of_arrays(*arrays):
            full = list(rest)
            for k, x in zip(places, arrays, strict=True):
                full[k] = x
            return f(*unflatten(structure, full))

        call = _Function(of_arrays)
        found = _Bridge.apply(call, *(leaves[k] for k in places))
        return unflatten(call.structure, found)

    return called


class _Function:
    """A function of a tuple of arrays and the structure of its result, once it has been called."""

    def __init__(self, f):
        self.f, self.structure = f, None

    def pulled(self, count: int) -> _Function:
        """The function ``(arguments, cotangents) -> cotangents of the arguments``."""

        def pull(*both):
            back = vjp(self.f, *both[:count])[1]
            return back(unflatten(self.structure, both[count:]))

        return _Function(pull)


class _Bridge(torch.autograd.Function):
    @staticmethod
    def forward(ctx, call, *tensors):
        arrays = [_array(x) for x in tensors]
        with failed_solves_raise():
            if any(ctx.needs_input_grad):
                out, ctx.pull = vjp(call.f, *arrays)
            else:
                out = call.f(*arrays)
        leaves, call.structure = flatten(out)
        ctx.call, ctx.count = call, len(leaves)
        ctx.save_for_backward(*tensors)
        like = _like(tensors)
        return tuple(torch.as_tensor(np.array(x, dtype=float)).to(**like) for x in leaves)

    @staticmethod
    def backward(ctx, *cotangents):
        tensors = ctx.saved_tensors
        if torch.is_grad_enabled():  # asked for by create_graph: this is to be differentiated in turn
            found = _Bridge.apply(ctx.call.pulled(len(tensors)), *tensors, *cotangents)
            return (None, *found)
        with failed_solves_raise():
            found = ctx.pull(unflatten(ctx.call.structure, [_array(g) for g in cotangents]))
        return (
            None,
            *(
                torch.as_tensor(np.array(g, dtype=float)).to(dtype=x.dtype, device=x.device)
                for g, x in zip(found, tensors, strict=True)
            ),
        )


def weights(module: torch.nn.Module) -> dict:
    """Parameters of a module as nested dicts by their names, for functions made by `function`.

    Gradients arrive at the module's own parameters: its optimiser trains them.

    Examples
    --------
    >>> import torch, sciad.torch
    >>> w = sciad.torch.weights(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh()))
    >>> w["0"]["weight"].shape
    torch.Size([3, 2])
    """
    made: dict = {}
    for name, tensor in module.named_parameters():
        *parents, last = name.split(".")
        place = made
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = tensor
    return made


def odeint(
    func: torch.nn.Module | Callable,
    y0: torch.Tensor,
    t: torch.Tensor,
    *,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    method: str = "Tsit5",
    **options: Any,
) -> torch.Tensor:
    """Solve ``dy/dt = func(t, y)``, as torchdiffeq's function of this name does.

    Parameters
    ----------
    func : torch.nn.Module, or a function of the two arguments without parameters
        ``func(t, y) -> dy/dt``. It is called at every stage, so it costs what torch costs; models in NumPy
        (`function` of `sciad.solvers.solve_ivp`) are compiled and some hundred times faster.
    y0 : tensor
        Of any shape.
    t : tensor (T,)
        Increasing or decreasing.
    rtol, atol, method, **options
        Of `sciad.solvers.solve_ivp`, stiff methods ("Rodas5P") and their adjoints included.

    Returns
    -------
    tensor (T, *y0.shape)
        Differentiable once in y0, t and the parameters of the module, by an adjoint of the solve.

    Raises
    ------
    ValueError
        If `func` captures tensors with gradients that are no parameters of a module.
    """
    names, tensors = [], []
    if isinstance(func, torch.nn.Module):
        names, tensors = (
            map(list, zip(*func.named_parameters(), strict=True)) if list(func.parameters()) else ([], [])
        )
    elif _captures(func, y0, t):
        raise ValueError(
            "func captures tensors that are to be differentiated, which odeint does not see: make it a "
            "torch.nn.Module with these as its parameters"
        )
    model = _model(func, names, {"dtype": y0.dtype, "device": y0.device})

    def solve(y0, t, *params):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InterpretedModel)
            sol = solve_ivp(
                model, (t[0], t[-1]), y0, method, t, args=tuple(params), rtol=rtol, atol=atol, **options
            )
        return np.moveaxis(sol.y, -1, 0)

    return function(solve)(y0, t, *tensors)


def _model(func, names, like):
    """The module as a model in NumPy."""

    def run(t, y, *params):
        if names:
            return (torch.func.functional_call(func, dict(zip(names, params, strict=True)), (t, y)),)
        return (func(t, y),)

    rules = _OfTorch(run, like).custom

    def model(t, y, *params):
        return rules(t, y, *params)[0]

    return model


class _OfTorch:
    """A function of tensors as one of arrays, with derivatives of all orders by torch.

    ``run(*tensors) -> tuple of tensors``. Derivatives that are differentiated in turn, as stiff methods do
    with Jacobians, are functions of this class again.
    """

    def __init__(self, run, like):
        self.run, self.like = run, like
        self.custom = custom(self.value, self.pushforward, self.pullback)
        self.custom.whole = True

    def tensors(self, arrays):
        return tuple(torch.as_tensor(np.array(x, dtype=float)).to(**self.like) for x in arrays)

    def value(self, *args):
        with torch.no_grad():
            return tuple(map(_array, self.run(*self.tensors(args))))

    def pushforward(self, args, tangents):
        dots = [np.zeros(np.shape(x)) if d is None else d for x, d in zip(args, tangents, strict=True)]
        if any(map(is_traced, (*args, *dots))):
            found = self.tangent.custom(*args, *dots)
            half = len(found) // 2
            return tuple(found[:half]), tuple(found[half:])
        out, dot = torch.func.jvp(self.run, self.tensors(args), self.tensors(dots))
        return tuple(map(_array, out)), tuple(map(_array, dot))

    def pullback(self, args):
        if any(map(is_traced, args)):
            return self.custom(*args), lambda gs: self.cotangent(len(args)).custom(*args, *gs)
        with torch.enable_grad():
            inputs = [x.requires_grad_() for x in self.tensors(args)]
            outs = self.run(*inputs)

        def pull(gs):
            if any(map(is_traced, gs)):
                return self.cotangent(len(args)).custom(*args, *gs)
            pairs = [(o, g) for o, g in zip(outs, self.tensors(gs), strict=True) if o.requires_grad]
            if not pairs:
                return (None,) * len(args)
            roots, seeds = zip(*pairs, strict=True)
            found = torch.autograd.grad(roots, inputs, seeds, retain_graph=True, allow_unused=True)
            return tuple(None if x is None else _array(x) for x in found)

        return tuple(map(_array, outs)), pull

    @functools.cached_property
    def tangent(self):
        def run(*both):
            half = len(both) // 2
            out, dot = torch.func.jvp(self.run, both[:half], both[half:])
            return (*out, *dot)

        return _OfTorch(run, self.like)

    @functools.cache  # noqa: B019  (as long-lived as the model)
    def cotangent(self, count: int):
        def run(*both):
            return torch.func.vjp(self.run, *both[:count])[1](tuple(both[count:]))

        return _OfTorch(run, self.like)


def _captures(func, y0, t) -> bool:
    with torch.enable_grad(), contextlib.suppress(Exception):
        return bool(func(t[0].detach(), y0.detach()).requires_grad)
    return False


def _array(x: torch.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().astype(float)


def _plain(x):
    return x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x


def _like(tensors) -> dict:
    if not tensors:
        return {"dtype": torch.get_default_dtype()}
    dtype = tensors[0].dtype
    for x in tensors[1:]:
        dtype = torch.promote_types(dtype, x.dtype)
    return {"dtype": dtype, "device": tensors[0].device}


def nested_tensors(tree: Any, **like: Any) -> Any:
    """Nested arrays as nested tensors, for instance weights from `sciad.nn`, which then can be trained."""
    return tree_map(lambda x: torch.tensor(np.asarray(x), **like), tree)
