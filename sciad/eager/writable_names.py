"""Local arrays that traced values can be written into, whatever made them: ``a = np.cos(table); a[0] = x``.

What `rebind` runs is a copy of the user's function, and its code may be another one, too: compiled from the
same text, with ``a = writable(a)`` before every statement that writes into a local name `a`.  A plain array
that nobody else holds becomes a local buffer there; any other object stays what it is, and a write into it is
refused as before.  Where the source cannot be had, or does not give the code that runs, nothing is changed.
"""

from __future__ import annotations

import ast
import copy
import dis
import linecache
import types

from sciad.eager.local_arrays import Buffer, buffer
from sciad.plain_numpy import np
from sciad.private_interfaces import count_references

NAME = "__writable__"  # how the copy calls `writable`; a builtin to it


def writable(a):
    """`a` as a local buffer, if it is a plain array of floats that nothing but the calling name holds."""
    if a.__class__ is list and a.__len__() <= _LONGEST:
        for k, item in enumerate(a):
            if item.__class__ is np.ndarray and count_references(item) <= _IN_LIST and item.base is None:
                a[k] = buffer(item)
        return a
    if a.__class__ is not np.ndarray or count_references(a) > _ALONE or a.dtype.kind not in "fc":
        return a
    base = a.base
    if base is None:
        return a.view(Buffer) if a.flags.writeable else a
    if base.__class__ is np.ndarray and base.base is None and count_references(base) <= _HELD_BY_VIEW:
        return buffer(a)
    return a


def writing_code(f) -> types.CodeType:
    """The code that the copy of a function runs."""
    code = f.__code__
    found = _codes.get(code)
    if found is None:
        made = _rewritten(code, f.__globals__) if _writes(code) else None
        found = _codes[code] = code if made is None else made
        if found is not code:
            _remember(found, code)
    return found


def written_by_user(code: types.CodeType) -> types.CodeType:
    """Undo `writing_code`."""
    return _origins.get(code, code)


_codes: dict = {}
_origins: dict = {}
_trees: dict = {}  # by file: its lines, and its syntax tree


def _remember(made, code) -> None:
    _origins[made] = code
    inner = [[c for c in x.co_consts if isinstance(c, types.CodeType)] for x in (made, code)]
    for a, b in zip(*inner, strict=True):
        _remember(a, b)


def _writes(code) -> bool:
    """Whether the code, or that of a function in it, writes into arrays."""
    for i in dis.get_instructions(code):
        if i.opname.startswith(("STORE_SUBSCR", "STORE_SLICE")) or i.argval in _WRITERS:
            return True
        if i.opname == "BINARY_OP" and i.argrepr.endswith("="):
            return True
    return any(_writes(c) for c in code.co_consts if isinstance(c, types.CodeType))


def _rewritten(code, names):
    """The code compiled again with `writable` in it, or None."""
    lines = linecache.getlines(code.co_filename, names)
    if not lines:
        return None
    known = _trees.get(code.co_filename)
    if known is None or known[0] != lines:
        try:
            known = _trees[code.co_filename] = (list(lines), ast.parse("".join(lines)))
        except (SyntaxError, ValueError):
            return None
    for node in known[1].body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first <= code.co_firstlineno <= node.end_lineno:
            imports = [n for n in known[1].body if isinstance(n, (ast.Import, ast.ImportFrom))]
            return _compiled_again(code, node, [n for n in imports if n is not node])
    return None


def _compiled_again(code, node, imports):
    flags = code.co_flags & _FUTURE
    imports = [n for n in imports if getattr(n, "module", "") != "__future__"]

    def codes(tree):
        module = ast.Module(
            [*imports, tree], []
        )  # calls of modules' functions have instructions of their own
        return _inside(compile(module, code.co_filename, "exec", flags, dont_inherit=True))

    plain = list(codes(node))
    if code not in plain:
        return None  # changed since it was imported, or by an import hook
    writable = _Writable().visit(copy.deepcopy(node))
    if isinstance(writable, list):
        return None  # a lambda in a statement of the module: it has no statements before which to put one
    changed = list(codes(writable))
    found = changed[plain.index(code)] if len(changed) == len(plain) else None
    same = found is not None and all(
        set(getattr(found, kind)) == set(getattr(code, kind))
        for kind in ("co_varnames", "co_cellvars", "co_freevars")
    )
    return found if same and found.co_freevars == code.co_freevars else None


def _inside(code):
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            yield c
            yield from _inside(c)


class _Writable(ast.NodeTransformer):
    """Puts ``a = writable(a)`` before statements that write into a local name."""

    def __init__(self):
        self.locals: frozenset = frozenset()

    def visit_FunctionDef(self, node):
        outer, self.locals = self.locals, _locals(node)
        self.generic_visit(node)
        self.locals = outer
        return node

    def visit_Lambda(self, node):
        return node

    def visit_ClassDef(self, node):
        outer, self.locals = self.locals, frozenset()
        self.generic_visit(node)
        self.locals = outer
        return node

    def _statement(self, node):
        names = dict.fromkeys(_written(node))
        return [*(_opening(n, node) for n in names if n in self.locals), node]

    visit_Assign = visit_AugAssign = visit_AnnAssign = visit_Expr = visit_Return = _statement


def _locals(node) -> frozenset:
    a = node.args
    found = {x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)}
    outer: set = set()

    def visit(n):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            found.add(n.id)
        elif isinstance(n, (ast.Nonlocal, ast.Global)):
            outer.update(n.names)
        if not isinstance(n, _SCOPES):
            for child in ast.iter_child_nodes(n):
                visit(child)

    for s in node.body:
        visit(s)
    return frozenset(found - outer)


def _written(node):
    """Names of the arrays that a statement may write into."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        for n in ast.walk(target) if target is not None else ():
            if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store):
                yield from _root(n.value)
    value = getattr(node, "value", None)
    if isinstance(value, ast.Call):
        for keyword in value.keywords:
            if keyword.arg == "out":
                yield from _root(keyword.value)
        if isinstance(value.func, ast.Attribute) and value.func.attr in _WRITERS:
            yield from _root(value.func.value)
            yield from _root(value.args[0]) if value.args else ()


def _root(node):
    """The name an array is reached from: ``a`` of ``a.T[0]``."""
    while isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr in _VIEWS):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _opening(name, where):
    call = ast.Call(ast.Name(NAME, ast.Load()), [ast.Name(name, ast.Load())], [])
    made = ast.Assign([ast.Name(name, ast.Store())], call)
    for n in ast.walk(made):
        ast.copy_location(n, where)
    return made


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp)
_SCOPES += (ast.DictComp, ast.GeneratorExp)
_VIEWS = {"T", "flat", "real", "imag", "mT"}
_WRITERS = {"at", "copyto", "fill_diagonal", "put", "put_along_axis", "place", "putmask", "fill", "out"}
_FUTURE = 0x1FF0000


def _alone():
    """The count of references of an array that one name holds, as `writable` sees it."""

    def seen(a):
        return count_references(a)

    a = np.zeros(1)
    a = seen(a)
    return a


def _held_by_view():
    a = np.zeros((2, 2)).reshape(4)
    base = a.base
    return count_references(base)


def _in_list():
    for _, item in enumerate([np.zeros(1)]):
        return count_references(item)


_LONGEST = 64  # lists whose items are looked at
_ALONE, _IN_LIST = _alone(), _in_list()
_HELD_BY_VIEW = _held_by_view()
