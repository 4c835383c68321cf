"""The fence: what the compiler does not accept is refused once, with the place and what to write instead."""

from __future__ import annotations

import ast
import linecache

from sciad.errors import UnsupportedSyntax


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


def located(refusal: Refusal, filename: str, node: ast.AST | None) -> UnsupportedSyntax:
    """The error that users meet: message, file, line, caret, hint."""
    if node is None or not hasattr(node, "lineno"):
        return UnsupportedSyntax(refusal.message, filename, hint=refusal.hint)
    text = linecache.getline(filename, node.lineno)
    column = len(text.encode()[: node.col_offset].decode(errors="ignore"))
    return UnsupportedSyntax(refusal.message, filename, node.lineno, column, text, refusal.hint)
