"""Random programs whose control flow, names and arguments only the letter of Python decides: exits from
`else`, lists that grow in their loop, unbound names, scopes, chained and named assignment, defaults.
"""

from __future__ import annotations

from tests.problems.random_programs import Writer


class LanguageWriter(Writer):
    """Writes programs that may end in a NameError."""

    def exits(self, depth, loop):
        k, j = self.fresh("k"), self.fresh("k")
        head = self.rng.choice([f"for {j} in range({k} + 1):", f"for {j} in range(2):", "while"])
        self.add(depth, f"for {k} in range({self.rng.choice(['3', '4', 'n'])}):")
        if head == "while":
            self.add(depth + 1, f"{j} = 0", f"while {j} < {self.rng.randint(0, 3)}:", f"    {j} += 1")
        else:
            self.add(depth + 1, head)
        self.inner(depth + 2, 1, True)
        self.add(depth + 2, f"if {self.condition()}:", f"    {self.exit()}")
        self.inner(depth + 2, 1, True)
        self.add(depth + 1, "else:")
        self.inner(depth + 2, 1, True)
        if self.rng.random() < 0.7:
            self.add(depth + 2, f"if {self.condition()}:", f"    {self.exit()}")
        else:
            self.add(depth + 2, self.exit())
        self.inner(depth + 1, 1, True)
        self.otherwise(depth)

    def exit(self):
        return self.rng.choice(["break", "continue", "break", "continue", f"return {self.result()}"])

    def growing(self, depth, loop):
        q, e, k, s = self.fresh("q"), self.fresh("e"), self.fresh("k"), self.rng.choice(self.scalars)
        self.add(depth, f"{q} = [{self.leaf()}, {self.leaf()}, {self.leaf()}]")
        head = [f"for {e} in {q}:", f"for {k}, {e} in enumerate({q}):", f"for {e}, _ in zip({q}, {q}):"]
        head += [f"for {e} in reversed({q}):", f"for {e} in list({q}):"]
        change = [f"{q}[-1] = {self.leaf()}", f"{q}[0] += 0.5 * {e}", f"{q} = [0.5]"]
        change += [f"if len({q}) < 6: {q}.{m}" for m in (f"append(0.5 * {e})", f"insert(1, {self.leaf()})")]
        change += [f"if len({q}) > 2: {q}.pop()"]
        self.add(depth, self.rng.choice(head), f"    {s} = 0.5 * {s} + {e}", f"    {self.rng.choice(change)}")
        self.add(depth, f"{s} += 0.1 * sum({q}) + 0.01 * len({q})")

    def view(self, depth, loop):
        d, k, e, s = self.fresh("d"), self.fresh("k"), self.fresh("e"), self.rng.choice(self.scalars)
        self.add(depth, f'{d} = {{"a": {self.leaf()}, "b": {self.leaf()}}}', f"{k} = {d}.values()")
        self.add(depth, f"for _, {e} in {d}.items():", f"    {s} = 0.5 * {s} + {e}")
        self.add(depth, f'    {d}["{self.rng.choice("ab")}"] = {self.leaf()}', f"{s} += 0.1 * sum({k})")

    def unbound(self, depth, loop):
        u, s = self.fresh("u"), self.rng.choice(self.scalars)
        guard = self.condition()
        kind = self.rng.random()
        if kind < 0.4:
            self.add(depth, f"if {guard}:", f"    {u} = {self.scalar()}")
        elif kind < 0.7:
            self.add(depth, "for _ in range(3):", f"    if {guard}:", f"        {u} = {self.scalar()}")
        else:
            self.add(depth, f"{u} = {self.scalar()}", f"if not ({guard}):", f"    del {u}")
        use = f"{s} = 0.5 * {s} + {u}"
        form = self.rng.choice(["same", "same", "other", "function"])
        if form == "same":
            self.add(depth, f"if {guard}:", f"    {use}")
        elif form == "other":
            self.add(depth, f"if {self.condition()}:", f"    {use}")
        else:
            g = self.fresh("g")
            self.add(depth, f"{g} = lambda: 0.5 * {u}", f"if {guard}:", f"    {s} = {g}()")

    def chained(self, depth, loop):
        a, b, v = self.fresh("s"), self.rng.choice(self.scalars), self.vector_name()
        k = self.fresh("k")
        self.add(
            depth,
            *self.rng.choice(
                [
                    [f"{a} = {b} = {self.scalar()}", f"{b} += 0.5", f"{b} = {a} - 0.1 * {b}"],
                    [f"{a} = {v}[{self.index()}] = {self.scalar()}", f"{b} = {a}"],
                    [f"{k} = 1", f"{k}, {v}[{k}] = 0, {self.scalar()}", f"{b} += 0.1 * {k}"],
                    [f"{k} = 0", f"{k} = {v}[{k}] = 1", f"{b} += 0.1 * {k}"],
                ]
            ),
        )

    def scopes(self, depth, loop):
        y, e, s = self.fresh("y"), self.fresh("e"), self.rng.choice(self.scalars)
        items = f"[{self.leaf()}, {self.leaf()}]"
        self.add(
            depth,
            *self.rng.choice(
                [
                    [f"{y} = 0.1", f"{e} = sum([({y} := 0.5 * z) for z in {items}])", f"{s} = {e} + {y}"],
                    [f"{e} = sum([{s} * 0.5 for {s} in {items}])", f"{s} += 0.1 * {e}"],
                    [f"{e} = [lambda: 0.5 * z for z in {items}]", f"{s} = {e}[0]() + 0.1 * {s}"],
                    [f"{e} = [lambda z=z: 0.5 * z for z in {items}]", f"{s} = {e}[0]() + 0.1 * {s}"],
                    [f"{e} = sum([a * b for a in {items} for b in (0.1, a)])", f"{s} = 0.5 * {e}"],
                ]
            ),
        )

    def functions(self, depth, loop):
        g, h, s, t = self.fresh("g"), self.fresh("g"), self.rng.choice(self.scalars), self.fresh("s")
        nested = [f"{t} = {self.leaf()}", f"def {g}(a):"]
        if self.rng.random() < 0.5:
            nested += [
                f"    def {h}():",
                f"        nonlocal {t}",
                f"        {t} = 0.5 * {t} + a",
                f"    {h}()",
            ]
        else:
            nested += [f"    nonlocal {t}", f"    {t} = 0.5 * {t} + a"]
        nested += [f"    return {t}", f"{s} = {g}({self.leaf()}) - 0.5 * {g}({self.leaf()}) + {t}"]
        call = self.rng.choice(
            [f"{g}({{a}})", f"{g}({{a}}, {{b}}, c={{a}})", f"{g}(c={{b}}, a={{a}})", f"{g}(*[{{a}}])"]
        )
        call = call.format(a=self.leaf(), b=self.leaf())
        bound = [
            f"def {g}(a, b={self.leaf()}, *r, c={self.leaf()}, **o):",
            "    return 0.5 * a - 0.3 * b + 0.1 * c + sum(r) + len(o)",
            f"{s} = 0.5 * {s}",
            f"{s} = {s} + {call}",
        ]
        self.add(depth, *self.rng.choice([nested, bound]))

    simple = (*Writer.simple, chained, scopes, unbound, growing, view)
    nested = (*Writer.nested, exits, exits, exits, functions, functions, unbound, growing)
