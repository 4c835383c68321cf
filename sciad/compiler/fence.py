"""The fence: what the compiler does not accept is refused once, with the place and what to write instead."""

from __future__ import annotations

import ast
import linecache
import os
import traceback

from sciad.errors import InternalError, UnsupportedSyntax


class Refusal(Exception):
    """Raised anywhere in the front end; `located` turns it into `UnsupportedSyntax` at the expression
    being read.
    """

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message, self.hint = message, hint


class Unbound(Refusal):
    """A name is read that is not bound; in a loop it may be bound by a later statement of the body."""


class Restart(Exception):
    """Trace again with these decisions: ``{site: "memory" | "copy"}`` (see `arrays`)."""

    def __init__(self, decisions: dict):
        super().__init__(f"trace again with {decisions}")
        self.decisions = decisions


class NeedUnroll(Exception):
    """The innermost loop of known length must be written out: its body needs the index while compiling."""

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.refusal, self.error = Refusal(message, hint), None


class NeedPeel(Exception):
    """A name is None before a loop and something else after its first iteration: write that one out."""


def located(
    refusal: Refusal, filename: str, node: ast.AST | None, kind: type[UnsupportedSyntax] = UnsupportedSyntax
) -> UnsupportedSyntax:
    """The error that users meet: message, file, line, caret, hint."""
    if node is None or not hasattr(node, "lineno"):
        return kind(refusal.message, filename, hint=refusal.hint)
    text = linecache.getline(filename, node.lineno)
    column = len(text.encode()[: node.col_offset].decode(errors="ignore"))
    return kind(refusal.message, filename, node.lineno, column, text, refusal.hint)


def internal_error(error: Exception, doing: str, filename: str, node: ast.AST | None = None) -> Exception:
    """What to raise for an exception that is a mistake of the compiler: with SCIAD_STRICT=1 itself."""
    if os.environ.get("SCIAD_STRICT") == "1" or isinstance(error, UnsupportedSyntax):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{'/'.join(frame.filename.replace(os.sep, '/').split('/')[-3:])}, line {frame.lineno}"
    refusal = Refusal(
        f"{doing} this, sciad's compiler failed by a mistake of its own "
        f"({type(error).__name__}: {error}; {place})",
        "Please report it with the function. Until it is mended, call it outside of compiled functions.",
    )
    return located(refusal, filename, node, InternalError)


MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)  # of the compiler
