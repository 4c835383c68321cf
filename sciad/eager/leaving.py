"""Text of traced values: a reminder that a number read from it has no derivative."""

from __future__ import annotations


class Text(str):
    """A traced value as text; to turn that into a number again is to drop the derivative, as `float` is.

    Parts of it and what is put together with ``+`` remember.  What Python itself joins (``"".join``, an
    f-string of several parts) or prints by ``%`` is plain text.
    """

    __slots__ = ()

    def __float__(self):
        from sciad.eager.local_arrays import warn_dropped

        warn_dropped("float() of the text of a value", 3)
        return float(str.__str__(self))

    def __radd__(self, other):
        return Text(other + str.__str__(self)) if isinstance(other, str) else NotImplemented

    def __str__(self):
        return self

    def __format__(self, spec):
        return Text(str.__format__(self, spec))


def _remembering(name):
    plain = getattr(str, name)

    def method(self, *args, **kwargs):
        return _text(plain(self, *args, **kwargs))

    method.__name__ = name
    return method


def _text(found):
    if isinstance(found, str):
        return Text(found)
    return type(found)(map(_text, found)) if isinstance(found, (list, tuple)) else found


for _name in (
    "__add__ __getitem__ __mod__ __mul__ strip lstrip rstrip replace split rsplit splitlines partition "
    "rpartition lower upper expandtabs ljust rjust center zfill removeprefix removesuffix format join"
).split():
    setattr(Text, _name, _remembering(_name))
