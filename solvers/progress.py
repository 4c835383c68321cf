"""The progress bar of long solves."""

from __future__ import annotations

import contextlib

__all__ = ["showing"]


@contextlib.contextmanager
def showing(wanted: bool, t0: float, t1: float):
    """A function of time and step size that moves a bar, or None."""
    if not wanted:
        yield None
        return
    from tqdm import tqdm

    bar = tqdm(
        total=abs(t1 - t0),
        bar_format="{l_bar}{bar}| t = {n:.4g} of {total:.4g} [{elapsed}<{remaining}{postfix}]",
    )

    def show(t: float, size: float) -> None:
        bar.set_postfix_str(f"step {size:.2g}", refresh=False)
        bar.update(abs(t - t0) - bar.n)

    with bar:
        yield show
        show(t1, 0.0)
