"""Expressions of generated Python as LLVM: the part of `function_to_llvm` that knows no statements."""

from __future__ import annotations

import ast
import math

from sciad.native.translator.llvm_calls import handler, size
from sciad.native.translator.llvm_values import (
    NOTHING,
    TranslationError,
    Val,
    constant,
    llvm_types,
    result_type,
    unify,
)
from sciad.native.translator.llvm_writer import Writer

__all__ = ["SIGNS", "Expressions"]

SIGNS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_TESTS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_MATH = {"numpy.nan": math.nan, "numpy.inf": math.inf, "numpy.pi": math.pi, "numpy.e": math.e}
_MATH |= {"math.nan": math.nan, "math.inf": math.inf, "math.pi": math.pi, "math.e": math.e}


class Expressions:
    """Writes the value of an expression where a function has got to.

    Attributes
    ----------
    module, source
        The LLVM module, and the Python one that names are looked up in.
    w : Writer
    """

    w: Writer

    def get(self, name: str) -> Val:
        """The value of a name."""
        raise NotImplementedError

    def unknown(self, node: ast.AST):
        raise TranslationError(f"{type(node).__name__} is not translated")

    # conditions

    def condition(self, node: ast.expr, yes: str, no: str) -> bool | None:
        """Go to one of two labels; or the answer where it is known now, then no jump is written."""
        w = self.w
        if isinstance(node, ast.BoolOp):
            conjunction, jumped = isinstance(node.op, ast.And), False
            for item in node.values:
                further = w.label()
                known = self.condition(item, *((further, no) if conjunction else (yes, further)))
                if known is None:
                    jumped = True
                    w.begin(further)
                elif known is not conjunction:
                    break
            else:
                known = conjunction
            if not jumped:
                return known
            w.jump(yes if known else no)
            return None
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            known = self.condition(node.operand, no, yes)
            return None if known is None else not known
        value = self.value(node)
        if value.known is not None and value.type in "bi":
            return bool(value.known)
        w.branch(w.truth(value), yes, no)
        return None

    # expressions

    def value(self, node: ast.expr) -> Val:
        return getattr(self, f"of_{type(node).__name__}", self.unknown)(node)

    def of_Constant(self, node: ast.Constant) -> Val:
        return constant(node.value)

    def of_Name(self, node: ast.Name) -> Val:
        return self.get(node.id)

    def of_Tuple(self, node: ast.Tuple) -> Val:
        items: list[Val] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items += self.value(item.value).items
            else:
                items.append(self.value(item))
        return Val(f"({''.join(x.type for x in items)})", [p for x in items for p in x.parts], items)

    def of_BinOp(self, node: ast.BinOp) -> Val:
        a = self.value(node.left)
        return self.w.binary(SIGNS[type(node.op)], a, self.value(node.right))

    def of_UnaryOp(self, node: ast.UnaryOp) -> Val:
        x = self.value(node.operand)
        match node.op:
            case ast.USub():
                return self.w.negate(x)
            case ast.Not():
                return self.w.invert(x)
            case ast.UAdd():
                return x
        return self.unknown(node)

    def of_Compare(self, node: ast.Compare) -> Val:
        left, result = self.value(node.left), None
        for op, right in zip(node.ops, node.comparators, strict=True):
            right = self.value(right)
            test = self.w.compare(_TESTS[type(op)], left, right)
            result = test if result is None else self.w.binary("&", result, test)
            left = right
        return result

    def of_BoolOp(self, node: ast.BoolOp) -> Val:
        return self.arms(node, constant(True), constant(False))

    def of_IfExp(self, node: ast.IfExp) -> Val:
        return self.arms(node.test, node.body, node.orelse)

    def arms(self, test: ast.expr, one: ast.expr | Val, other: ast.expr | Val) -> Val:
        """One of two values, of which only that one is computed."""
        w = self.w
        yes, no, after = w.label(), w.label(), w.label()
        known = self.condition(test, yes, no)
        if known is not None:
            chosen = one if known else other
            return chosen if isinstance(chosen, Val) else self.value(chosen)
        ends = []
        for label, arm in ((yes, one), (no, other)):
            w.begin(label)
            value = arm if isinstance(arm, Val) else self.value(arm)
            ends.append((value, w.block, len(w.lines)))
            w.jump(after)
        type = unify(ends[0][0].type, ends[1][0].type)
        if type is None:
            raise TranslationError(f"one of {ends[0][0].type} and {ends[1][0].type}")
        values = []
        for value, block, at in reversed(ends):
            rest, w.lines, w.open = w.lines[at:], w.lines[:at], True
            values.append((w.cast(value, type), block))
            w.lines += rest
        w.open = False
        w.begin(after)
        (b, from_no), (a, from_yes) = values
        parts = [
            w.new(f"phi {t} [ {x}, %{from_yes} ], [ {y}, %{from_no} ]")
            for t, x, y in zip(llvm_types(type), a.parts, b.parts, strict=True)
        ]
        return Val(type, parts, None, a.from_zero and b.from_zero)

    def of_Attribute(self, node: ast.Attribute) -> Val:
        if isinstance(node.value, ast.Name) and node.value.id in self.source.imports:
            module, _ = self.source.imports[node.value.id]
            if f"{module}.{node.attr}" in _MATH:
                return constant(_MATH[f"{module}.{node.attr}"])
        array = self.value(node.value)
        if array.type[0] != "a" or node.attr not in ("shape", "size"):
            return self.unknown(node)
        sizes = [size(text) for text in array.parts[1:]]
        if node.attr == "shape":
            return Val(f"({'i' * len(sizes)})", array.parts[1:], sizes)
        total = sizes[0]
        for further in sizes[1:]:
            total = self.w.binary("*", total, further)
        return total

    def of_Subscript(self, node: ast.Subscript) -> Val:
        base = self.value(node.value)
        if base.type[0] == "(":
            return self.item(base, self.value(node.slice))
        indices = self.indices(node.slice)
        if base.type[0] == "p":
            return self.w.load(
                base.type[1], self.w.element(base.text, base.type[1], self.w.integer(*indices))
            )
        if base.type[0] != "a":
            raise TranslationError(f"an item of {base.type}")
        address, rest = self.w.place(base, indices)
        if rest:
            return Val(f"a{base.type[1]}{len(rest)}", (address, *rest))
        return self.w.load(base.type[1], address)

    def item(self, items: Val, index: Val) -> Val:
        """Of a tuple; where the index is not constant, of a table."""
        if isinstance(index.known, int):
            return items.items[index.known]
        kinds = {x.type for x in items.items}
        if not kinds <= {"f", "i"} or any(x.known is None for x in items.items):
            raise TranslationError("an item of a tuple at a place that is not constant")
        kind = "f" if "f" in kinds else "i"
        values = [float(x.known) if kind == "f" else x.known for x in items.items]
        key = kind, tuple(values)
        symbol = self.module.globals.get(key) or self.module.globals.setdefault(
            key, self.module.table(values, kind)
        )
        index = self.w.wrapped(index, str(len(values)))
        return self.w.load(kind, self.w.element(symbol, kind, index))

    def indices(self, node: ast.expr) -> list[Val]:
        return [self.value(item) for item in (node.elts if isinstance(node, ast.Tuple) else (node,))]

    def address(self, node: ast.Subscript) -> tuple[str, str]:
        """Kind and address of an element."""
        base, indices = self.value(node.value), self.indices(node.slice)
        if base.type[0] == "p":
            return base.type[1], self.w.element(base.text, base.type[1], self.w.integer(*indices))
        if base.type[0] != "a":
            raise TranslationError(f"an item of {base.type} is set")
        address, rest = self.w.place(base, indices)
        if rest:
            raise TranslationError("a part of an array is set")
        return base.type[1], address

    def of_Call(self, node: ast.Call) -> Val:
        if node.keywords:
            raise TranslationError("a call with keywords")
        if isinstance(node.func, ast.Attribute):
            return self.method(node)
        callee = self.module.callee(self.source, node.func.id)
        args = [self.value(a) for a in node.args]
        if not isinstance(callee, tuple):
            return callee(self.w, args)
        symbol, result = self.module.instance(*callee, tuple(x.type for x in args), self.cold)
        types = llvm_types(result)
        inside = ", ".join(x.typed for x in args if x.parts)
        text = f"call {result_type(result)} {symbol}({inside})"
        if not types:
            self.w.line(text)
            return NOTHING
        whole = self.w.new(text)
        if len(types) == 1:
            return Val(result, (whole,))
        kind = result_type(result)
        return Val(result, [self.w.new(f"extractvalue {kind} {whole}, {k}") for k in range(len(types))])

    def method(self, node: ast.Call) -> Val:
        """``np.sqrt(x)``, ``math.exp(x)``, ``x.view(np.int64)``."""
        base = node.func.value
        if isinstance(base, ast.Name) and base.id in self.source.imports:
            module, inner = self.source.imports[base.id]
            write = None if inner else handler(module, node.func.attr)
            if write is None:
                raise TranslationError(f"{module}.{node.func.attr} is not known")
            return write(self.w, [self.value(a) for a in node.args])
        if node.func.attr == "view" and len(node.args) == 1 and isinstance(node.args[0], ast.Attribute):
            kind = {"int64": "i", "uint64": "u", "float64": "f"}[node.args[0].attr]
            x = self.value(base)
            if x.type == kind or (x.type in "iu" and kind in "iu"):
                return Val(kind, x.parts)
            types = llvm_types(x.type)[0], llvm_types(kind)[0]
            return Val(kind, (self.w.new(f"bitcast {types[0]} {x.text} to {types[1]}"),))
        return self.unknown(node)
