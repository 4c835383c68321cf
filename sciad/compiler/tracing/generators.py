"""Generators, on the syntax tree: a function that yields gives the list of all that it yields.

So it runs to its end before anything is done with its items, which is the same as long as neither it nor who
goes through it changes what the other reads.
"""

from __future__ import annotations

import ast

from sciad.compiler.fence import Refusal

YIELDED = "#yielded"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def collected(node) -> list[ast.stmt]:
    """The body of a function; of one that yields, with a list in place of that."""
    if isinstance(node, ast.Lambda) or not any(_yields(s) for s in node.body):
        return node.body
    start = ast.Assign([ast.Name(YIELDED, ast.Store())], ast.List([], ast.Load()))
    for n in ast.walk(start):
        ast.copy_location(n, node)
    return [start, *map(_statement, node.body)]


def _yields(node) -> bool:
    if isinstance(node, (ast.Yield, ast.YieldFrom)):
        return True
    return not isinstance(node, _SCOPES) and any(map(_yields, ast.iter_child_nodes(node)))


def _statement(s):
    """The statement with ``#yielded.append(value)`` in place of ``yield value``."""
    if isinstance(s, _SCOPES) or not _yields(s):
        return s
    if isinstance(s, ast.Expr) and isinstance(s.value, (ast.Yield, ast.YieldFrom)):
        value = s.value.value or ast.copy_location(ast.Constant(None), s)
        if _yields(value):
            raise Refusal("`yield` inside of an expression", "Yield in a statement of its own.")
        name = "append" if isinstance(s.value, ast.Yield) else "extend"
        call = ast.Call(ast.Attribute(ast.Name(YIELDED, ast.Load()), name, ast.Load()), [value], [])
        for n in (call, call.func, call.func.value):
            ast.copy_location(n, s)
        return ast.copy_location(ast.Expr(call), s)
    if not isinstance(s, (ast.If, ast.For, ast.While, ast.With, ast.Try)):
        raise Refusal("`yield` inside of an expression", "Yield in a statement of its own.")
    made = ast.copy_location(type(s)(**{f: getattr(s, f) for f in s._fields}), s)
    for part in ("body", "orelse", "finalbody"):
        if hasattr(made, part):
            setattr(made, part, [_statement(inner) for inner in getattr(made, part)])
    return made
