"""The compiler's transforms on programs written directly in IR, run by the reference interpreter."""

import numpy as np
import pytest

from sciad.compiler.backend.emit import emit
from sciad.compiler.backend.module import native_address, python_function, trampoline
from sciad.compiler.derivatives.jacobian import jacobian
from sciad.compiler.derivatives.pullback import pullback
from sciad.compiler.derivatives.pushforward import pushforward
from sciad.compiler.ir import interpret
from sciad.compiler.ir.builder import Builder
from sciad.compiler.ir.nodes import Address, Block, Carried, If, Input, Loop, Phi, Program, Value
from sciad.compiler.ir.verify import verify
from sciad.compiler.passes.pipeline import finish, optimize


def at(*terms):
    address = Address()
    for x in terms:
        address = address + x
    return address


def straight(b, x):
    b.store("out", at(0), np.sin(x[0]) * x[1] + x[2])
    b.store("out", at(1), np.exp(x[0] * x[1]) / (1.0 + x[2] * x[2]))


def branch(b, x):
    then, orelse = Block(), Block()
    with b.into(then):
        t = np.exp(x[0]) * x[1]
    with b.into(orelse):
        e = x[0] * x[0] + x[2]
    out, y = Value("f", "out"), Value("f", "y")
    b.emit(If(x[0] < x[1], then, orelse, [Phi(out, t, e), Phi(y, x[1], 2.0)]))
    b.store("out", at(0), out * y)


def counted(b, x):
    z, zo, i = Value("f", "z"), Value("f", "z"), Value("i", "i", 0)
    body = Block()
    with b.into(body):
        nxt = x[1] * z * (1.0 - z) + 0.1 * np.sin(z) * b.to_float(i)
    b.emit(Loop(body, [Carried(z, x[0], nxt, zo)], i, 7))
    b.store("out", at(0), zo * x[2])


def newton(b, x):
    """A while loop in a counted loop: z + sin(z)/2 = a for shifting a, from the last root."""
    z, zo, a, ao, i = Value("f", "z"), Value("f", "z"), Value("f", "a"), Value("f", "a"), Value("i", "i", 0)
    body, pre, inner = Block(), Block(), Block()
    with b.into(body):
        target = a + 0.1 * x[1]
        w, wo = Value("f", "w"), Value("f", "w")
        with b.into(pre):
            residual = w + 0.5 * np.sin(w) - target
            cond = abs(residual) > 1e-12
            with b.into(inner):
                wn = w - residual / (1.0 + 0.5 * np.cos(w))
        b.emit(Loop(inner, [Carried(w, z, wn, wo)], pre=pre, cond=cond))
    b.emit(Loop(body, [Carried(z, x[0], wo, zo), Carried(a, x[2], target, ao)], i, 4))
    b.store("out", at(0), zo * zo)
    b.store("out", at(1), ao)


def arrays(b, x):
    """In-place stencil with two buffers that swap."""
    n = 6
    k = b.program.new_class()
    u0, w0 = b.alloc(n, k), b.alloc(n, k)
    for j in range(n):
        b.store("T", at(u0, j), np.cos(x[0] * float(j)), k)
        b.store("T", at(w0, j), x[1], k)
    u, w, uo, wo, s = (Value("i", name, 0) for name in ("u", "w", "u", "w", "s"))
    body, inner = Block(), Block()
    q = Value("i", "q", 0)
    with b.into(body), b.into(inner):
        mid, left, right = (b.load("T", at(u, q, d), k) for d in (1, 0, 2))
        b.store("T", at(w, q, 1), mid + x[2] * (left - 2.0 * mid + right), k)
    body.append(Loop(inner, index=q, count=n - 2, parallel=True))
    b.emit(Loop(body, [Carried(u, u0, w, uo), Carried(w, w0, u, wo)], s, 3))
    for j in range(n):
        b.store("out", at(j), b.load("T", at(uo, j), k) ** 2)


def leaving(b, x):
    """A counted loop left early, a branch in it, an array made in every iteration, a prefix sum over it."""
    total, to, i = Value("f", "total"), Value("f", "total"), Value("i", "i", 0)
    body, then, orelse, inner = Block(), Block(), Block(), Block()
    k = b.program.new_class()
    with b.into(body):
        v = b.alloc(4, k, zero=True)
        for j in range(4):
            b.store("T", at(v, j), np.exp(-x[j % 3] * total), k, add=True)
        with b.into(then):
            t = total + b.load("T", at(v, 2), k) * x[1]
        with b.into(orelse):
            e = total + np.sin(b.load("T", at(v, 1), k))
        phi = Value("f", "next")
        b.emit(If(total > 0.5, then, orelse, [Phi(phi, t, e)]))
        q = Value("i", "q", 0)
        with b.into(inner):
            before = b.load("T", at(v, q), k)
            b.store("T", at(v, q, 1), before * before, k, add=True)
        b.emit(Loop(inner, index=q, count=3))
        nxt = phi + 0.01 * b.load("T", at(v, 3), k)
        stop = nxt > 2.5
    b.emit(Loop(body, [Carried(total, x[0], nxt, to)], i, 20, stop=stop))
    b.store("out", at(0), to)
    b.store("out", at(0), x[2] * to * 0.5, add=True)


PROGRAMS = {
    f.__name__: (f, n)
    for f, n in [(straight, 2), (branch, 1), (counted, 1), (newton, 2), (arrays, 6), (leaving, 1)]
}
POINTS = [np.array([0.3, 1.7, 0.6]), np.array([1.2, 0.7, -0.4]), np.array([0.9, 2.6, 0.11])]


def build(name):
    function, n_out = PROGRAMS[name]
    program = Program(name, [Input("x", 3)], n_out, Block())
    with Builder(program.body) as b:
        b.program = program
        function(b, [b.load("x", at(j), name="abc"[j]) for j in range(3)])
    return verify(program)


def evaluate(program, **inputs):
    memory = {g.name: np.zeros(g.size) for g in program.parameters}
    memory.update({k: np.array(v, float) for k, v in inputs.items()})
    interpret.execute(program, memory)
    return memory


def close(a, b, tol):
    return np.max(np.abs(a - b)) <= tol * (1.0 + np.max(np.abs(b)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_hand_built_programs(name):
    primal = build(name)
    forward, reverse = verify(pushforward(primal)), verify(pullback(primal))
    second = verify(pushforward(reverse))
    rng = np.random.default_rng(0)
    for x in POINTS:
        f = lambda x: interpret.run(primal, x)  # noqa: E731
        dx, g, dg = rng.normal(size=3), rng.normal(size=primal.n_out), rng.normal(size=primal.n_out)
        h = 1e-6
        central = (f(x + h * dx) - f(x - h * dx)) / (2 * h)
        push = evaluate(forward, x=x, x_dot=dx)
        pull = evaluate(reverse, x=x, out_bar=g)
        assert close(push["out"], f(x), 0.0) and close(pull["out"], f(x), 0.0)
        assert close(push["out_dot"], central, 1e-7)
        assert close(pull["x_bar"] @ dx, g @ push["out_dot"], 1e-12)
        again = evaluate(reverse, x=x, out_bar=g, x_bar=np.ones(3))
        assert close(again["x_bar"], pull["x_bar"] + 1.0, 1e-12)
        both = evaluate(second, x=x, out_bar=g, x_dot=dx, out_bar_dot=dg)
        assert close(both["x_bar"], pull["x_bar"], 1e-13) and close(both["out_dot"], push["out_dot"], 1e-13)
        plus, minus = (evaluate(reverse, x=x + s * h * dx, out_bar=g + s * h * dg)["x_bar"] for s in (1, -1))
        assert close(both["x_bar_dot"], (plus - minus) / (2 * h), 2e-7)


@pytest.mark.parametrize("name", PROGRAMS)
def test_emitted_text_computes_what_the_interpreter_does(name):
    primal = build(name)
    size = 3 * primal.n_out
    shared = verify(optimize(primal))
    reverse = pullback(shared)
    for program in (primal, pushforward(shared), reverse, pushforward(reverse), jacobian(shared, "x")):
        text = emit(verify(finish(verify(program))))
        rng = np.random.default_rng(1)
        inputs = {g.name: rng.normal(size=g.size) for g in program.inputs}
        for x in POINTS:
            inputs["x"] = x
            expected = evaluate(program, **inputs)
            found = {g.name: np.array(inputs.get(g.name, np.zeros(g.size))) for g in program.parameters}
            assert python_function(text)(*found.values()) == 0
            for g in program.parameters:
                assert close(found[g.name], expected[g.name], 1e-14), g
            if "J" in found:
                push = pushforward(primal)
                columns = [evaluate(push, x=x, x_dot=e)["out_dot"] for e in np.eye(3)]
                assert close(found["J"], np.array(columns).T.ravel(), 1e-14) and found["J"].size == size


def test_native_code_computes_what_the_interpreter_does():
    for name in ("newton", "leaving", "arrays"):
        reverse = pullback(build(name))
        for program in (reverse, pushforward(reverse)):
            text = emit(program)
            rng = np.random.default_rng(1)
            inputs = {g.name: rng.normal(size=g.size) for g in program.inputs}
            for x in POINTS:
                inputs["x"] = x
                expected = evaluate(program, **inputs)
                found = {g.name: np.array(inputs.get(g.name, np.zeros(g.size))) for g in program.parameters}
                work = np.empty(text.layout.work_size + 1)
                address = native_address(text)
                assert trampoline("a" * (len(found) + 1))(address, *found.values(), work) == 0
                for g in program.parameters:
                    assert close(found[g.name], expected[g.name], 1e-12), g
