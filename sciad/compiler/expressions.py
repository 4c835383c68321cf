"""Expressions: evaluated on traced values."""

from __future__ import annotations

import ast
import operator
from types import ModuleType

import numpy as np

from . import arrays, indexing
from .build import type_of
from .fence import NeedUnroll, Refusal
from .ir import Block, Op, Value
from .merge import describe, same
from .values import (
    UNDEFINED,
    Array,
    Bound,
    Closure,
    Conflict,
    DictBox,
    Host,
    Iteration,
    Lazy,
    ListBox,
    Range,
    RecordBox,
    Small,
    is_array,
    is_scalar,
)

UNROLLED_ITEMS = 64  # comprehensions of at most this length are lists of separate values

_OPERATORS = {
    ast.Add: (np.add, operator.add),
    ast.Sub: (np.subtract, operator.sub),
    ast.Mult: (np.multiply, operator.mul),
    ast.Div: (np.divide, operator.truediv),
    ast.FloorDiv: (np.floor_divide, operator.floordiv),
    ast.Mod: (np.remainder, operator.mod),
    ast.Pow: (np.power, operator.pow),
    ast.MatMult: (np.matmul, operator.matmul),
    ast.BitAnd: (np.logical_and, operator.and_),
    ast.BitOr: (np.logical_or, operator.or_),
    ast.BitXor: (np.not_equal, operator.xor),
    ast.LShift: (None, operator.lshift),
    ast.RShift: (None, operator.rshift),
}
_COMPARISONS = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_ARITHMETIC = {
    np.add,
    np.subtract,
    np.multiply,
    np.negative,
    np.absolute,
    np.divide,
    np.floor_divide,
    np.remainder,
}
_ARITHMETIC |= {np.power, np.positive}


class Expressions:
    """Handlers of expression nodes; `eval` dispatches."""

    def eval(self, node: ast.expr):
        previous, self.node = self.node, node
        handler = _EXPRESSIONS.get(type(node))
        if handler is None:
            raise Refusal(f"{type(node).__name__} expressions")
        if self.detail:
            self.builder.line = self.line_of(node)
        value = handler(self, node)
        self.node = previous
        if self.detail:
            self.builder.line = self.line_of(previous)
        return value

    def eval_all(self, nodes) -> list:
        """Values of several expressions, in order; an array expression is computed before a call could
        change it.
        """
        values: list = []
        self.inflight.append(values)
        for k, node in enumerate(nodes):
            value = self.eval(node)
            if isinstance(value, Lazy) and any(_calls(other) for other in nodes[k + 1 :]):
                value = self.settled(value)
            values.append(value)
        self.inflight.pop()
        return values

    # ----------------------------------------------------------------------------------------------

    def _constant(self, node):
        if isinstance(node.value, complex):
            raise Refusal("a complex number", "Write real and imaginary parts as two numbers.")
        return node.value

    def _name(self, node):
        return self.name(node.id)

    def name(self, name: str):
        frame = self.frame
        while True:
            slots = frame.box.slots
            if name in slots:
                value = slots[name]
                break
            if frame.parent is None:
                value = self.outside(frame, name)
                break
            frame = frame.parent
        if value is UNDEFINED:
            raise Refusal(
                f"{name} may be used before it is assigned", f"Assign {name} before, on every path."
            )
        if isinstance(value, Conflict):
            raise Refusal(value.message, "Use different names, or the same kind of value on every path.")
        return value

    # ----------------------------------------------------------------------------------------------

    def operator(self, op):
        return _OPERATORS[type(op)][0]

    def _bin_op(self, node):
        a, b = self.eval_all([node.left, node.right])
        return self.binary(node.op, self.operator(node.op), a, b)

    def binary(self, op, fn, a, b):
        """``a op b`` with Python's meaning for lists and constants."""
        a, b = self.unwrapped(a), self.unwrapped(b)
        static = (int, float, str, bool, tuple)
        if type(a) in static and type(b) in static and not isinstance(a, tuple) | isinstance(b, tuple):
            try:
                with np.errstate(all="ignore"):
                    return _OPERATORS[type(op)][1](a, b)
            except (ArithmeticError, TypeError) as error:
                raise Refusal(f"{type(error).__name__}: {error}") from None
        for x, y in ((a, b), (b, a)):
            if isinstance(x, (ListBox, tuple)):
                items = x.items() if isinstance(x, ListBox) else list(x)
                made = self.list if isinstance(x, ListBox) else tuple
                if type(y) is type(x) and isinstance(op, ast.Add):
                    other = b.items() if isinstance(b, ListBox) else list(b)
                    return made((a.items() if isinstance(a, ListBox) else list(a)) + other)
                if isinstance(op, ast.Mult) and type(y) is int:
                    return made(items * y)
                if is_array(y):
                    other = self.as_array(x)
                    return self.binary(op, fn, *((other, y) if x is a else (y, other)))
        if isinstance(op, ast.MatMult):
            return self.call(np.matmul, [a, b], {})
        for x in (a, b):
            if not (is_scalar(x) or is_array(x)):
                raise Refusal(f"arithmetic on {self.describe(x)}")
        numbers = any((x.kind if is_array(x) else type_of(x)) != "b" for x in (a, b))
        if isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor)) and numbers:
            raise Refusal("bit operations on numbers", "Bit operations are for truth values here.")
        if fn is None:
            raise Refusal("bit shifts of numbers", "Multiply or floor-divide by a power of two.")
        return arrays.elementwise(self, fn, a, b)

    def apply(self, fn, args):
        """A scalar operation; truth values count as 0 and 1 in arithmetic."""
        if fn in _ARITHMETIC:
            args = [self.builder.to_int(a) if type_of(a) == "b" else a for a in args]
        if isinstance(fn, (np.ufunc, str)):
            return self.builder.op(fn, *args)
        return fn(*args)

    def _unary_op(self, node):
        if isinstance(node.op, ast.Not):
            return self.negate(self.condition(node.operand))
        x = self.unwrapped(self.eval(node.operand))
        if type(x) in (int, float, bool):
            return {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[
                type(node.op)
            ](x)
        if isinstance(node.op, ast.Invert):
            if (x.kind if is_array(x) else type_of(x)) != "b":
                raise Refusal("~ of numbers")
            return arrays.elementwise(self, np.logical_not, x)
        if not (is_scalar(x) or is_array(x)):
            raise Refusal(f"arithmetic on {self.describe(x)}")
        return x if isinstance(node.op, ast.UAdd) else arrays.elementwise(self, np.negative, x)

    def negate(self, cond):
        return self.builder.op(np.logical_not, cond)

    def _compare(self, node):
        values = self.eval_all([node.left, *node.comparators])
        result = True
        for op, a, b in zip(node.ops, values, values[1:], strict=False):
            one = self.compare(op, self.unwrapped(a), self.unwrapped(b))
            if result is True:
                result = one
            elif is_array(result) or is_array(one):
                raise Refusal("a chained comparison of arrays")
            else:
                result = self.builder.op(np.logical_and, result, one)
        return result

    def compare(self, op, a, b):
        if isinstance(op, (ast.Is, ast.IsNot)):
            if any(isinstance(x, Value) for x in (a, b)) and not any(x is None for x in (a, b)):
                raise Refusal("`is` on numbers", "Compare with ==.")
            return (a is b) == isinstance(op, ast.Is)
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self._contains(b, a)
            return found if isinstance(op, ast.In) else self.negate(found)
        fn = _COMPARISONS[type(op)]
        if all(is_scalar(x) or is_array(x) for x in (a, b)):
            return arrays.elementwise(self, fn, a, b)
        if isinstance(op, (ast.Eq, ast.NotEq)):
            return self._equal(a, b) == isinstance(op, ast.Eq)
        raise Refusal(f"comparison of {self.describe(a)} and {self.describe(b)}")

    def _equal(self, a, b) -> bool:
        if isinstance(a, tuple) and isinstance(b, tuple):
            if not all(type(x) in (int, str, bool, float) for x in (*a, *b)):
                raise Refusal("comparison of tuples of values", "Compare their elements.")
            return a == b
        simple = (str, type(None), int, bool, float, type, np.dtype)
        if isinstance(a, simple) or isinstance(b, simple):
            return bool(a == b) if isinstance(a, simple) and isinstance(b, simple) else False
        return a is b

    def _contains(self, container, x):
        if isinstance(container, DictBox):
            return x in container.slots
        if isinstance(container, Host) and isinstance(container.obj, dict):
            return x in container.obj
        if isinstance(container, str):
            return x in container
        result = False
        for item in self.items(container):
            if isinstance(item, str) or isinstance(x, str):
                one = item == x if isinstance(item, str) and isinstance(x, str) else False
            else:
                one = self.compare(ast.Eq(), x, item)
            result = self.builder.op(np.logical_or, result, one)
        return result

    # ----------------------------------------------------------------------------------------------

    def condition(self, node):
        """The truth of an expression: a bool, or a "b" value."""
        if isinstance(node, ast.BoolOp):
            previous, self.node = self.node, node
            result = self._short(node.values, isinstance(node.op, ast.And))
            self.node = previous
            return result
        value = self.eval(node)
        self.node = node
        return self.truth(value)

    def truth(self, x):
        x = self.unwrapped(x)
        if is_array(x):
            if any(n != 1 if type(n) is int else True for n in x.shape):
                raise Refusal("the truth of an array", "Use np.any(...) or np.all(...).")
            x = arrays.element(self, x, (0,) * len(x.shape))
        if isinstance(x, Value):
            return x if x.type == "b" else self.builder.op(np.not_equal, x, 0 if x.type == "i" else 0.0)
        if isinstance(x, ListBox):
            return bool(x.slots["len"])
        if isinstance(x, DictBox):
            return bool(x.slots)
        if isinstance(x, Host):
            return bool(x.obj)
        return bool(x)

    def _short(self, nodes, is_and: bool):
        """`and`/`or` as a truth value; the rest is evaluated under a guard where it could fail or costs
        something.
        """
        first = self.condition(nodes[0])
        if len(nodes) == 1:
            return first
        if not isinstance(first, Value):
            return self._short(nodes[1:], is_and) if first is is_and else first

        def rest():
            return self._short(nodes[1:], is_and)

        with self.region(Block()) as arm, self.narrowed(first, is_and):
            arm.result = rest()
        if all(isinstance(n, Op) for n in arm.block) and not arm.new:
            self.builder.block.extend(arm.block)
            return self.builder.op(np.logical_and if is_and else np.logical_or, first, arm.result)
        return self.branch(first, *((rest, lambda: False) if is_and else (lambda: True, rest)))

    def _bool_op(self, node):
        is_and = isinstance(node.op, ast.And)

        def value(nodes):
            first = self.settled(self.eval(nodes[0]))
            if len(nodes) == 1:
                return first
            truth = self.truth(first)
            thunks = (lambda: value(nodes[1:]), lambda: first)
            return self.branch(truth, *(thunks if is_and else thunks[::-1]))

        kinds = [n for n in node.values if isinstance(n, (ast.Compare, ast.BoolOp)) or _is_not(n)]
        if len(kinds) == len(node.values):
            return self._short(node.values, is_and)
        return value(node.values)

    def _if_exp(self, node):
        cond = self.condition(node.test)
        if not isinstance(cond, Value):
            return self.eval(node.body if cond else node.orelse)
        return self.branch(
            cond,
            lambda: self.settled(self.eval(node.body)),
            lambda: self.settled(self.eval(node.orelse)),
            line=self.builder.line,
        )

    def _named(self, node):
        value = self.settled(self.eval(node.value))
        self.set_name(node.target.id, value)
        return value

    # ----------------------------------------------------------------------------------------------

    def _tuple(self, node):
        return tuple(self._elements(node.elts))

    def _list(self, node):
        return self.list(self.settled(v) for v in self._elements(node.elts))

    def _elements(self, nodes):
        values = self.eval_all([n.value if isinstance(n, ast.Starred) else n for n in nodes])
        out = []
        for n, v in zip(nodes, values, strict=True):
            out.extend(self.items(v) if isinstance(n, ast.Starred) else [v])
        return out

    def _dict(self, node):
        if None in node.keys:
            raise Refusal("** inside a dict display")
        keys = [self.static_key(self.eval(k)) for k in node.keys]
        values = [self.settled(v) for v in self.eval_all(node.values)]
        return self.box(dict(zip(keys, values, strict=True)), cls=DictBox)

    def static_key(self, key):
        if isinstance(key, Value) or not isinstance(key, (str, int, bool, float, tuple, type(None))):
            raise NeedUnroll("a key that is not known while compiling", "Use strings or constants as keys.")
        return key

    def _comprehension(self, node):
        generator = node.generators[0]
        source = self.iteration(self.eval(generator.iter))
        with self.scope():
            if len(node.generators) > 1:
                return self._nested_comprehension(node, source)
            if isinstance(source.count, Value) or (source.count > UNROLLED_ITEMS and not source.static):
                if generator.ifs:
                    raise Refusal("a long comprehension with a condition", "Write a loop that fills an array.")
                return self._filled_by_loop(node, generator.target, source)
            return self.list(self._comprehended(generator, source, lambda: [self.settled(self.eval(node.elt))]))

    def _comprehended(self, generator, source, items):
        out = []
        for k in range(source.count):
            self.bind(generator.target, source.item(k))
            conditions = [self.condition(c) for c in generator.ifs]
            if any(isinstance(c, Value) for c in conditions):
                raise Refusal(
                    "a comprehension whose condition depends on values", "Write a loop that fills an array."
                )
            if all(conditions):
                out.extend(items())
        return out

    def _nested_comprehension(self, node, source):
        first, *rest = node.generators
        if isinstance(source.count, Value) or source.count > UNROLLED_ITEMS:
            raise Refusal("a comprehension over several long ranges", "Write a loop that fills an array.")
        inner = ast.copy_location(ast.ListComp(node.elt, rest), node)
        return self.list(self._comprehended(first, source, lambda: self._comprehension(inner).items()))

    def _filled_by_loop(self, node, target, source: Iteration):
        """A long comprehension: an array of its items, filled by a loop."""
        made = None

        def body(k):
            nonlocal made
            self.bind(target, source.item(k))
            item = self.eval(node.elt)
            if made is None:
                raise _FirstItem(item)
            indexing.set_item(self, made, k, item)

        try:
            with self.region(Block()):
                body(Value("i", "", 0))
        except _FirstItem as first:
            item = first.item
        if is_array(item):
            if not arrays.static_shape(item.shape):
                raise Refusal("a comprehension of arrays of unknown length") from None
            shape, kind = item.shape, item.kind
        elif is_scalar(item):
            shape, kind = (), type_of(item)
        else:
            raise Refusal(
                f"a long comprehension of {self.describe(item)}", "Write a loop that fills arrays."
            ) from None
        made = arrays.allocate(self, (source.count, *shape), kind)
        self.loop(body, count=source.count, live_head=set(), live=set())
        return Array(made.mem, made.address, made.shape, made.strides, made.alias, kind, sequence=True)

    def _lambda(self, node):
        return self.closure(node)

    def _joined(self, node):
        return ast.unparse(node)

    # ------------------------------------------------------------------------------------------- su

    def _subscript(self, node):
        owner = self.eval(node.value)
        return self.get_item(owner, self.subscript(node.slice))

    def subscript(self, node):
        if isinstance(node, ast.Slice):
            parts = [
                None if p is None else self.unwrapped(self.eval(p))
                for p in (node.lower, node.upper, node.step)
            ]
            return indexing.Slice(*parts)
        if isinstance(node, ast.Tuple):
            return tuple(self.subscript(e) for e in node.elts)
        return self.unwrapped(self.eval(node))

    def get_item(self, owner, key):
        owner = self.unwrapped(owner)
        if is_array(owner):
            return indexing.get_item(self, owner, key)
        if isinstance(owner, (ListBox, tuple)):
            items = owner.items() if isinstance(owner, ListBox) else owner
            if isinstance(key, indexing.Slice):
                picked = items[self._static_slice(key)]
                return self.list(picked) if isinstance(owner, ListBox) else tuple(picked)
            return self._item(items, key)
        if isinstance(owner, DictBox):
            key = self.static_key(key)
            if key not in owner.slots:
                raise Refusal(f"KeyError: {key!r}")
            return self._readable(owner.slots[key])
        if isinstance(owner, Host):
            if isinstance(key, indexing.Slice):
                return self.list(self.items(owner)[self._static_slice(key)])
            if isinstance(key, Value):
                return self._item(self.items(owner), key)
            return self.captures.member(owner, key)
        if isinstance(owner, Range) and is_scalar(key):
            return self.builder.op(np.add, owner.start, self.builder.op(np.multiply, key, owner.step))
        if isinstance(owner, str) and type(key) is int:
            return owner[key]
        raise Refusal(f"{self.describe(owner)} cannot be indexed")

    def _item(self, items, key):
        if isinstance(key, Value):
            raise NeedUnroll(
                "a list or tuple is indexed by a value not known while compiling",
                "Make it an array with np.array(...).",
            )
        try:
            return self._readable(items[key])
        except (IndexError, TypeError) as error:
            raise Refusal(f"{type(error).__name__}: {error}") from None

    def _readable(self, value):
        if isinstance(value, Conflict):
            raise Refusal(value.message)
        return value

    def _static_slice(self, key):
        parts = (key.start, key.stop, key.step)
        if any(isinstance(p, Value) for p in parts):
            raise NeedUnroll(
                "a slice of a list with bounds not known while compiling",
                "Make it an array with np.array(...).",
            )
        return slice(*parts)

    def set_item(self, owner, key, value) -> None:
        if is_array(owner):
            value = self.as_array(value) if isinstance(value, (ListBox, tuple, Host)) else value
            if not (is_scalar(value) or is_array(value)):
                raise Refusal(f"an array is set to {self.describe(value)}")
            indexing.set_item(self, owner, key, value)
        elif isinstance(owner, ListBox):
            n = owner.slots["len"]
            if isinstance(key, Value) or isinstance(n, Value):
                raise NeedUnroll(
                    "a list is written at a place not known while compiling", "Use an array made by np.empty."
                )
            if not isinstance(key, int) or not -n <= key < n:
                raise Refusal("only existing single items of a list are assigned")
            self.write(self._own(owner), key % n, self.settled(value))
        elif isinstance(owner, DictBox):
            self.write(self._own(owner), self.static_key(key), self.settled(value))
        elif isinstance(owner, Host):
            raise Refusal(
                "writing into an object from outside of the function", "Make a copy and write into that."
            )
        else:
            raise Refusal(f"items of {self.describe(owner)} cannot be assigned")

    def _own(self, box):
        """`box`, if no other name can see the write through a merge of control flow."""
        if self.shared(box):
            raise Refusal(
                "a list or dict that is another one on another path is changed", "Change it before the paths meet."
            )
        return box

    def _attribute(self, node):
        return self.get_attribute(self.eval(node.value), node.attr)

    def get_attribute(self, owner, name: str):
        if is_array(owner) or is_scalar(owner):
            return self.array_attribute(owner, name)
        if isinstance(owner, Host):
            if isinstance(owner.obj, (dict, list)) and callable(getattr(owner.obj, name, None)):
                return Bound("method", (owner, name))
            return self.captures.attribute(owner, name)
        if isinstance(owner, RecordBox):
            if name in owner.slots:
                return self._readable(owner.slots[name])
            return self.record_attribute(owner, name)
        if isinstance(owner, tuple) and name in getattr(owner, "_fields", ()):
            return getattr(owner, name)
        if isinstance(owner, ModuleType):
            try:
                found = getattr(owner, name)
            except AttributeError:
                raise Refusal(f"module {owner.__name__} has no attribute {name!r}") from None
            return float(found) if isinstance(found, np.floating) else found
        if isinstance(owner, (ListBox, DictBox, tuple, str)):
            return Bound("method", (owner, name))
        if isinstance(owner, np.ufunc):
            return Bound("method", (owner, name))
        if isinstance(owner, (type, np.dtype)) or callable(owner):
            found = getattr(owner, name, None)
            if found is not None:
                return found
        raise Refusal(f"attribute {name!r} of {self.describe(owner)}")

    def set_attribute(self, owner, name: str, value) -> None:
        if not isinstance(owner, RecordBox):
            raise Refusal(
                f"assignment to attribute {name!r} of {self.describe(owner)}", "Return the new value instead."
            )
        self.write(self._own(owner), name, self.settled(value))

    # ----------------------------------------------------------------------------------------------

    def describe(self, x) -> str:
        if isinstance(x, Host):
            return f"a {type(x.obj).__name__} from outside of the function"
        if isinstance(x, Closure) or callable(x):
            return f"the function {getattr(x, '__name__', getattr(getattr(x, 'source', None), 'name', x))}"
        return describe(x)

    def unwrapped(self, x):
        """NumPy's scalar constants as Python's."""
        if isinstance(x, np.generic):
            return x.item()
        return x

    def items(self, x, expected: int | None = None) -> list:
        """The items of something whose length is known, for unpacking and writing out."""
        if isinstance(x, ListBox):
            return [self._readable(v) for v in x.items()]
        if isinstance(x, (tuple, list)):
            return list(x)
        source = self.iteration(x)
        if isinstance(source.count, Value):
            if expected is None:
                raise Refusal("a length that is not known while compiling")
            self.require(
                self.builder.op(np.equal, source.count, expected),
                "ValueError",
                "wrong number of values to unpack",
            )
            return [source.item(k) for k in range(expected)]
        if expected is not None and source.count != expected:
            raise Refusal(f"cannot unpack {source.count} values into {expected} names")
        return [source.item(k) for k in range(source.count)]

    def iteration(self, x) -> Iteration:
        """`x` as something to loop over."""
        if isinstance(x, Iteration):
            return x
        if isinstance(x, Range):
            return self._range_iteration(x)
        if is_array(x):
            if not x.shape:
                raise Refusal("a loop over a number")
            x = arrays.force(self, x)
            static = isinstance(x, Small) and False
            return Iteration(x.shape[0], lambda k: indexing.get_item(self, x, k), static)
        if isinstance(x, (ListBox, tuple)):
            items = x.items() if isinstance(x, ListBox) else x
            return Iteration(len(items), lambda k: self._item(items, k), static=True)
        if isinstance(x, DictBox):
            keys = list(x.slots)
            return Iteration(len(keys), lambda k: self._item(keys, k), static=True)
        if isinstance(x, str):
            return Iteration(len(x), lambda k: x[k], static=True)
        if isinstance(x, Host) and isinstance(x.obj, dict):
            keys = list(x.obj)
            return Iteration(len(keys), lambda k: self._item(keys, k), static=True)
        if isinstance(x, Host) and isinstance(x.obj, (list, tuple)):
            return Iteration(len(x.obj), lambda k: self.captures.member(x, k), static=True)
        raise Refusal(
            f"a loop over {self.describe(x)}", "Loop over range(...), an array, a list, enumerate or zip."
        )

    def _range_iteration(self, r: Range) -> Iteration:
        op = self.builder.op
        gap = self.operand(self.affine(r.stop) + self.affine(r.start) * -1)
        if r.step < 0:
            gap = op(np.negative, gap)
        step = abs(r.step)
        count = gap if step == 1 else op(np.floor_divide, op(np.add, gap, step - 1), step)
        if (count.low if isinstance(count, Value) else count) < 0:
            count = op(np.maximum, count, 0)
        return Iteration(count, lambda k: op(np.add, op(np.multiply, k, r.step), r.start))


class _FirstItem(Exception):
    def __init__(self, item):
        self.item = item


def _is_not(node) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return True
    return (isinstance(node, ast.Name) and node.id.startswith("#")) or (
        isinstance(node, ast.Constant) and isinstance(node.value, bool)
    )


_SAFE_OWNERS = {"np", "numpy", "math", "special", "scipy", "sp", "linalg"}
_SAFE = {
    "abs",
    "len",
    "range",
    "float",
    "int",
    "bool",
    "min",
    "max",
    "sum",
    "enumerate",
    "zip",
    "round",
    "tuple",
    "list",
}
_SAFE |= {
    "exp",
    "log",
    "sin",
    "cos",
    "sqrt",
    "tanh",
    "copy",
    "mean",
    "prod",
    "dot",
    "reshape",
    "std",
    "var",
    "astype",
}
_SAFE |= {
    "transpose",
    "ravel",
    "flatten",
    "items",
    "keys",
    "values",
    "get",
    "isinstance",
    "any",
    "all",
    "erf",
    "gamma",
}


def _calls(node) -> bool:
    """Whether evaluating `node` may run a function of the user's (and so write into an array)."""
    found = getattr(node, "_calls", None)
    if found is None:
        found = node._calls = any(isinstance(n, ast.Call) and not _is_safe(n.func) for n in ast.walk(node))
    return found


def _is_safe(func) -> bool:
    if isinstance(func, ast.Name):
        return func.id in _SAFE
    while isinstance(func, ast.Attribute):
        if func.attr in _SAFE:
            return True
        func = func.value
    return isinstance(func, ast.Name) and func.id in _SAFE_OWNERS


_EXPRESSIONS = {
    ast.Constant: Expressions._constant,
    ast.Name: Expressions._name,
    ast.BinOp: Expressions._bin_op,
    ast.UnaryOp: Expressions._unary_op,
    ast.Compare: Expressions._compare,
    ast.BoolOp: Expressions._bool_op,
    ast.IfExp: Expressions._if_exp,
    ast.NamedExpr: Expressions._named,
    ast.Tuple: Expressions._tuple,
    ast.List: Expressions._list,
    ast.Dict: Expressions._dict,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.Lambda: Expressions._lambda,
    ast.JoinedStr: Expressions._joined,
    ast.Subscript: Expressions._subscript,
    ast.Attribute: Expressions._attribute,
    ast.Call: lambda self, node: self.call_expression(node),
}

__all__ = ["Expressions", "same"]
