"""Random programs with the constructs that turn into others while compiling: exceptions, patterns, classes,
generators, comprehensions, sorting, tags.
"""

from __future__ import annotations

from tests.problems.random_language import LanguageWriter

_HEADER = """
class Cell:
    count = 0

    def __init__(self, value, weight=0.5):
        self.value, self.weight = value, weight

    def mix(self, other):
        self.value = self.weight * self.value + 0.3 * other
        return self.value

    @property
    def scaled(self):
        return self.weight * self.value

    def __add__(self, other):
        return Cell(self.value + (other.value if isinstance(other, Cell) else other), self.weight)

    def __lt__(self, other):
        return self.value < other.value

    def __call__(self, x):
        return np.tanh(self.value) * x


class Damped(Cell):
    def __init__(self, value):
        super().__init__(0.5 * value, 0.7)
        self.steps = 0

    def mix(self, other):
        self.steps += 1
        return super().mix(np.sin(other))


def positive(s):
    if s < 0.1:
        raise ValueError("not positive")
    return math.sqrt(s)


def terms(s, n):
    t = 1.0
    for k in range(n):
        yield t
        t = 0.5 * t * s + 0.1 * k

"""


class ConstructWriter(LanguageWriter):
    """Writes programs in the whole of the language."""

    def program(self):
        return _HEADER + super().program()

    def tries(self, depth, loop):
        s, kind = (
            self.rng.choice(self.scalars),
            self.rng.choice(["ValueError", "KeyError", "ZeroDivisionError"]),
        )
        self.add(depth, "try:")
        self.inner(depth + 1, 1, False)
        risk = self.rng.choice(
            [
                f"if {self.condition()}: raise {kind}('x')",
                f"{s} = positive({self.leaf()}) - 0.1",
                f"{s} = 0.1 * (1 // int(3 * np.tanh({self.leaf()})))",
                f"{s} += positive(0.3 + {self.leaf()}) * math.log(1.5 + {self.leaf()})",
                f"{s} = 0.2 * {{'a': {self.leaf()}}}['{self.rng.choice('ab')}']",
            ]
        )
        self.add(depth + 1, risk)
        self.inner(depth + 1, 1, False)
        if loop and self.rng.random() < 0.3:
            self.add(depth + 1, f"if {self.condition()}: {self.rng.choice(['break', 'continue'])}")
        if self.rng.random() < 0.15:
            self.add(depth + 1, f"if {self.condition()}: return {self.result()}")
        caught = self.rng.choice(
            ["ValueError", "(KeyError, ZeroDivisionError)", "ArithmeticError", "Exception"]
        )
        self.add(depth, f"except {caught}:")
        self.inner(depth + 1, 1, False)
        if caught != "Exception":
            self.add(depth, "except (LookupError, ValueError, ArithmeticError):")
            self.inner(depth + 1, 1, False)
        if self.rng.random() < 0.4:
            self.add(depth, "else:")
            self.inner(depth + 1, 1, False)
        if self.rng.random() < 0.4:
            self.add(depth, "finally:", f"    {s} = 0.9 * {s}")

    def matches(self, depth, loop):
        s, k = self.rng.choice(self.scalars), self.fresh("k")
        forms = [
            [
                f"{k} = int(3 * np.tanh({self.leaf()}))",
                f"match {k}:",
                "0",
                "1 | -1",
                f"_ if {self.condition()}",
            ],
            [f"{k} = ({self.leaf()}, {self.leaf()})", f"match {k}:", "(a, b) if a > b", "(a, _)", "_"],
            [f"{k} = 'up' if {self.condition()} else 'down'", f"match {k}:", "'up'", "'left'", "other"],
        ]
        first, head, *cases = self.rng.choice(forms)
        self.add(depth, first, head)
        for case in cases:
            self.add(depth + 1, f"case {case}:")
            self.inner(depth + 2, 1, loop)
            self.add(depth + 2, f"{s} = 0.5 * {s} + {self.leaf()}")

    def objects(self, depth, loop):
        c, s, k = self.fresh("c"), self.rng.choice(self.scalars), self.fresh("k")
        self.add(depth, f"{c} = {self.rng.choice(['Cell', 'Damped'])}({self.leaf()})")
        self.add(depth, f"for {k} in range({self.rng.choice(['2', '7', 'n'])}):")
        self.add(depth + 1, f"if {self.condition()}:", f"    {c}.mix({self.leaf()})")
        self.add(depth + 1, f"{c}.value = np.tanh({c}.value + 0.1 * {k})")
        use = [
            f"{c}.scaled",
            f"({c} + 0.5).value",
            f"({c} + {c}).value",
            f"{c}({self.leaf()})",
            f"{c}.weight",
        ]
        use += [f"(1.0 if {c} < Cell({self.leaf()}) else 0.5)"]
        self.add(depth, f"{s} = 0.5 * {s} + 0.3 * {self.rng.choice(use)}")

    def iterated(self, depth, loop):
        s, a, b = self.rng.choice(self.scalars), self.leaf(), self.leaf()
        items = f"[{a}, {b}, {self.leaf()}]"
        self.add(
            depth,
            f"{s} = 0.3 * "
            + self.rng.choice(
                [
                    f"sorted({items})[{self.rng.choice('012')}]",
                    f"sorted({items}, key=lambda e: -e * e)[0]",
                    f"max({items}, key=abs)",
                    f"min([({a}, {b}), ({b}, {a})], key=lambda p: p[0])[1]",
                    f"sum(terms({a}, 4))",
                    f"functools.reduce(lambda u, w: 0.5 * u - w, {items})",
                    f"sum(p * q for p, q in itertools.product({items}, [0.1, {a}]))",
                    f"list(itertools.accumulate({items}))[-1]",
                    f"sum(q - p for p, q in itertools.pairwise({items}))",
                    f"sum({{k: k * {a} for k in range(3)}}.values())",
                    f"len({{k % 2 for k in range(5)}}) * {a}",
                    f"{{**{{'a': {a}}}, 'b': {b}}}['a']",
                    f"functools.partial(smooth, {a})()",
                    f"(5 & 3) * {a}",
                    f"(int(9 * np.tanh({a})) & 3)",
                    f"(int(9 * np.tanh({a})) >> 1)",
                    f"(int(9 * np.tanh({a})) ^ 6)",
                ]
            ),
        )

    def tagged(self, depth, loop):
        t, s, k = self.fresh("t"), self.rng.choice(self.scalars), self.fresh("k")
        self.add(depth, f"{t} = 'up'", f"for {k} in range({self.rng.choice(['3', '9'])}):")
        self.add(depth + 1, f"if {t} == 'up':", f"    {s} = 0.7 * {s} + 0.2")
        self.add(
            depth + 2, f"if {self.condition()}:", f"    {t} = {self.rng.choice(['up', 'down', 'flat'])!r}"
        )
        self.add(
            depth + 1, "else:", f"    {s} = 0.5 * {s} - 0.1", f"    {t} = 'up' if {self.condition()} else {t}"
        )
        self.add(depth, f"{s} = {s} + {{'up': 0.1, 'down': 0.2, 'flat': {self.leaf()}}}[{t}]")

    simple = (*LanguageWriter.simple, iterated, iterated, iterated, iterated)
    nested = (*LanguageWriter.nested, tries, tries, tries, tries, matches, matches, objects, objects, tagged)
