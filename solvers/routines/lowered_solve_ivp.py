"""``solve_ivp`` as a function of the compiled language: its arguments there, and what of them is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.lowerings import METHODS, lower
from sciad.compiler.functions.routine_calls import call_routine, flat, flat_size
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects import arrays, subscripts
from sciad.compiler.objects.kinds import Array, Host, ListBox, RecordBox, Small, is_array
from sciad.compiler.tracing.outlines import outline
from sciad.solvers.methods.names import method_named
from sciad.solvers.model.arguments import check_step_limits
from sciad.solvers.model.build_model import build_model
from sciad.solvers.ode.solve_ivp import solve_ivp, step_limit
from sciad.solvers.ode.traced_solve import SUCCESS
from sciad.solvers.routines.program_solution import ProgramSolution
from sciad.solvers.routines.solve_routine import SolveRoutine
from sciad.solvers.stepping.trajectory import Options
from sciad.solvers.suggestions import adjoint_given

OUTSIDE = "Call solve_ivp outside of the compiled function for that."


@lower(solve_ivp)
def lowered_solve_ivp(
    t,
    fun,
    t_span,
    y0,
    method="auto",
    t_eval=None,
    dense_output=False,
    events=None,
    vectorized=False,
    args=None,
    *,
    rtol=1e-3,
    atol=1e-6,
    first_step=None,
    max_step=math.inf,
    max_steps=None,
    tstops=None,
    jac=None,
    jac_sparsity=None,
    mass_matrix=None,
    controller=None,
    adjoint="auto",
    kinks=True,
    progress=False,
):
    """A solve as a call of machine code."""
    refused = {"events": events, "controller": controller, "jac_sparsity": jac_sparsity}
    for name, value in (refused | {"mass_matrix": mass_matrix}).items():
        if value is not None:
            raise Refusal(f"solve_ivp with {name} in a compiled function", OUTSIDE)
    if dense_output is True:
        raise Refusal("solve_ivp with dense_output in a compiled function", "Give the times as t_eval.")
    try:
        tableau = method_named(static(t, method, "method"))
    except ValueError as error:
        raise Refusal(str(error)) from error
    y0 = t.settled(t.as_array(y0))
    shape = y0.shape if is_array(y0) else ()
    if not arrays.static_shape(shape) or math.prod(shape) == 0:
        raise Refusal("an initial state of unknown or no length", "Give y0 a fixed length.")
    args = () if args is None else tuple(t.items(args))
    outlined = outline(t, fun, 2, args)
    model, _ = build_model(outlined.fun, shape, outlined.args, compiled_only=True)
    values = outlined.values + outlined.captured(t, model.function)
    control, sizes = _control(t, model.n, tableau, rtol, atol, first_step, max_step, tstops)
    most = static(t, max_steps, "max_steps")
    try:
        check_step_limits(1.0, 1.0, None, 1.0, most)
        options = Options(max_steps=step_limit(most), kinks=static(t, kinks, "kinks") is True)
        adjoint = adjoint_given(static(t, adjoint, "adjoint"), "solve_ivp")
    except (TypeError, ValueError) as error:
        raise Refusal(str(error)) from error
    if not getattr(adjoint, "of_steps", True) or type(adjoint).__name__ != "DiscreteAdjoint":
        raise Refusal(
            f"adjoint={adjoint} in a compiled function, which has the discrete adjoint only",
            "Leave adjoint away, or solve outside of the compiled function.",
        )
    t0, t1 = t.items(t_span, 2)
    ts, only_end = _times(t, t_eval, t1)
    count = flat_size(ts)
    routine = SolveRoutine(model, tableau, options, count, adjoint, *sizes)
    inputs = [flat(t, x) for x in ([t0, t1], [y0], values, ts, control)]
    (ys,) = call_routine(t, routine, [count * model.n], inputs)
    strides = (*arrays.row_major(t, shape), model.n)
    y = Array("T", ys.address, (*shape, count), strides, ys.alias)
    times = ts[0]
    if only_end:
        y, times = EndOnly(y), EndOnly(times)
    fields = {"t": times, "y": y, "status": 0, "success": True, "message": SUCCESS}
    return t.box(fields, cls=RecordBox, type_=ProgramSolution)


def _control(t, n: int, method, rtol, atol, first_step, max_step, tstops) -> tuple[list, tuple]:
    """What controls a solve, as its routine takes it, and how many tolerances and times to hit there are."""
    if first_step is None:
        first_step = 0.0 if getattr(method, "adaptive", True) else max_step
        if first_step == math.inf:
            raise Refusal(f"{method.name} has a fixed step: give it as first_step")
    found, sizes = [first_step, max_step], []
    for name, x in (("rtol", rtol), ("atol", atol)):
        x = t.settled(t.as_array(x))
        size = flat_size([x])
        if size not in (1, n):
            raise Refusal(f"{name} has {size} values, but y0 has {n}: give one number or as many")
        found.append(x)
        sizes.append(size)
    found = [_stopped(t, x) for x in found]
    stops = [] if tstops is None else [t.settled(t.as_array(tstops))]
    if stops and (is_array(stops[0]) and not arrays.static_shape(stops[0].shape)):
        raise Refusal("tstops of a length that is not known while compiling", "Give them a fixed length.")
    if not all(map(t.captured_only, stops)):
        raise Refusal(
            "tstops that are computed in a compiled function",
            "Give them as constants, or as an array from outside: solves have no derivative in them.",
        )
    stops = [_stopped(t, x) for x in stops]
    return found + stops, (*sizes, flat_size(stops))


def _stopped(t, x):
    """Numbers without their derivatives: a solve has none with respect to its tolerances."""
    if is_array(x):
        return t.settled(arrays.elementwise(t, t.builder.stop, x, kind="f"))
    return t.builder.stop(arrays.cast(t, x, "f"))


def _times(t, t_eval, t1) -> tuple[list, bool]:
    """Output times, and whether they are the end only because none were asked for."""
    if t_eval is None:
        return [arrays.small(t, (1,), [t1], "f")], True
    ts = t.settled(t.as_array(t_eval))
    if not is_array(ts) or len(ts.shape) != 1:
        raise Refusal("t_eval must be one-dimensional")
    if not arrays.static_shape(ts.shape):
        raise Refusal("t_eval of a length that is not known while compiling", "Give it a fixed length.")
    return [
        arrays.elementwise(t, lambda x: arrays.cast(t, x, "f"), ts, kind="f") if ts.kind != "f" else ts
    ], False


class EndOnly:
    """The outputs of a solve without t_eval: in a compiled function there is the last one."""

    described = "the outputs of a solve without t_eval (of which there is the last one only, as sol.y[:, -1])"

    def __init__(self, outputs):
        self.outputs = outputs  # at the end only


def _item(t, owner: EndOnly, key):
    x, keys = owner.outputs, key if isinstance(key, tuple) else (key,)
    if any(k is None or k is Ellipsis for k in keys[1:]) or keys[0] is None or len(keys) > len(x.shape):
        raise _not_last()
    if keys[0] is Ellipsis or len(keys) == len(x.shape):
        if type(keys[-1]) is not int or keys[-1] != -1:
            raise _not_last()
        return subscripts.get_item(t, x, key)
    return EndOnly(subscripts.get_item(t, x, key))


METHODS["EndOnly", "__getitem__"] = _item


def _not_last() -> Refusal:
    return Refusal(
        "without t_eval, compiled functions have the end of a solve only, as sol.y[:, -1] or sol.t[-1]",
        "Give the times as t_eval.",
    )


def static(t, x, name: str) -> Any:
    """An argument that has to be known while compiling."""
    x = t.settled(t.unwrapped(x))
    if isinstance(x, Host):
        t.captures.guard(x.path, "is", x.obj)
        return x.obj
    if isinstance(x, ListBox):
        return [static(t, e, name) for e in x.items()]
    if isinstance(x, tuple):
        return tuple(static(t, e, name) for e in x)
    if isinstance(x, RecordBox):
        return x.type(**{k: static(t, v, name) for k, v in x.slots.items()})
    if is_array(x):
        if isinstance(x, Array) and x.mem == "C":
            return t.constant_values(x)
        if isinstance(x, Small):
            cells = [x.box.slots[c] for c in x.cells]
            if not any(isinstance(c, Value) for c in cells):
                return np.array(cells).reshape(x.shape)
    if isinstance(x, Value) or is_array(x):
        raise Refusal(
            f"{name} of a solve depends on values",
            f"Give {name} as a constant, or as an argument that is compiled in (an int or a string).",
        )
    return x
