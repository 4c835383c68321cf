"""Expressions: operators, comparisons, conditions, evaluated on traced values."""

from __future__ import annotations

import ast
import operator

import numpy as np

from sciad.compiler.fence import Refusal, Unbound
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Block, Op, Value
from sciad.compiler.objects import arrays
from sciad.compiler.objects.kinds import (
    UNDEFINED,
    Conflict,
    DictBox,
    DictView,
    FrameBox,
    Host,
    Lazy,
    ListBox,
    Range,
    RecordBox,
    Text,
    is_array,
    is_scalar,
)
from sciad.compiler.tracing.arithmetic import Arithmetic
from sciad.compiler.tracing.comparisons import Comparisons
from sciad.compiler.tracing.containers import Containers
from sciad.compiler.tracing.exceptions import Raised
from sciad.compiler.tracing.instances import UNARY
from sciad.compiler.tracing.purity import may_call

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


class Expressions(Containers, Comparisons, Arithmetic):
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
            if isinstance(value, Lazy) and any(may_call(other) for other in nodes[k + 1 :]):
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
        if value is UNDEFINED and self.in_region() and not self.probing:
            self._require_bound(frame, name, False)  # an error of the program's, if it comes here
            self.dead = True
            raise Raised
        if value is UNDEFINED:
            raise Unbound(
                f"{name} may be used before it is assigned", f"Assign {name} before, on every path."
            )
        if isinstance(value, Conflict):
            raise Refusal(value.message, "Use different names, or the same kind of value on every path.")
        bound = frame.box.slots.get(FrameBox.flag(name), True) if name in frame.box.slots else True
        if bound is not True:
            self._require_bound(frame, name, bound)
        return value

    def _require_bound(self, frame, name: str, bound) -> None:
        own = self.frame
        while own.function is None and own.parent is not None:  # comprehensions
            own = own.parent
        if frame is own:
            error, what, where = "UnboundLocalError", "local", ""
        else:
            error, what, where = "NameError", "free", " in enclosing scope"
        text = f"cannot access {what} variable {name!r} where it is not associated with a value{where}"
        self.require(bound, error, text)

    # ----------------------------------------------------------------------------------------------

    def operator(self, op):
        return _OPERATORS[type(op)][0]

    def _bin_op(self, node):
        a, b = self.eval_all([node.left, node.right])
        return self.binary(node.op, self.operator(node.op), a, b)

    def binary(self, op, fn, a, b, in_place: bool = False):
        """``a op b`` with Python's meaning for lists and constants."""
        found = self.binary_of_objects(op, a, b, in_place)
        if found is not NotImplemented:
            return found
        a, b = self._own_sequence(self.unwrapped(a)), self._own_sequence(self.unwrapped(b))
        static = (int, float, str, bool, tuple)
        if type(a) in static and type(b) in static and not isinstance(a, tuple) | isinstance(b, tuple):
            try:
                with np.errstate(all="ignore"):
                    return _OPERATORS[type(op)][1](a, b)
            except (ArithmeticError, TypeError) as error:
                self.fail(type(error).__name__, str(error))
        if (
            isinstance(a, DictBox)
            and isinstance(b, DictBox)
            and isinstance(op, (ast.BitOr, ast.BitAnd, ast.Sub))
        ):
            return self._of_dicts(op, a, b)
        if isinstance(a, (str, Text)) or isinstance(b, (str, Text)):
            return self._text_of(op, a, b)
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
        if isinstance(op, (ast.LShift, ast.RShift)) or (
            isinstance(op, (ast.BitAnd, ast.BitOr, ast.BitXor)) and numbers
        ):
            return self.bits(op, a, b)
        self.check_arithmetic(op, a, b)
        result = arrays.elementwise(self, fn, a, b)
        if isinstance(result, Value) and any(isinstance(x, Value) and x in self.of_numpy for x in (a, b)):
            self.of_numpy.add(result)
        return result

    def _own_sequence(self, x):
        """A list or tuple from outside, as one of the program's own."""
        if isinstance(x, Host) and isinstance(x.obj, (list, tuple)):
            return self.list(self.items(x)) if isinstance(x.obj, list) else tuple(self.items(x))
        return x

    def _text_of(self, op, a, b):
        """``a % b`` and ``a + b`` of texts."""
        parts = b if isinstance(b, tuple) and isinstance(op, ast.Mod) else (b,)
        parts = [self.unwrapped(p) for p in parts]
        if isinstance(a, str) and all(type(p) in (int, float, str, bool, type(None)) for p in parts):
            try:
                return _OPERATORS[type(op)][1](a, tuple(parts) if isinstance(op, ast.Mod) else b)
            except (TypeError, ValueError) as error:
                raise Refusal(f"{type(error).__name__}: {error}") from None
        if isinstance(op, ast.Mod) and isinstance(a, (str, Text)):
            return Text()
        if isinstance(op, ast.Add) and isinstance(a, (str, Text)) and isinstance(b, (str, Text)):
            return Text()
        raise Refusal(f"arithmetic on {self.describe(a if isinstance(a, (str, Text)) else b)}")

    def _unary_op(self, node):
        if isinstance(node.op, ast.Not):
            return self.negate(self.condition(node.operand))
        x = self.unwrapped(self.eval(node.operand))
        found = self.by_method(x, UNARY[type(node.op)])
        if found is not NotImplemented:
            return found
        if type(x) in (int, float, bool):
            return {ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert}[
                type(node.op)
            ](x)
        if isinstance(node.op, ast.Invert):
            if is_scalar(x) and type_of(x) == "i":
                return self.builder.op(np.subtract, self.builder.op(np.negative, x), 1)
            if (x.kind if is_array(x) else type_of(x)) != "b":
                raise Refusal("~ of numbers that are no integers, or of arrays of them")
            return arrays.elementwise(self, np.logical_not, x)
        if not (is_scalar(x) or is_array(x)):
            raise Refusal(f"arithmetic on {self.describe(x)}")
        if isinstance(node.op, ast.UAdd):
            return arrays.elementwise(self, np.positive, x) if is_array(x) else x
        return arrays.elementwise(self, np.negative, x)

    def negate(self, cond):
        return self.builder.op(np.logical_not, cond)

    def _compare(self, node):
        later = node.comparators[1:]
        if any(isinstance(n, (ast.Call, ast.Subscript)) for c in later for n in ast.walk(c)):
            return self._compare_in_turn(self.settled(self.eval(node.left)), node.ops, node.comparators)
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

    def _compare_in_turn(self, a, ops, nodes):
        """A chain whose later operands are only looked at while the comparisons before them hold."""
        b = self.settled(self.eval(nodes[0]))
        one = self.compare(ops[0], self.unwrapped(a), self.unwrapped(b))
        if len(nodes) == 1:
            return one
        if is_array(one):
            raise Refusal("a chained comparison of arrays")
        if not isinstance(one, Value):
            return self._compare_in_turn(b, ops[1:], nodes[1:]) if one else one
        return self.branch(one, lambda: self._compare_in_turn(b, ops[1:], nodes[1:]), lambda: False)

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
            n = x.slots["len"]
            return self.builder.op(np.greater, n, 0) if isinstance(n, Value) else bool(n)
        if self.class_of(x) is not None:
            for name in ("__bool__", "__len__"):
                found = self.by_method(x, name)
                if found is not NotImplemented:
                    return self.truth(found)
        if isinstance(x, RecordBox):
            return True
        if isinstance(x, DictBox):
            return bool(self.keys(x))
        if isinstance(x, DictView):
            return bool(self.keys(x.owner))
        if isinstance(x, Range):
            return self.builder.op(np.greater, self.iteration(x).count, 0)
        cls = type(x.obj) if isinstance(x, Host) else x.type if isinstance(x, RecordBox) else None
        if cls is not None:
            if cls in (list, dict, tuple):
                return bool(x.obj)
            if any(hasattr(cls, name) for name in ("__bool__", "__len__")):
                raise Refusal(f"the truth of {self.describe(x)}", "Compare what it holds.")
            return True
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
        here = self.frame
        while self.frame.function is None and self.frame.parent is not None:  # not a comprehension's name
            self.frame = self.frame.parent
        self.set_name(node.target.id, value)
        self.frame = here
        return value


def _is_not(node) -> bool:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return True
    return (isinstance(node, ast.Name) and node.id.startswith("#")) or (
        isinstance(node, ast.Constant) and isinstance(node.value, bool)
    )


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
    ast.Set: Expressions._set,
    ast.SetComp: Expressions._set_comprehension,
    ast.DictComp: Expressions._dict_comprehension,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.Lambda: Expressions._lambda,
    ast.JoinedStr: Expressions._joined,
    ast.Subscript: Expressions._subscript,
    ast.Attribute: Expressions._attribute,
    ast.Call: lambda self, node: self.call_expression(node),
}
