"""Partial evaluation of a kernel's source for given constants, on its syntax tree.

A kernel is written once over data (``A[i][j]``, ``STAGES``, ``N``); here names with a known value become
literals, ``for i in unroll(...)`` loops are written out, branches that can never run disappear, and what
is left is text that LLVM compiles as well as code written by hand for one method.
"""

from __future__ import annotations

import ast
import operator
from typing import Any

from sciad.native.runtime import WEIGHTED, weights_text

__all__ = ["copied", "specialize"]


def specialize(function: ast.FunctionDef, constants: dict[str, Any]) -> ast.FunctionDef:
    """``function`` with ``constants`` (names of its globals to ints, floats, bools, strings or tuples of
    them) put in.

    Constants that are only used whole (indexed by something unknown) stay as names; the caller defines them.
    """
    assigned = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assigned |= {a.arg for a in function.args.args}
    known = {name: value for name, value in constants.items() if name not in assigned}
    result = copied(function)
    result.body = _Evaluate(known).block(result.body) or [ast.Pass()]
    return ast.fix_missing_locations(result)


def copied(tree):
    """A syntax tree of its own; `copy.deepcopy` takes ten times as long."""
    if isinstance(tree, list):
        return [copied(item) for item in tree]
    if not isinstance(tree, ast.AST) or not tree.__dict__:
        return tree
    new = tree.__class__.__new__(tree.__class__)
    fields = new.__dict__
    for name, value in tree.__dict__.items():
        fields[name] = copied(value) if isinstance(value, ast.AST | list) else value
    return new


_BINARY = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARE = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_UNARY = {ast.USub: operator.neg, ast.Not: operator.not_, ast.UAdd: operator.pos}
_FUNCTIONS = {"len": len, "range": range, "min": min, "max": max, "abs": abs, "float": float, "int": int}


class _Unknown(Exception):
    """The expression is not a compile-time constant."""


class _Evaluate(ast.NodeTransformer):
    def __init__(self, known: dict[str, Any]):
        self.known = known

    # statements

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            out.extend(self.statement(statement))
        return out

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.For):
            return self.loop(node)
        if isinstance(node, ast.If):
            return self.branch(node)
        if isinstance(node, ast.While):
            node.test = self.visit(node.test)
            node.body = self.block(node.body) or [ast.Pass()]
            return [node]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return []  # a docstring
        return [self.visit(node)]

    def loop(self, node: ast.For) -> list[ast.stmt]:
        source = node.iter
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Name) and source.func.id == "unroll":
            try:
                values = self.value(source.args[0])
            except _Unknown as unknown:
                raise TypeError(
                    f"line {node.lineno}: unroll() of something not constant: {unknown}"
                ) from None
            out: list[ast.stmt] = []
            for value in values:
                inner = _Evaluate({**self.known, node.target.id: value})
                out.extend(inner.block(copied(node.body)))
            return out
        node.iter = self.visit(source)
        node.body = self.block(node.body)
        return [node] if node.body else []

    def branch(self, node: ast.If) -> list[ast.stmt]:
        try:
            taken = self.value(node.test)
        except _Unknown:
            node.test = self.visit(node.test)
            node.body = self.block(node.body) or [ast.Pass()]
            node.orelse = self.block(node.orelse)
            return [node]
        return self.block(node.body if taken else node.orelse)

    # expressions

    def visit(self, node):
        if isinstance(node, ast.expr):
            try:
                value = self.value(node)
            except _Unknown:
                return super().visit(node)
            if isinstance(value, bool | int | float | str):
                return ast.Constant(value)
            return node if isinstance(node, ast.Name) else super().visit(node)
        return super().visit(node)

    def visit_IfExp(self, node: ast.IfExp):
        try:
            taken = self.value(node.test)
        except _Unknown:
            return self.generic_visit(node)
        return self.visit(node.body if taken else node.orelse)

    def visit_Call(self, node: ast.Call):
        """Weights of the sums in `runtime` become text, which compiled code reads while it is compiled."""
        if isinstance(node.func, ast.Name) and node.func.id in WEIGHTED:
            try:
                weights = self.value(node.args[0])
            except _Unknown as unknown:
                raise TypeError(
                    f"line {node.lineno}: weights of {node.func.id}() are not constant: {unknown}"
                ) from None
            node.args[0] = ast.Constant(weights if isinstance(weights, str) else weights_text(weights))
            node.args[1:] = [self.visit(a) for a in node.args[1:]]
            return node
        return self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp):
        """Drop operands that are known not to decide."""
        neutral = isinstance(node.op, ast.And)
        rest = []
        for item in node.values:
            try:
                value = bool(self.value(item))
            except _Unknown:
                rest.append(self.visit(item))
                continue
            if value is not neutral:
                rest.append(ast.Constant(value))
                break
        if not rest:
            return ast.Constant(neutral)
        return rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)

    def value(self, node: ast.expr):
        """What the expression is worth, if that is known now."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name) if isinstance(node.ctx, ast.Load) and name in self.known:
                return self.known[name]
            case ast.Subscript() if isinstance(node.ctx, ast.Load):
                return self.value(node.value)[self.value(node.slice)]
            case ast.Tuple() if isinstance(node.ctx, ast.Load):
                return tuple(self.value(item) for item in node.elts)
            case ast.BinOp() if type(node.op) in _BINARY:
                return _BINARY[type(node.op)](self.value(node.left), self.value(node.right))
            case ast.UnaryOp() if type(node.op) in _UNARY:
                return _UNARY[type(node.op)](self.value(node.operand))
            case ast.Compare(ops=[op]) if type(op) in _COMPARE:
                return _COMPARE[type(op)](self.value(node.left), self.value(node.comparators[0]))
            case ast.BoolOp():
                return self.logic(node)
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*(self.value(a) for a in node.args))
        raise _Unknown(ast.unparse(node))

    def logic(self, node: ast.BoolOp):
        deciding = isinstance(node.op, ast.Or)
        unknown = None
        for item in node.values:
            try:
                value = self.value(item)
            except _Unknown as error:
                unknown = error
                continue
            if bool(value) is deciding:
                return value
        if unknown is not None:
            raise unknown
        return not deciding
