"""Bars of progress for searches and trainings, by tqdm."""

from __future__ import annotations

import contextlib

__all__ = ["bar"]


@contextlib.contextmanager
def bar(wanted: bool, what: str, total: int | None = None):
    """A function that moves a bar by one and writes the loss beside it; it does nothing if not `wanted`."""
    if not wanted:
        yield lambda loss: None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=what) as shown:

        def show(loss: float) -> None:
            shown.set_postfix_str(f"loss {loss:.6g}", refresh=False)
            shown.update()

        yield show
