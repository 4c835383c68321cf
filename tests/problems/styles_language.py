"""Functions of one number in the styles of people who know the language: exceptions, patterns, generators,
itertools, texts, bits."""

# ruff: noqa: B905, RUF007, SIM, UP031

import contextlib
import functools
import itertools
import math
import operator
import warnings

import numpy as np

MODE = "fast"


def match_text(x):
    match MODE:
        case "slow":
            return x
        case "fast" | "faster":
            return 2.0 * x
        case _:
            return 3.0 * x


def match_number(x):
    total = 0.0
    for k in range(5):
        match k:
            case 0:
                total += x
            case 1 | 2:
                total += x * x
            case n if n > 3:
                total += n * x
            case other:
                total -= other
    return total


def match_sequence(x):
    def area(shape):
        match shape:
            case ["circle", r]:
                return math.pi * r * r
            case ["box", a, b]:
                return a * b
            case []:
                return 0.0
            case [_, *rest]:
                return sum(rest)

    return area(("circle", x)) + area(["box", x, 2.0]) + area([]) + area(["other", 1.0, x, x])


def match_mapping(x):
    def rate(reaction):
        match reaction:
            case {"kind": "decay", "rate": k}:
                return k * x
            case {"kind": "source", **rest}:
                return rest["value"]
        return 0.0

    return rate({"kind": "decay", "rate": 0.3}) + rate({"kind": "source", "value": x}) + rate({})


def match_on_values(x):
    match x > 1.0:
        case True:
            return x * x
        case False:
            return x


def try_division(x):
    try:
        y = 1.0 / (int(x) - 1)
    except ZeroDivisionError:
        y = 2.0 * x
    return y + x


def try_division_of_floats(x):
    try:
        y = 1.0 / (x - 1.3)
    except ZeroDivisionError:
        y = 100.0 * x
    return y


def try_domain(x):
    try:
        y = math.sqrt(1.0 - x)
    except ValueError:
        y = -x
    return y


def try_overflow(x):
    try:
        return math.exp(1000.0 * x)
    except OverflowError:
        return x * x


def raised_and_caught(x):
    def check(v):
        if v > 1.0:
            raise ValueError("too large")
        return v

    try:
        return check(x)
    except ValueError:
        return check(0.5 * x)


def finally_runs(x):
    log = []
    try:
        log.append(x)
        y = x * x
    finally:
        log.append(2.0)
    return y + sum(log)


def try_else(x):
    total = 0.0
    for k in range(3):
        try:
            y = 1.0 / k
        except ZeroDivisionError:
            total -= x
        else:
            total += y * x
        finally:
            total += 0.5
    return total


def retry_loop(x):
    step = 4.0 * x
    for _ in range(6):
        try:
            if step > x:
                raise RuntimeError(f"step {step} is too long")
            break
        except RuntimeError:
            step *= 0.5
    return step


def own_exception(x):
    class_ = TooFar
    try:
        if x > 1.0:
            raise class_("far")
        return x
    except (KeyError, TooFar):
        return 10.0 * x


class TooFar(Exception):
    pass


def key_error(x):
    table = {"a": x}
    total = 0.0
    for name in ("a", "b"):
        try:
            total += table[name]
        except KeyError:
            total += 7.0
    return total


def with_errstate(x):
    with np.errstate(divide="ignore"):
        y = np.log(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = y + x
    return y


def with_nothing(x):
    with contextlib.nullcontext(), np.printoptions(precision=3):
        x = x * 2.0
    return x


def set_comprehension(x):
    degrees = {k % 3 for k in range(7)}
    return sum(x**d for d in degrees) + len(degrees)


def dict_comprehension(x):
    rates = {name: k * x for k, name in enumerate(["a", "b", "c"]) if name != "b"}
    return rates["a"] + rates["c"]


def merged_dicts(x):
    defaults = {"k": 1.0, "n": 2.0}
    options = {**defaults, "k": x}
    both = defaults | {"n": x}
    return options["k"] ** options["n"] + both["n"]


def generator_expression(x):
    return sum(x**k / math.factorial(k) for k in range(6))


def generator_function(x):
    def powers(n):
        term = 1.0
        for _ in range(n):
            yield term
            term *= x

    return sum(powers(4)) + max(powers(3)) + list(powers(2))[-1]


def generator_in_a_loop(x):
    def pairs(v):
        for a, b in zip(v[:-1], v[1:]):
            yield a, b + 0.0

    total = 0.0
    for a, b in pairs([x, 2.0 * x, 5.0]):
        total += (b - a) ** 2
    return total


def yield_from(x):
    def both():
        yield from (x, 2.0)
        yield from [k * x for k in range(2)]

    return sum(both())


def any_and_all(x):
    values = [x, x - 1.0, 2.0 * x]
    if any(v < 0.0 for v in values):
        return -x
    return x if all(v > 0.1 for v in values) else 0.5 * x


def sorted_by_key(x):
    points = [(2.0, x), (1.0, 3.0), (x, 1.0)]
    ordered = sorted(points, key=lambda p: p[0])
    return ordered[0][1] + 10.0 * ordered[1][1] + 100.0 * ordered[2][1]


def sorted_values(x):
    s = sorted([3.0, x, 1.0, 2.0 * x], reverse=True)
    return s[0] + 10.0 * s[1] + 100.0 * s[3]


def max_by_key(x):
    candidates = [x, -2.0, 0.5 * x]
    best = max(candidates, key=abs)
    nearest = min(candidates, key=lambda c: (c - 1.0) ** 2)
    return best + 10.0 * nearest + max(x, 1.0, key=lambda v: -v)


def argmin_in_a_list(x):
    costs = [(x - 1.0) ** 2, (x - 2.0) ** 2, 0.3]
    return min(range(3), key=costs.__getitem__) + min(costs) + costs.index(0.3)


def partial_and_reduce(x):
    def power(a, n):
        return a**n

    square = functools.partial(power, n=2)
    return functools.reduce(lambda a, b: a * 0.5 + square(b), [x, 2.0, x], 1.0)


def reduce_with_operator(x):
    return functools.reduce(operator.mul, [x, x, 3.0]) + operator.add(x, 1.0)


def products(x):
    return sum(a * b for a, b in itertools.product([x, 1.0], [2.0, x])) + sum(
        i * j * x for i, j in itertools.product(range(2), repeat=2)
    )


def accumulated(x):
    running = list(itertools.accumulate([x, 2.0, x]))
    best = list(itertools.accumulate([x, 2.0, x], max))
    return running[-1] + running[1] + best[1]


def pairs(x):
    v = [x, 2.0 * x, 5.0]
    return sum(b - a for a, b in itertools.pairwise(v)) + sum(
        (a - b) ** 2 for a, b in itertools.combinations(v, 2)
    )


def chained(x):
    together = list(itertools.chain([x], (2.0, x), [1.0]))
    longest = list(itertools.zip_longest([x, 2.0], [1.0], fillvalue=0.5))
    return sum(together) + longest[1][1] * longest[1][0] + sum(itertools.chain.from_iterable([[x], [x]]))


def sliced_iterators(x):
    first = list(itertools.islice([x, 2.0, 3.0], 2))
    repeated = list(itertools.repeat(x, 3))
    return sum(first) + sum(repeated) + sum(itertools.starmap(operator.mul, [(x, 2.0), (x, x)]))


def enumerated_and_zipped(x):
    total = 0.0
    for k, (a, b) in enumerate(zip([x, 2.0], [3.0, x]), start=1):
        total += k * a * b
    return total + sum(map(lambda a, b: a - b, [x, x], [1.0, 2.0]))


def filtered(x):
    kept = list(filter(lambda k: k % 2 == 0, range(6)))
    return sum(x * k for k in kept) + sum(v for v in filter(None, [1.0, 0.0, 2.0])) * x


def tags(x):
    kind = "linear" if x > 1.0 else "constant"
    if kind == "linear":
        return 2.0 * x
    return 3.0


def tag_in_a_loop(x):
    state = "up"
    y = 0.0
    for _ in range(20):
        if state == "up":
            y += x
            if y > 3.0:
                state = "down"
        else:
            y -= 0.5 * x
            if y < 1.0:
                state = "up"
    return y


def texts_and_methods(x):
    name = "k_on_3".upper()
    parts = name.split("_")
    scale = float(parts[-1]) if parts[-1].isdigit() else 1.0
    return x * scale + len(name) + ("ON" in parts) + name.startswith("K") + int(f"{2:03d}")


def formatted_message(x):
    if x < 0.0:
        raise ValueError(f"negative value {x:.3g} of {MODE!r}")
    return math.sqrt(x)


def bits(x):
    mask = 0b1011
    total = 0.0
    for k in range(4):
        if mask >> k & 1:
            total += x * (1 << k)
    return total + (mask & 6) + (mask | 4) + (mask ^ 5) + ~mask


def bits_of_values(x):
    n = int(x * 10.0)
    total = 0.0
    while n > 0:
        if n & 1:
            total += x
        n >>= 1
    return total + (int(x * 8.0) ^ 5) * x


def chained_comparison(x):
    return x if 0.0 < x < 1.0 < 2.0 * x else x * x


def unpacking(x):
    first, *middle, last = [x, 2.0, 3.0, x * x]
    (a, b), c = (first, last), middle[0]
    return [*middle, a][1] + {"p": a, "q": b}["q"] + c


def swap_and_slices(x):
    q = [x, 2.0, 3.0, 4.0]
    q[0], q[-1] = q[-1], q[0]
    q[1:3] = [x, x]
    del q[0]
    return sum(q[::2]) + q.pop(0) + len(q)


def list_methods(x):
    q = [3.0, x]
    q += [1.0]
    q.extend((2.0, x))
    q.remove(1.0)
    q.reverse()
    return q[0] + 10.0 * q[1] + q.count(3.0) + (2.0 in [1.0, 2.0])


def dict_methods(x):
    d = {}
    d.setdefault("a", []).append(x)
    d.setdefault("a", []).append(2.0)
    d.update(b=x)
    removed = d.pop("b")
    return sum(d["a"]) + removed + d.get("c", 0.5) + len(d) + ("a" in d)


def counted_names(x):
    counts = {}
    for name in "abca":
        counts[name] = counts.get(name, 0) + 1
    return sum(n * x for n in counts.values()) + counts["a"]


def suppressed_by_try(x):
    values = []
    for text in ("1.5", "two", "3"):
        try:
            values.append(float(text) * x)
        except ValueError:
            continue
    return sum(values) + len(values)


def nested_tries(x):
    def inverse(v):
        try:
            return 1.0 / v
        except ZeroDivisionError:
            raise ValueError("no inverse") from None

    total = 0.0
    for k in range(3):
        try:
            total += inverse(float(k)) * x
        except ValueError as error:
            total += len(str(error)) * x
    return total


def clamp_by_assertion(x):
    try:
        assert x < 1.0, "x is large"
        y = x
    except AssertionError:
        y = 1.0 + 0.1 * x
    return y


PROGRAMS = [f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == __name__]
PROGRAMS = [f for f in PROGRAMS if not isinstance(f, type)]
