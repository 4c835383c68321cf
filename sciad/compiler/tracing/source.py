"""From a function object to its syntax tree, wherever it was typed: a file, a notebook cell, one lambda
among several.
"""

from __future__ import annotations
import __future__

import ast
import copy
import dis
import functools
import inspect
import linecache
import operator
import sys
import threading
from dataclasses import dataclass
from types import CodeType, FunctionType

from sciad.compiler.fence import Refusal
from sciad.compiler.tracing import generators
from sciad.compiler.tracing.jumps import local_names, normalize
from sciad.portable import travelled
from sciad.recent import Recent


@dataclass(eq=False)
class Source:
    """A function's parameters and its normalised body (see `normalize`)."""

    name: str
    filename: str
    node: ast.FunctionDef | ast.Lambda
    args: ast.arguments
    body: list[ast.stmt]
    returns_always: bool
    locals: frozenset[str] = frozenset()
    yields: bool = False  # a generator, which gives the list of all that it yields

    @classmethod
    def of(cls, node: ast.FunctionDef | ast.Lambda, filename: str) -> Source:
        made = getattr(node, "_source", None)
        if made is None:
            statements = generators.collected(node)
            if isinstance(node, ast.Lambda):
                statements = [ast.copy_location(ast.Return(node.body), node.body)]
            body, always = normalize(statements)
            name = getattr(node, "name", "<lambda>")
            found = local_names(body)
            made = node._source = cls(name, filename, node, node.args, body, always, found)
            made.yields = generators.YIELDED in found
        return made


_sources = Recent(4096)
_trees = Recent(256)  # by file: its lines, and the syntax tree of them
_guard = threading.RLock()


def function_source(fn: FunctionType) -> Source:
    """The source of a Python function; `Refusal` if it cannot be had."""
    code = fn.__code__
    key = code, code.co_filename  # which equality of code objects leaves out
    found = _sources.get(key)
    if found is None:
        with _guard:  # places of a program are known by the nodes of one tree
            found = _sources.get(key) or _sources.setdefault(key, _read(fn))
    return found


def register(fn: FunctionType, source: Source) -> None:
    """The source of a function that is in no file."""
    _sources.put((fn.__code__, fn.__code__.co_filename), source)


def _read(fn: FunctionType) -> Source:
    code = fn.__code__
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        raise Refusal(f"{fn.__name__} is a coroutine", "Define it without async.")
    if not code.co_filename.startswith("<"):  # text that is registered without a file stays
        linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, fn.__globals__)
    if lines:
        return Source.of(_node(code, lines), code.co_filename)
    if code.co_filename == _TRAVELLED:
        scripts = [(name, linecache.getlines(name)) for name in _scripts()]
        for name, lines in [*travelled.items(), *scripts]:
            try:
                return Source.of(_node(code, lines), name)
            except Refusal:
                continue
        raise Refusal(
            f"{fn.__name__} came from another process, by its byte code, without its source text",
            "Define it in a module that both processes import.",
        )
    raise Refusal(
        f"the source text of {fn.__name__} cannot be read: it was typed at a prompt, given to python -c or "
        f"made by exec ({code.co_filename})",
        "Define it in a file, a notebook or IPython; or enter its text in linecache.cache under that name.",
    )


_TRAVELLED = "<dynamic-code>"  # the file's name of functions that cloudpickle carried


def _scripts() -> list[str]:
    """Files from which a function may have come that was carried here: the main scripts. Whether it is the
    one is seen by its byte code.
    """
    names = [getattr(sys.modules.get("__main__"), "__file__", None), *sys.argv[:1]]
    return [name for name in dict.fromkeys(names) if name]


def _node(code: CodeType, lines: list[str]) -> ast.FunctionDef | ast.Lambda:
    return _lambda(code, lines) if code.co_name == "<lambda>" else _def(code, lines)


def _def(code: CodeType, lines: list[str]) -> ast.FunctionDef:
    start = code.co_firstlineno - 1
    node = None
    if start < len(lines):
        block = inspect.getblock(lines[start:])
        indented = block[0][:1].isspace()
        try:
            tree = ast.parse(("if 1:\n" if indented else "") + "".join(block))
        except SyntaxError:
            tree = ast.parse("".join(lines))  # a def that shares its line with other code
            start = 0
            indented = False
        ast.increment_lineno(tree, start - indented)
        nodes = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == code.co_name]
        nodes = [n for n in nodes if code.co_firstlineno in (n.lineno, *(d.lineno for d in n.decorator_list))]
        node = nodes[0] if nodes else None
    if node is None or not _agrees(code, node):
        raise Refusal(
            f"the source of {code.co_name} in {code.co_filename} is not the one that was imported",
            "The file has changed since: import it again.",
        )
    return node


def _lambda(code: CodeType, lines: list[str]) -> ast.Lambda:
    known = _trees.get(code.co_filename)
    if known is None or known[0] != lines:
        known = (list(lines), _parse("".join(lines)))
        _trees.put(code.co_filename, known)
    nodes = [n for n in ast.walk(known[1]) if isinstance(n, ast.Lambda)]
    span = _span(code)
    for node in nodes:
        body = node.body
        if span == (body.lineno, body.col_offset, body.end_lineno, body.end_col_offset) and _agrees(
            code, node
        ):
            return node
    nodes = [n for n in nodes if n.lineno == code.co_firstlineno and _agrees(code, n)]
    if not nodes:
        raise Refusal(
            f"the source of the lambda in line {code.co_firstlineno} of {code.co_filename} was not found",
            "Give it a name with def.",
        )
    return nodes[0]


def _parse(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:  # a notebook cell with magics
        text = "\n".join("" if line.lstrip()[:1] in ("%", "!", "?") else line for line in text.split("\n"))
        try:
            return ast.parse(text)
        except SyntaxError:
            raise Refusal(f"the source around the function does not parse: {error}") from None


def _span(code: CodeType):
    """First and last position of the body's instructions."""
    spots = [p for p in code.co_positions() if None not in p and p[3] > 0]
    if not spots:
        return None
    return (*min(p[0::2] for p in spots), *max(p[1::2] for p in spots))


def _agrees(code: CodeType, node) -> bool:
    """Whether `node` compiles to `code`: a file may have been edited since it was imported."""
    args = node.args
    names = [a.arg for a in args.posonlyargs + args.args + args.kwonlyargs]
    names += [a.arg for a in (args.vararg, args.kwarg) if a]
    if list(code.co_varnames[: len(names)]) != names:
        return False
    if _rewritten(node):
        last = max((p[1] for p in code.co_positions() if p[1]), default=node.end_lineno)
        return last <= node.end_lineno
    return _content(_compiled(node, code)) == _content(code)


def _rewritten(node) -> bool:
    """Whether the compiler saw other text than this: test runners rewrite assertions, classes private
    names.
    """
    return any(
        isinstance(n, ast.Assert)
        or (isinstance(n, ast.Attribute | ast.Name) and _private(n.attr if hasattr(n, "attr") else n.id))
        for n in ast.walk(node)
    )


def _private(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _compiled(node, code: CodeType) -> CodeType:
    """The code of a function's syntax tree, its free variables bound outside as those of `code` are."""
    node = copy.copy(node)
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
    inner = node if isinstance(node, ast.FunctionDef) else ast.Expr(node)
    cells = [ast.arg(name) for name in code.co_freevars]
    none = ast.arguments([], cells, None, [], [], None, [])
    own = (
        []
        if isinstance(inner, ast.Expr) or code.co_name in code.co_freevars
        else [ast.Global([code.co_name])]
    )
    outer = ast.FunctionDef("outer", none, [*own, inner], [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([outer], []))
    flags = code.co_flags & _FUTURE
    made = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    return _inner(_inner(made, "outer"), code.co_name)


def _inner(code: CodeType, name: str) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType) and c.co_name == name)


def _content(code: CodeType) -> list:
    """What a code object does, wherever it stands: its instructions, jumps by the number of their target.

    How a method is called depends on whether its owner is a module the file imports, so that is left out.
    """
    instructions = list(dis.get_instructions(code))
    number, k = {}, 0
    for i in instructions:
        number[i.offset] = k
        k += i.opname not in _FORMAL
    made: list = []
    for i in instructions:
        if i.opname in _FORMAL:
            continue
        value = i.argval
        if i.opname == "KW_NAMES":
            value = code.co_consts[i.arg]
        elif i.opcode in _JUMPS:
            value = number[value]
        elif isinstance(value, CodeType):
            value = _content(value)
        elif i.opname.startswith("LOAD_CONST"):
            value = type(value), repr(value)
        made.append(("LOAD_ATTR" if i.opname == "LOAD_METHOD" else i.opname, value))
    return made


_FORMAL = ("RESUME", "NOP", "CACHE", "PUSH_NULL", "PRECALL", "EXTENDED_ARG")
_JUMPS = {*dis.hasjrel, *dis.hasjabs}
_FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
