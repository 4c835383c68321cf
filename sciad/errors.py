"""Errors and warnings of `sciad`: each says what happened, where, and what to do about it."""

from __future__ import annotations


class SciadError(Exception):
    """Base of every error raised on purpose by this package."""


class MissingRule(SciadError, NotImplementedError):
    """A function met a value that is being differentiated and has no derivative rule for it."""


class NotScalar(SciadError, TypeError):
    """The function given to `grad` does not return one number."""


class NotDifferentiable(SciadError, TypeError):
    """An argument, or an operation on it, has no derivative in the sense asked for."""


class NotFinite(SciadError, ArithmeticError):
    """What a derivative is to be computed from is NaN or infinite. A rule that raises this is asked again
    by a sweep that heeds zeros beside NaN.
    """


class SolverError(SciadError, RuntimeError):
    """A solve that failed where its result was needed for a derivative; the message says when, where and
    what to do.
    """


class LossNotFinite(SolverError, NotFinite):
    """The derivative of a loss with respect to the outputs of a solve is NaN or infinite."""


class EscapedValue(SciadError, RuntimeError):
    """A traced value was used after the transform that made it had ended."""


class UnsupportedWrite(SciadError, TypeError):
    """An in-place write that cannot carry derivatives."""


class CheckFailed(SciadError, AssertionError):
    """`check_grads` found a derivative that disagrees with finite differences."""


class DerivativeDropped(UserWarning):
    """A traced value was turned into a plain number: what is computed from that number is a constant."""


class UnsupportedSyntax(SciadError, SyntaxError):
    """Python that the compiler does not accept; names the place and what to write instead.

    Parameters
    ----------
    message : str
        What is not supported.
    filename, line, col, text
        Where: file, 1-based line, 0-based column and the text of that line (any of them may be None).
    hint : str, optional
        What to write instead.
    """

    def __init__(
        self,
        message: str,
        filename: str | None = None,
        line: int | None = None,
        col: int | None = None,
        text: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message, self.hint = message, hint
        offset = None if col is None else col + 1
        super().__init__(message, (filename or "<unknown>", line, offset, text))
        if hint:
            self.add_note(hint)  # tracebacks show the message of a SyntaxError without its ``str``

    def __str__(self) -> str:
        line = "" if self.lineno is None else f", line {self.lineno}"
        lines = [f"{self.message} ({self.filename}{line})"]
        if self.text:
            text = self.text.rstrip("\n")
            lines.append("    " + text.lstrip())
            if self.offset:
                caret = max(self.offset - 1 - (len(text) - len(text.lstrip())), 0)
                lines.append("    " + " " * caret + "^")
        if self.hint:
            lines.append(self.hint)
        return "\n".join(lines)


class InternalError(UnsupportedSyntax):
    """The compiler failed by a mistake of its own; the function may be quite all right.

    What can run without it does (`solve_ivp` calls the model in Python).  With ``SCIAD_STRICT=1`` in the
    environment the mistake itself is raised in its place, where it was made.
    """


# why a write is refused where only the array itself can tell
PLAIN_TARGET = (
    "a value being differentiated was written into a plain NumPy array, which cannot hold it. Make that "
    "array by np.zeros, np.empty, np.ones, np.full, np.array or np.copy inside of the differentiated "
    "function or of a function it calls by name; other arrays are written into where they have one name "
    "only and nothing else holds them. In a method of an object, or a function kept in a container, that "
    "is not seen: collect the values in a list and give it to np.array"
)
