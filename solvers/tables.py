"""Solutions as tables and labelled arrays of other packages, and as HTML."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

__all__ = ["component_names", "frame", "html_table", "labelled"]


def component_names(shape: tuple[int, ...]) -> list[str]:
    """How one would write the components of a state of that shape."""
    return [f"y[{', '.join(map(str, index))}]" for index in np.ndindex(*shape)] if shape else ["y"]


def frame(t, y, columns) -> Any:
    """A pandas DataFrame with a row for each time; y has time first."""
    import pandas as pd

    return pd.DataFrame(np.asarray(y), index=pd.Index(np.asarray(t), name="t"), columns=columns)


def labelled(t, y, dims: list[str], attributes: dict[str, Any]) -> Any:
    """An xarray DataArray; the last dimension is time."""
    import xarray

    return xarray.DataArray(
        np.asarray(y), dims=[*dims, "t"], coords={"t": np.asarray(t)}, name="y", attrs=attributes
    )


def html_table(title: str, rows: list[tuple[str, Any]]) -> str:
    """What notebooks show of a solution."""
    cells = "".join(
        f"<tr><td style='text-align:left'>{html.escape(name)}</td>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table><caption style='text-align:left'><b>{html.escape(title)}</b></caption>{cells}</table>"
