"""Random programs in the language that compiled functions accept, to check values and derivatives with.

``random_program(seed)`` returns ``(source, function, inputs)``: the text of ``f(x, A, c)``, the function, and
a vector, a matrix and a number to call it with.  Programs loop, branch, mutate items, slices and views
(overlapping ones and bare copies among them), alias, swap and reassign arrays, use lists, matrices and helper
functions, break, continue and return early.  Most values stay of moderate size; thresholds make them
piecewise smooth.  They always end.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import math
import random

import numpy as np

LENGTHS = (3, 5, 12)  # of vectors: short ones may be kept as scalars by the compiler, long ones are not


def random_program(seed: int, size: int = 9, writer: type | None = None):
    """A program of about `size` top-level statements; the same for the same seed."""
    writer = writer or Writer
    source = writer(random.Random(seed), size).program()
    filename = f"<random program {writer.__name__} {seed}.{size}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace: dict = {
        "__name__": "random_program",
        "np": np,
        "math": math,
        "itertools": itertools,
        "functools": functools,
    }
    exec(compile(source, filename, "exec"), namespace)
    rng = np.random.default_rng(seed)
    n = _length(seed)
    inputs = (rng.normal(size=n), rng.normal(size=(3, n)), float(rng.normal()))
    return source, namespace["f"], inputs


def _length(seed):
    return LENGTHS[seed % len(LENGTHS)]


class Writer:
    """Writes one program; `scalars`, `vectors`, `matrices`, `lists`, `ints` are the names in scope."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size
        self.lines: list[str] = []
        self.count = 0
        self.scalar_result = rng.random() < 0.5

    def program(self) -> str:
        r = self.rng
        n = None
        header = ["def helper(s, v):"] + r.choice(_HELPERS)
        self.lines = [*header, "", "def smooth(s):", "    return np.tanh(s) + 0.1 * s", "", "def f(x, A, c):"]
        self.scalars, self.vectors, self.matrices, self.lists, self.ints = ["c"], ["x"], ["A"], [], {}
        if r.random() < 0.8:
            self.add(1, "x = x.copy()")
        if r.random() < 0.8:
            self.add(1, "A = A.copy()")
        self.add(1, "n = len(x)", "s = 0.3 * c", "u = np.sin(x) + c", "w = np.zeros(n)", "v = u")
        self.scalars.append("s")
        self.vectors += ["u", "w", "v"]
        self.block(1, self.size, loop=False, n=n)
        self.add(1, f"return {self.result()}")
        return "\n".join(self.lines) + "\n"

    def result(self):
        if self.scalar_result:
            return (
                "c + s + sum("
                + " + ".join(f"{v} * np.arange(1, n + 1)" for v in "xuwv")
                + ") + (A * A).sum()"
            )
        return "np.array([c, s, x.sum(), u.sum(), w.sum(), v.sum(), x[0], u[-1], A[1, 1]])"

    def add(self, depth, *lines):
        self.lines += ["    " * depth + line for line in lines]

    def fresh(self, prefix):
        self.count += 1
        return f"{prefix}{self.count}"

    # ---------------------------------------------------------------------------- statements

    def block(self, depth, count, loop, n):
        for _ in range(count):
            choices = self.simple
            if depth < 4 and self.rng.random() < 0.45:
                choices = self.nested
            self.rng.choice(choices)(self, depth, loop)
        if loop and self.rng.random() < 0.3:
            word = self.rng.choice(["break", "continue"])
            self.add(depth, f"if {self.condition()}:", f"    {word}")
            self.rng.choice(self.simple)(self, depth, loop)

    def inner(self, depth, count, loop):
        """A block whose new names are forgotten after it."""
        saved = [list(x) for x in (self.scalars, self.vectors, self.matrices, self.lists)], dict(self.ints)
        self.block(depth, count, loop, None)
        (self.scalars, self.vectors, self.matrices, self.lists), self.ints = saved

    def assign(self, depth, loop):
        name = self.rng.choice(self.scalars) if self.rng.random() < 0.5 else self.fresh("s")
        self.add(depth, f"{name} = {self.scalar()}")
        if name not in self.scalars:
            self.scalars.append(name)

    def augment(self, depth, loop):
        op = self.rng.choice(["+=", "-=", "*="])
        right = self.scalar() if op != "*=" else f"np.cos({self.scalar()})"
        self.add(depth, f"{self.rng.choice(self.scalars)} {op} {right}")

    def item(self, depth, loop):
        op = self.rng.choice(["=", "+=", "-="])
        self.add(depth, f"{self.vector_name()}[{self.index()}] {op} {self.scalar()}")

    def vector(self, depth, loop):
        name = self.vector_name() if self.rng.random() < 0.6 else self.fresh("v")
        v = self.vector_name()
        right = self.rng.choice(
            [
                self.vector_expression(),
                self.vector_expression(),
                f"{v}.copy()",
                v,
                f"{v}[::-1]",
                f"A @ {v} @ A * 0.1",
            ]
        )
        self.add(depth, f"{name} = {right}")
        if name not in self.vectors:
            self.vectors.append(name)

    def swap(self, depth, loop):
        a, b = self.vector_name(), self.vector_name()
        self.add(depth, f"{a}, {b} = {b}, {a}")

    def slices(self, depth, loop):
        a, b = self.vector_name(), self.vector_name()
        if self.rng.random() < 0.5:
            b = a
        left, right = self.rng.choice(
            [
                (":-1", "1:"),
                ("1:", ":-1"),
                (":", "::-1"),
                ("1:-1", ":-2"),
                ("::-1", ":"),
                (":2", "-2:"),
                ("1:", ":0:-1"),
            ]
        )
        form = self.rng.choice(["{r}", "{r}", "0.5 * {r} + {s}", "np.tanh({r}) - {l}", "{r} * {s}"])
        op = self.rng.choice(["=", "=", "+="])
        left, right = f"{a}[{left}]", f"{b}[{right}]"
        self.add(depth, f"{left} {op} {form.format(r=right, l=left, s=self.leaf())}")

    def matrix(self, depth, loop):
        v, m = self.vector_name(), self.rng.choice(self.matrices)
        k = self.rng.choice(["0", "1", "2", "-1"])
        name = self.fresh("m")
        options = [
            [f"{m}[{k}] = {self.vector_expression()}"],
            [f"{m}[{k}, {self.index()}] += {self.scalar()}"],
            [f"{m}[:, {self.index()}] *= np.cos({self.leaf()})"],
            [f"{m}[1:] = {m}[:-1]"],
            [f"{m} *= 0.5"],
            [f"{v} = {m}[{k}]"],
            [f"{name} = 0.5 * {m} + np.outer({m} @ {v}, {self.vector_name()}) * 0.1"],
            [f"{name} = {m}.T.copy().T"],
            [f"{name} = {m}"],
        ]
        chosen = self.rng.choice(options)
        self.add(depth, *chosen)
        if chosen[0].startswith(f"{name} ="):
            self.matrices.append(name)

    def list(self, depth, loop):
        if not self.lists or self.rng.random() < 0.4:
            name = self.fresh("q")
            self.add(depth, f"{name} = [{self.scalar()}, {self.leaf()}, {self.leaf()}]")
            self.lists.append(name)
            return
        q = self.rng.choice(self.lists)
        self.add(
            depth,
            self.rng.choice(
                [
                    f"{q}[1] = {self.scalar()}",
                    f"{q}[0], {q}[2] = {q}[2], {q}[0]",
                    f"{self.rng.choice(self.scalars)} = sum([e * e for e in {q}]) * 0.1",
                    f"{self.vector_name()}[0] = {q}[-1]",
                    f"{q} = [np.sin(e) for e in {q}]",
                ]
            ),
        )

    def call(self, depth, loop):
        s = self.rng.choice(self.scalars)
        self.add(depth, f"{s} = helper({self.leaf()}, {self.vector_name()})")

    def reshaped(self, depth, loop):
        """Views and copies of matrices in other shapes, one written, both read."""
        m, r, s = self.rng.choice(self.matrices), self.fresh("r"), self.rng.choice(self.scalars)
        form = self.rng.choice(
            ["{m}.ravel()", "{m}.T.ravel()", "{m}.reshape(-1)", "{m}.T.reshape(-1)", "({m}.T * 0.5).ravel()"]
            + [
                "{m}[:, 1:].ravel()",
                "{m}[:, :1].reshape(-1)",
                "({m} + {m}).T.reshape(3, -1)[0]",
                "{m}.T[::2].T[0]",
            ]
        )
        self.add(
            depth,
            f"{r} = {form.format(m=m)}",
            f"{r}[{self.rng.choice(['0', '-1'])}] += {self.scalar()}",
            f"{s} = 0.1 * {r}.sum() + 0.1 * {m}.sum()",
        )

    def whole_number(self, depth, loop):
        k, s = self.fresh("k"), self.rng.choice(self.scalars)
        a, b, c = self.leaf(), self.rng.choice([-3, -2, 2, 3, 7]), self.rng.choice(["//", "%"])
        self.add(depth, f"{k} = int(9 * np.tanh({a})) {c} {b}", f"{s} = {s} * 0.5 + 0.1 * {k} * ({k} > 0)")

    def masked(self, depth, loop):
        v, op = self.vector_name(), self.rng.choice(["*=", "+=", "-=", "="])
        self.add(depth, f"{v}[{v} {self.rng.choice(['<', '>'])} {self.leaf()}] {op} {self.leaf()}")

    def named(self, depth, loop):
        s, n = self.rng.choice(self.scalars), self.fresh("s")
        self.add(depth, f"if ({n} := {self.scalar()}) > {self.leaf()}:", f"    {s} = 0.5 * {n}")

    def keyed(self, depth, loop):
        d, k, s = self.fresh("d"), self.fresh("k"), self.rng.choice(self.scalars)
        self.add(
            depth,
            f"{d} = {{}}",
            f"for {k} in range(2):",
            f'    {d}[f"a{{{k}}}"] = {self.scalar()} * ({k} + 1)',
            f'{s} = {d}["a0"] - {d}["a1"]',
        )

    simple = (assign, augment, item, vector, swap, slices, matrix, list, call)
    simple += (reshaped, whole_number, masked, named, keyed)

    def branch(self, depth, loop):
        self.add(depth, f"if {self.condition()}:")
        self.inner(depth + 1, self.rng.randint(1, 2), loop)
        if self.rng.random() < 0.3:
            self.add(depth, f"elif {self.condition()}:")
            self.inner(depth + 1, 1, loop)
        if self.rng.random() < 0.6:
            self.add(depth, "else:")
            self.inner(depth + 1, self.rng.randint(1, 2), loop)

    def count_loop(self, depth, loop):
        k = self.fresh("k")
        stop = self.rng.choice(["3", "7", "n", "n - 1", "0"])
        start = self.rng.choice(["", "", "1, "])
        self.add(depth, f"for {k} in range({start}{stop}):")
        saved = dict(self.ints)
        self.ints[k] = stop in ("n", "n - 1")
        self.inner(depth + 1, self.rng.randint(1, 3), True)
        self.ints = saved
        self.otherwise(depth)

    def otherwise(self, depth):
        """What runs if a loop ends without a break."""
        if self.rng.random() < 0.25:
            self.add(depth, "else:", f"    {self.rng.choice(self.scalars)} = {self.scalar()}")

    def item_loop(self, depth, loop):
        e, k = self.fresh("e"), self.fresh("k")
        v = self.vector_name()
        head = self.rng.choice(
            [f"for {e} in {v}:", f"for {k}, {e} in enumerate({v}):", f"for {e}, _ in zip({v}, x):"]
        )
        self.add(depth, head)
        saved = dict(self.ints)
        if k in head:
            self.ints[k] = True
        self.scalars.append(e)
        self.inner(depth + 1, self.rng.randint(1, 2), True)
        self.scalars.remove(e)
        self.ints = saved

    def while_loop(self, depth, loop):
        k = self.fresh("k")
        s = self.rng.choice(self.scalars)
        limit = self.rng.randint(1, 6)
        test = self.rng.choice(
            [f"{k} < {limit} and {s} < 2.0", f"{s} * {s} < 4.0 and {k} < {limit}", f"{k} < {limit}"]
        )
        self.add(depth, f"{k} = 0", f"while {test}:", f"    {k} += 1")
        self.ints[k] = False
        self.inner(depth + 1, self.rng.randint(1, 2), True)
        if self.rng.random() < 0.5:
            self.add(depth + 1, f"{s} = {s} + 0.5")
        self.ints.pop(k, None)
        self.otherwise(depth)

    def early_return(self, depth, loop):
        self.add(depth, f"if {self.leaf()} > 1.5:", f"    return {self.result()}")

    def views(self, depth, loop):
        v, k = self.fresh("v"), self.fresh("k")
        s = self.rng.choice(self.scalars)
        self.add(
            depth,
            f"{v} = {self.vector_name()}",
            f"for {k} in range(2):",
            f"    {v} = {v}[1:]",
            f"    {s} += 0.1 * {v}.sum()",
            f"    {v}[0] = np.sin({s})",
        )

    def local_function(self, depth, loop):
        g = self.fresh("g")
        s = self.rng.choice(self.scalars)
        body = self.rng.choice(
            [f"a * {s} + 1.0", f"np.sin(a) + {self.vector_name()}[0]", f"a if a > {s} else 0.5 * a"]
        )
        self.add(
            depth,
            f"{g} = lambda a: {body}",
            f"{self.rng.choice(self.scalars)} = {g}({self.leaf()}) - {g}(0.2)",
        )

    nested = (
        branch,
        branch,
        count_loop,
        count_loop,
        item_loop,
        while_loop,
        views,
        local_function,
        early_return,
    )

    # ---------------------------------------------------------------------------- expressions

    def vector_name(self):
        return self.rng.choice(self.vectors)

    def index(self):
        free = [k for k, inside in self.ints.items() if inside]
        if free and self.rng.random() < 0.5:
            return self.rng.choice(free)
        if self.ints and self.rng.random() < 0.5:
            k = self.rng.choice([*self.ints])
            return self.rng.choice([f"{k} % n", f"({k} + 1) % n", f"(2 * {k} + 1) % n", f"-1 - {k} % n"])
        return self.rng.choice(["0", "1", "2", "-1", "-2"])

    def leaf(self):
        options = [
            self.rng.choice(self.scalars),
            f"{self.vector_name()}[{self.index()}]",
            f"{self.rng.uniform(-1, 1):.2f}",
        ]
        if self.ints:
            options.append(f"0.1 * {self.rng.choice([*self.ints])}")
        if self.lists:
            options.append(f"{self.rng.choice(self.lists)}[{self.rng.choice(['0', '1', '-1'])}]")
        options.append(f"{self.rng.choice(self.matrices)}[{self.rng.choice('012')}, {self.index()}]")
        return self.rng.choice(options)

    def scalar(self):
        a, b = self.leaf(), self.leaf()
        v = self.vector_name()
        return self.rng.choice(
            [
                f"{a} * np.tanh({b})",
                f"np.sin({a}) - {b}",
                f"smooth({a}) + 0.3 * {b}",
                f"{a} / (1.5 + {b} * {b})",
                f"np.exp(-({a}) ** 2) * {b}",
                f"({a} if {self.condition()} else {b})",
                f"np.sqrt(1.0 + ({a}) ** 2)",
                f"np.maximum({a}, {b})",
                f"max({a}, 0.2 * {b})",
                f"np.tanh({v} @ {self.vector_name()})",
                f"np.tanh({v}.sum()) + {b}",
                f"np.mean({v} * {a})",
                f"abs({a}) * 0.5",
                f"np.log(2.0 + ({a}) ** 2)",
            ]
        )

    def vector_expression(self):
        u, v, a = self.vector_name(), self.vector_name(), self.leaf()
        return self.rng.choice(
            [
                f"0.5 * {u} + {a} * np.cos({v})",
                f"np.tanh({u} * {v})",
                f"np.where({u} > {a}, {u}, 0.5 * {v})",
                f"np.concatenate([{u}[1:], {v}[:1]])",
                f"{u} / (1.0 + {v} ** 2)",
                f"np.clip({u}, -1.0, 1.5) - {v}",
                "np.zeros_like(x)",
                f"np.array([np.sin(e) for e in {u}])",
                f"np.cumsum({u}) * 0.2",
                f"np.roll({u}, 1) + {a}",
            ]
        )

    def condition(self):
        a, b = self.leaf(), self.leaf()
        one = self.rng.choice([f"{a} > {b}", f"{a} < 0.5", f"-1.0 < {a} <= {b}", f"not {a} > 0.1"])
        if self.ints and self.rng.random() < 0.4:
            one = f"{self.rng.choice([*self.ints])} % 2 == 0"
        if self.rng.random() < 0.25:
            one += self.rng.choice([" and ", " or "]) + f"{self.leaf()} > -0.3"
        return one


_HELPERS = [
    ["    if s > 0.5:", "        return s * v[0]", "    return np.sin(s) + v[-1]"],
    ["    v[0] += 0.1 * s", "    return np.tanh(v.sum())"],
    [
        "    for k in range(len(v)):",
        "        if v[k] > 1.0:",
        "            return v[k] * 0.5",
        "        if k > 3:",
        "            break",
        "        s = s + 0.1 * v[k]",
        "    return s",
    ],
    [
        "    z = s",
        "    while abs(z * z * z + z - s) > 1e-8:",
        "        z -= (z * z * z + z - s) / (3 * z * z + 1)",
        "    return z",
    ],
    ["    r = v * s", "    r[1:] = r[:-1]", "    return np.tanh(r.mean()) + r[1]"],
]
