"""Texts and members of enumerations that depend on values: one of several, known by a number.

Every constant that meets another one where control flow meets gets a number, the same all over the program.
"""

from __future__ import annotations

import enum

import numpy as np

from sciad.compiler.fence import Refusal
from sciad.compiler.objects.kinds import Tag


class Tags:
    """What can be asked of a tag."""

    def start_tags(self) -> None:
        self.tag_numbers: dict = {}

    def tag_number(self, x) -> int:
        """The number of a constant."""
        return self.tag_numbers.setdefault((type(x), x), len(self.tag_numbers))

    def is_option(self, tag: Tag, x):
        """Whether a tag is this constant."""
        if x not in tag.options:
            return False
        return self.builder.op(np.equal, tag.index, self.tag_number(x))

    def equal_tags(self, a, b):
        """``a == b`` where one of them is a tag at least."""
        if isinstance(a, Tag) and isinstance(b, Tag):
            return self.builder.op(np.equal, a.index, b.index)
        tag, x = (a, b) if isinstance(a, Tag) else (b, a)
        return self.is_option(tag, x) if isinstance(x, (str, enum.Enum)) else False

    def by_tag(self, tag: Tag, of):
        """``of(option)`` of the option that the tag is."""
        options = sorted(tag.options, key=self.tag_number)

        def chosen(k: int):
            if k == len(options) - 1:
                return self.settled(of(options[k]))
            return self.branch(
                self.is_option(tag, options[k]), lambda: self.settled(of(options[k])), lambda: chosen(k + 1)
            )

        return chosen(0)

    def tag_attribute(self, tag: Tag, name: str):
        if all(isinstance(x, enum.Enum) for x in tag.options) and name in ("value", "name"):
            return self.by_tag(tag, lambda x: self.get_attribute(x, name))
        raise Refusal(
            f"attribute {name!r} of a text or member that depends on values",
            "Ask for it on every path, before the paths meet.",
        )
