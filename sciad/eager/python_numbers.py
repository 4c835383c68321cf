"""What Python's operators raise for numbers, where the program would catch it.

``1.0 / x`` of a Python number raises ZeroDivisionError at 0, and a program may go on in an ``except``.
Traced values are NumPy's, which give inf or NaN.  So where an operator gives that for numbers which the
user gave as Python's, and a ``try`` of the differentiated program waits for the error, it is raised.  Where
none does, the infinite number stays: the derivative may have a limit (`sciad.transforms.limits`), and
``np.where`` may drop it.
"""

from __future__ import annotations

import builtins

from sciad.eager.traced import Level, Traced, raw
from sciad.plain_numpy import np
from sciad.private_interfaces import exceptions_waited_for, frame_above

_ERRORS = (ZeroDivisionError, OverflowError)


def as_python(level, op, a, b) -> None:
    """Raise what ``op(a, b)`` of Python's numbers raises, if the program catches it."""
    if level.__class__ is not Level or not level.python:
        return
    a, b = raw(a), raw(b)
    if a.__class__ not in _NUMBERS or b.__class__ not in _NUMBERS:
        return
    try:
        op(*(x if x.__class__ is int else float(x) for x in (a, b)))
    except _ERRORS as error:
        if _is_caught(type(error)):
            raise type(error)(*error.args) from None


_NUMBERS = (float, int, bool, np.float64)


def _is_caught(error) -> bool:
    """Whether a frame between here and the transform is in a ``try`` that waits for an error."""
    frame = frame_above(2)
    while frame is not None and frame.f_globals.get("__name__") not in _TRANSFORMS:
        if not (frame.f_globals.get("__name__") or "").startswith("sciad."):
            for path in exceptions_waited_for(frame):
                found = _found(frame, path)
                if isinstance(found, type) and issubclass(error, found):
                    return True
        frame = frame.f_back
    return False


_TRANSFORMS = ("sciad.transforms.gradients",)


def _found(frame, path):
    """What a dotted name stands for in a frame."""
    name, *attributes = path
    value = frame.f_locals.get(name, frame.f_globals.get(name, getattr(builtins, name, None)))
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return None if isinstance(value, Traced) else value
