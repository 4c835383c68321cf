"""Jumps turned into flags, on the syntax tree: afterwards there is no `return`, `break` or `continue`.

``return e`` becomes ``#value = e; #returned = True``; ``break`` and ``continue`` set flags of their loop;
what follows a statement that may jump goes under ``if not flag``.  Where one arm of an `if` always jumps,
the rest of the block goes into the other arm and needs no flag.  A loop gets the attribute `stop`: names
of flags that end it after an iteration.

Every `If`, `For` and `While` is given `live`: the names read after it; loops also `live_head`: those read
by a later iteration or after the loop.  Only these are merged where control flow meets.
"""

from __future__ import annotations

import ast

from sciad.compiler.tracing.generators import YIELDED
from sciad.compiler.tracing.patterns import as_ifs

VALUE, RETURNED = "#value", "#returned"


def normalize(statements: list[ast.stmt]) -> tuple[list[ast.stmt], bool]:
    """The normalised body of a function, and whether every path through it ends in `return` or `raise`."""
    always = _always(statements)
    body = _Jumps().block(statements, None)
    _Liveness(body).before(body, {VALUE, RETURNED, YIELDED})
    return body, always


_JUMPS = (ast.Return, ast.Break, ast.Continue)


def _jumps(statements) -> set[type]:
    """Kinds of jump that may leave these statements."""
    found = set()
    for s in statements:
        if isinstance(s, _JUMPS):
            found.add(type(s))
        elif isinstance(s, ast.If):
            found |= _jumps(s.body) | _jumps(s.orelse)
        elif isinstance(s, (ast.For, ast.While)):
            found |= (_jumps(s.body) & {ast.Return}) | _jumps(s.orelse)
        elif isinstance(s, ast.With):
            found |= _jumps(s.body)
        elif isinstance(s, ast.Try):
            found |= _jumps(s.body) | _jumps(s.orelse) | _jumps(s.finalbody)
            found |= set().union(*(_jumps(h.body) for h in s.handlers))
        elif isinstance(s, ast.Match):
            found |= set().union(*(_jumps(c.body) for c in s.cases))
    return found


def _always(statements) -> bool:
    """Whether control never reaches the end of these statements."""
    for s in statements:
        if isinstance(s, (*_JUMPS, ast.Raise)):
            return True
        if isinstance(s, ast.If) and s.orelse and _always(s.body) and _always(s.orelse):
            return True
        if isinstance(s, ast.With) and _always(s.body):
            return True
        if (
            isinstance(s, ast.Try)
            and _always([*s.body, *s.orelse])
            and all(_always(h.body) for h in s.handlers)
        ):
            return True
        if isinstance(s, ast.Match) and _covers(s) and all(_always(c.body) for c in s.cases):
            return True
        if isinstance(s, ast.While) and _is_true(s.test) and ast.Break not in _jumps(s.body):
            return True
    return False


def _covers(s: ast.Match) -> bool:
    """Whether one case of a ``match`` always is the one."""
    last = s.cases[-1]
    return isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None


def _is_true(test) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


class _Jumps:
    def __init__(self):
        self.loops, self.matches = 0, 0

    def block(self, statements, loop) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for k, s in enumerate(statements):
            rest = statements[k + 1 :]
            if isinstance(s, ast.Return):
                out.append(_assign(VALUE, s.value or ast.Constant(None), s))
                out.append(_assign(RETURNED, ast.Constant(True), s))
                return out
            if isinstance(s, (ast.Break, ast.Continue)):
                out.append(_assign(loop[type(s)], ast.Constant(True), s))
                return out
            if isinstance(s, ast.Match):
                self.matches += 1
                return out + self.block(as_ifs(s, self.matches) + rest, loop)
            if isinstance(s, ast.Try):
                out.append(self.guarded(s, loop))
                jumps = _jumps([s])
                if jumps and rest:
                    out.append(_unless(_flags(jumps, loop), self.block(rest, loop), s))
                    return out
                continue
            if isinstance(s, ast.With):
                for item in s.items:
                    enter = ast.copy_location(ast.Expr(item.context_expr), s)
                    enter.context, enter.binds = True, item.optional_vars is not None
                    out.append(enter)
                return out + self.block(s.body + rest, loop)
            if isinstance(s, ast.If):
                done = self.branch(s, rest, loop, out)
                if done:
                    return out
            elif isinstance(s, (ast.For, ast.While)):
                self.loop(s, loop, out)
                jumps = _jumps([s])  # out of it: `break` and `continue` of its `else` are the outer loop's
                if jumps and rest:
                    out.append(_unless(_flags(jumps, loop), self.block(rest, loop), s))
                    return out
            else:
                out.append(s)
        return out

    def guarded(self, s: ast.Try, loop) -> ast.Try:
        """A ``try`` whose parts are normalised; after a jump out of its body, `else` is not reached."""
        handlers = []
        for h in s.handlers:
            handlers.append(ast.copy_location(ast.ExceptHandler(h.type, h.name, self.block(h.body, loop)), h))
        orelse, jumps = self.block(s.orelse, loop), _jumps(s.body)
        if jumps and orelse:
            orelse = [_unless(_flags(jumps, loop), orelse, s)]
        new = ast.Try(self.block(s.body, loop), handlers, orelse, self.block(s.finalbody, loop))
        new.jumps_at_the_end = bool(_jumps(s.finalbody))
        return ast.copy_location(new, s)

    def branch(self, s, rest, loop, out) -> bool:
        jumps = _jumps(s.body) | _jumps(s.orelse)
        if jumps and _leaves(s.body):
            out.append(_if(s, self.block(s.body, loop), self.block(s.orelse + rest, loop)))
            return True
        if jumps and s.orelse and _leaves(s.orelse):
            out.append(_if(s, self.block(s.body + rest, loop), self.block(s.orelse, loop)))
            return True
        out.append(_if(s, self.block(s.body, loop), self.block(s.orelse, loop)))
        if not jumps:
            return False
        if rest:
            out.append(_unless(_flags(jumps, loop), self.block(rest, loop), s))
        return True

    def loop(self, s, outer, out):
        self.loops += 1
        flags = {ast.Break: f"#broke_{self.loops}", ast.Continue: f"#continued_{self.loops}"}
        jumps = _jumps(s.body)
        body = self.block(s.body, flags)
        if ast.Continue in jumps:
            body.insert(0, _assign(flags[ast.Continue], ast.Constant(False), s))
        new = ast.For(s.target, s.iter, body, []) if isinstance(s, ast.For) else ast.While(s.test, body, [])
        new.stop = []
        if ast.Break in jumps:
            out.append(_assign(flags[ast.Break], ast.Constant(False), s))
            new.stop.append(flags[ast.Break])
        if ast.Return in jumps:
            new.stop.append(RETURNED)
        out.append(ast.copy_location(new, s))
        if s.orelse:
            orelse = self.block(s.orelse, outer)
            out.extend([_unless(new.stop, orelse, s)] if new.stop else orelse)


def _flags(jumps, loop) -> list[str]:
    """The flags that these jumps out of statements of `loop` set."""
    return [RETURNED if j is ast.Return else loop[j] for j in _JUMPS if j in jumps]


def _leaves(statements) -> bool:
    """Whether these statements always end in a jump (not a raise: that needs no flag)."""
    for s in statements:
        if isinstance(s, _JUMPS):
            return True
        if isinstance(s, ast.If) and s.orelse and _leaves(s.body) and _leaves(s.orelse):
            return True
        if isinstance(s, ast.With) and _leaves(s.body):
            return True
        if isinstance(s, ast.Match) and _covers(s) and all(_leaves(c.body) for c in s.cases):
            return True
    return False


def _assign(name, value, where):
    new = ast.Assign([ast.Name(name, ast.Store())], value)
    for node in (new, new.targets[0], *([value] if not hasattr(value, "lineno") else [])):
        ast.copy_location(node, where)
    return new


def _if(s, body, orelse):
    new = ast.copy_location(ast.If(s.test, body, orelse), s)
    return new


def _unless(flags, body, where):
    names = [ast.copy_location(ast.Name(f, ast.Load()), where) for f in flags]
    test = names[0] if len(names) == 1 else ast.copy_location(ast.BoolOp(ast.Or(), names), where)
    test = ast.copy_location(ast.UnaryOp(ast.Not(), test), where)
    return ast.copy_location(ast.If(test, body, []), where)


_SCOPES = (ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.DictComp, ast.SetComp)


class _Liveness:
    def __init__(self, body):
        self.always = set()  # what nested functions read may be wanted at any time
        for s in body:
            for node in ast.walk(s):
                if isinstance(node, _SCOPES):
                    self.always |= _reads(node)

    def before(self, statements, live: set) -> set:
        """Names live before these statements, given those live after them."""
        for s in reversed(statements):
            live = self.statement(s, live)
        return live

    def statement(self, s, live):
        if isinstance(s, ast.If):
            s.live = live | self.always
            return _reads(s.test) | self.before(s.body, live) | self.before(s.orelse, live)
        if isinstance(s, (ast.For, ast.While)):
            s.live = live | self.always
            test = _reads(s.test) if isinstance(s, ast.While) else set()
            head = live | test
            while True:
                inside = self.before(s.body, head | set(s.stop))
                if isinstance(s, ast.For):
                    inside = inside - _names(s.target)
                grown = head | inside
                if grown == head:
                    break
                head = grown
            s.live_head = head | self.always
            return head | _reads(s.iter) if isinstance(s, ast.For) else head
        if isinstance(s, ast.Try):
            return self.guarded(s, live)
        if isinstance(s, ast.Assign):
            for target in s.targets:
                live = (live - _names(target)) | _reads(target)
            return live | _reads(s.value)
        if isinstance(s, ast.AnnAssign):
            if s.value is None:
                return live
            return (live - _names(s.target)) | _reads(s.target) | _reads(s.value)
        if isinstance(s, ast.AugAssign):
            return live | _reads(s.target) | _names(s.target) | _reads(s.value)
        if isinstance(s, ast.FunctionDef):
            return (live - {s.name}) | self.always
        return live | _reads(s)

    def guarded(self, s: ast.Try, live) -> set:
        """Of what a ``try`` binds, all may be read by its handlers: the body may raise anywhere."""
        after = self.before(s.finalbody, live)
        caught = set().union(after, *(_reads(h.type) for h in s.handlers if h.type is not None))
        for h in s.handlers:
            caught |= self.before(h.body, after) - ({h.name} if h.name else set())
        self.always, outer = self.always | caught, self.always
        inside = self.before(s.body, self.before(s.orelse, after))
        self.always = outer
        return inside | caught | after


def _reads(node) -> set[str]:
    return {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Load, ast.Del))
    }


def _names(target) -> set[str]:
    """Names a target binds."""
    if isinstance(target, ast.Name):
        return {target.id}
    if isinstance(target, (ast.Tuple, ast.List)):
        return set().union(*(_names(e) for e in target.elts))
    if isinstance(target, ast.Starred):
        return _names(target.value)
    return set()


def local_names(statements) -> frozenset[str]:
    """Names a function's body binds (not those of functions and comprehensions inside it)."""
    found, outer = set(), set()

    def visit(node):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        elif isinstance(node, (ast.Nonlocal, ast.Global)):
            outer.update(node.names)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((a.asname or a.name).partition(".")[0] for a in node.names)
        elif isinstance(node, ast.FunctionDef) or (isinstance(node, ast.ExceptHandler) and node.name):
            found.add(node.name)
        if isinstance(node, _COMPREHENSIONS):  # their own are forgotten, `:=` binds around them
            found.update(n.target.id for n in _outside_scopes(node) if isinstance(n, ast.NamedExpr))
        elif not isinstance(node, _SCOPES):
            for child in ast.iter_child_nodes(node):
                visit(child)

    for s in statements:
        visit(s)
    return frozenset(found - outer)


def _outside_scopes(node):
    """The nodes below this one, without those of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _SCOPES):
            yield child
            yield from _outside_scopes(child)
