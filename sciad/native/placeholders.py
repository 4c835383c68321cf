"""Names that kernels use and the linker fills: declared once, so that readers, editors and linters know them.

A module of kernels imports the placeholders it uses like any other name, ``link`` puts the values that it is
given under these names in their place, and refuses a kernel that reaches one nobody filled.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Placeholder", "placeholder"]


class Placeholder:
    """What stands for a value until the linker knows it; used without having been linked, it raises.

    Parameters
    ----------
    meaning : str
        What the linker puts in, in a few words.
    """

    __slots__ = ("meaning",)

    def __init__(self, meaning: str):
        self.meaning = meaning

    def __repr__(self) -> str:
        return f"<placeholder: {self.meaning}>"


def placeholder(meaning: str) -> Any:
    """A name for the linker to fill, with what it puts there in words.

    Examples
    --------
    >>> from sciad.native.kernels import interpret, kernel
    >>> FACTOR: float = placeholder("what is multiplied by")
    >>> @kernel
    ... def scaled(x):
    ...     return FACTOR * x
    >>> scaled(1.0)
    Traceback (most recent call last):
    TypeError: a kernel that is not linked uses a name the linker is to fill: what is multiplied by
    """
    return Placeholder(meaning)


def _unlinked(self, *_):
    raise TypeError(f"a kernel that is not linked uses a name the linker is to fill: {self.meaning}")


_ARITHMETIC = "add sub mul truediv floordiv mod pow and or xor lshift rshift matmul"
_OTHERS = "call bool index int float len iter getitem contains neg pos abs invert lt le gt ge eq ne"
for _name in (*_ARITHMETIC.split(), *(f"r{word}" for word in _ARITHMETIC.split()), *_OTHERS.split()):
    setattr(Placeholder, f"__{_name}__", _unlinked)
Placeholder.__hash__ = object.__hash__
