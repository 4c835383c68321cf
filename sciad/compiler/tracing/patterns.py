"""``match`` turned into ``if``, on the syntax tree, and what the tests of patterns ask.

A pattern becomes tests of the subject, in order, and bindings among them.  Both are calls of names that no
program can write (``#sequence``), which `Patterns` answers.
"""

from __future__ import annotations

import ast

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.functions.dispatch import call
from sciad.compiler.ir.builder import type_of
from sciad.compiler.ir.nodes import Value
from sciad.compiler.objects.kinds import UNDEFINED, DictBox, Host, ListBox, RecordBox, is_scalar

_ALONE = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def as_ifs(node: ast.Match, number: int) -> list[ast.stmt]:
    """The statements that do what a ``match`` does."""
    name = f"#subject_{number}"
    rest: list[ast.stmt] = []
    for case in reversed(node.cases):
        tests = _tests(case.pattern, ast.Name(name, ast.Load()))
        tests += [case.guard] if case.guard is not None else []
        test = ast.BoolOp(ast.And(), tests) if len(tests) > 1 else tests[0] if tests else ast.Constant(True)
        rest = [ast.If(test, case.body, rest)]
        _place(rest[0], case.pattern)
    subject = ast.Assign([ast.Name(name, ast.Store())], node.subject)
    _place(subject, node)
    return [subject, *rest]


def _place(made, where) -> None:
    """Give new nodes the place of the pattern they come from."""
    if not hasattr(made, "lineno") and isinstance(made, (ast.stmt, ast.expr)):
        ast.copy_location(made, where)
        for child in ast.iter_child_nodes(made):
            _place(child, where)


def _ask(what: str, *args) -> ast.Call:
    return ast.Call(ast.Name(what, ast.Load()), list(args), [])


def _bind(name: str, value) -> ast.Call:
    return _ask("#bound", ast.NamedExpr(ast.Name(name, ast.Store()), value))


def _tests(pattern, subject) -> list:
    if isinstance(pattern, ast.MatchValue):
        return [ast.Compare(subject, [ast.Eq()], [pattern.value])]
    if isinstance(pattern, ast.MatchSingleton):
        return [_ask("#is", subject, ast.Constant(pattern.value))]
    if isinstance(pattern, ast.MatchAs):
        tests = [] if pattern.pattern is None else _tests(pattern.pattern, subject)
        return tests if pattern.name is None else [*tests, _bind(pattern.name, subject)]
    if isinstance(pattern, ast.MatchOr):
        ways = [_tests(p, subject) or [ast.Constant(True)] for p in pattern.patterns]
        return [ast.BoolOp(ast.Or(), [w[0] if len(w) == 1 else ast.BoolOp(ast.And(), w) for w in ways])]
    if isinstance(pattern, ast.MatchSequence):
        return _sequence_tests(pattern.patterns, subject)
    if isinstance(pattern, ast.MatchMapping):
        tests = [_ask("#mapping", subject)]
        for key, inner in zip(pattern.keys, pattern.patterns, strict=True):
            tests += [_ask("#key", subject, key), *_tests(inner, ast.Subscript(subject, key, ast.Load()))]
        if pattern.rest is not None:
            tests.append(_bind(pattern.rest, _ask("#rest", subject, *pattern.keys)))
        return tests
    tests = [_ask("#instance", subject, pattern.cls)]
    for k, inner in enumerate(pattern.patterns):
        tests += _tests(inner, _ask("#positional", subject, pattern.cls, ast.Constant(k)))
    for name, inner in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        tests += [_ask("#has", subject, ast.Constant(name))]
        tests += _tests(inner, ast.Attribute(subject, name, ast.Load()))
    return tests


def _sequence_tests(patterns, subject) -> list:
    star = next((k for k, p in enumerate(patterns) if isinstance(p, ast.MatchStar)), None)
    least = len(patterns) - (star is not None)
    tests = [_ask("#sequence", subject, ast.Constant(least), ast.Constant(star is not None))]
    for k, inner in enumerate(patterns):
        if k == star:
            if inner.name is not None:
                ends = ast.Constant(k), ast.Constant(len(patterns) - 1 - k)
                tests.append(_bind(inner.name, _ask("#middle", subject, *ends)))
            continue
        place = k if star is None or k < star else k - len(patterns)
        tests += _tests(inner, ast.Subscript(subject, ast.Constant(place), ast.Load()))
    return tests


class Patterns:
    """Answers to the tests of patterns."""

    def ask(self, node: ast.Call):
        """The value of a call of a name that stands for a test."""
        args = [self.unwrapped(self.eval(a)) for a in node.args]
        return getattr(self, "_ask_" + node.func.id[1:])(*args)

    def _ask_bound(self, value):
        return True

    def _ask_is(self, subject, constant):
        if isinstance(constant, bool) and isinstance(subject, Value) and type_of(subject) == "b":
            return subject if constant else self.negate(subject)
        return False if is_scalar(subject) and type(subject) is not bool else subject is constant

    def _ask_sequence(self, subject, least: int, more: bool) -> bool:
        if isinstance(subject, Host) and isinstance(subject.obj, (list, tuple)):
            n = len(subject.obj)
        elif isinstance(subject, (ListBox, tuple)):
            n = subject.slots["len"] if isinstance(subject, ListBox) else len(subject)
        else:
            return False
        if isinstance(n, Value):
            raise Refusal("a pattern for a list whose length is not known while compiling")
        return n >= least if more else n == least

    def _ask_middle(self, subject, before: int, after: int):
        items = self.items(subject)
        return self.list(items[before : len(items) - after])

    def _ask_mapping(self, subject) -> bool:
        return isinstance(subject, DictBox) or (isinstance(subject, Host) and isinstance(subject.obj, dict))

    def _ask_key(self, subject, key) -> bool:
        return key in self.keys(subject)

    def _ask_rest(self, subject, *keys):
        return self.box(
            {k: self.get_item(subject, k) for k in self.keys(subject) if k not in keys}, cls=DictBox
        )

    def _ask_instance(self, subject, cls):
        return call(self, isinstance, [subject, cls], {})

    def _ask_has(self, subject, name: str) -> bool:
        if isinstance(subject, RecordBox) and subject.slots.get(name, UNDEFINED) is not UNDEFINED:
            return True
        return call(self, hasattr, [subject, name], {})

    def _ask_positional(self, subject, cls, k: int):
        if cls in _ALONE or cls is np.ndarray:
            return subject
        names = getattr(cls, "__match_args__", ())
        if k >= len(names):
            raise Refusal(f"TypeError: {cls.__name__}() accepts {len(names)} positional sub-patterns")
        return self.get_attribute(subject, names[k])
