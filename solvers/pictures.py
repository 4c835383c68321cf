"""Pictures of solutions: curves with their jumps and events, phase portraits, fans of stochastic paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["axes", "colors", "curves", "fan", "legend", "mark_events", "names", "phase_portrait", "scales"]

FEW = 10  # curves that the colours of the cycle tell apart
ROWS = 18  # of a legend before it gets another column


def axes(ax: Any) -> Any:
    """The axes to draw on: those given, the current ones, or new ones with room for a legend beside them."""
    import matplotlib.pyplot as plt

    if ax is not None:
        return ax
    return plt.gca() if plt.get_fignums() else plt.subplots(layout="constrained")[1]


def names(count: int, labels: Sequence[str] | None) -> list[str]:
    """Labels of all components."""
    if labels is None:
        return [f"y[{k}]" for k in range(count)]
    if len(labels) != count:
        raise ValueError(f"{len(labels)} labels are given for {count} components")
    return list(labels)


def colors(count: int) -> list:
    """As many colours, told apart by eye: of the cycle, or along a map where these are not enough."""
    if count <= FEW:
        return [f"C{k}" for k in range(count)]
    import matplotlib

    return list(matplotlib.colormaps["turbo"](np.linspace(0.04, 0.96, count)))


def curves(ax, times: np.ndarray, values: np.ndarray, chosen, labels, jumps, style: dict) -> None:
    """Draw rows of `values` (n, k) against times; broken, with a dotted line across, at `jumps`."""
    shades = colors(len(chosen))
    for place, k in enumerate(chosen):
        look = {"color": shades[place], "label": labels[k], **style}
        rows = [(values[k].real, {})]
        if np.iscomplexobj(values):
            look["label"] = f"Re {labels[k]}"
            rows.append((values[k].imag, {"linestyle": "--", "label": f"Im {labels[k]}"}))
        for row, other in rows:
            x, y = _broken(times, row, jumps)
            (line,) = ax.plot(x, y, **(look | other))
            for j in jumps:
                across = {
                    "color": line.get_color(),
                    "linestyle": ":",
                    "linewidth": 0.8 * line.get_linewidth(),
                }
                ax.plot(times[j : j + 2], row[j : j + 2], **across)
    ax.set_xlabel("t")
    if len(chosen) == 1 and not np.iscomplexobj(values):
        ax.set_ylabel(labels[chosen[0]])


def _broken(times: np.ndarray, row: np.ndarray, jumps) -> tuple[np.ndarray, np.ndarray]:
    """With NaN between the two values at each jump."""
    at = np.asarray(jumps, dtype=int) + 1
    return np.insert(times, at, times[at] if len(at) else []), np.insert(row, at, np.nan)


def phase_portrait(ax, values: np.ndarray, pair: tuple[int, int], labels, jumps, style: dict) -> None:
    """Draw one component against another, with a dot where it starts."""
    i, j = pair
    x, y = (values[k].real for k in pair)
    at = np.asarray(jumps, dtype=int) + 1
    (line,) = ax.plot(np.insert(x, at, np.nan), np.insert(y, at, np.nan), **style)
    ax.plot(x[:1], y[:1], "o", color=line.get_color(), markersize=5)
    ax.set_xlabel(labels[i])
    ax.set_ylabel(labels[j])


def mark_events(ax, t_events, y_events, chosen, pair=None) -> None:
    """Open circles where event functions were zero."""
    shades = colors(len(chosen))
    for times, states in zip(t_events, y_events, strict=True):
        states = np.asarray(states).reshape(len(times), -1)
        look = {"marker": "o", "markerfacecolor": "white", "linestyle": "", "markersize": 5, "zorder": 3}
        if pair is not None:
            ax.plot(states[:, pair[0]].real, states[:, pair[1]].real, color="0.2", **look)
            continue
        for place, k in enumerate(chosen):
            if len(times):
                ax.plot(np.asarray(times), states[:, k].real, color=shades[place], **look)


def fan(ax, times, bands: list, several, color, label: str) -> None:
    """Draw quantiles, from the lowest to the highest, as bands around the middle one, and a few paths."""
    half = len(bands) // 2
    for low, high in zip(bands[:half], bands[::-1], strict=False):
        ax.fill_between(times, low, high, color=color, alpha=0.2, linewidth=0)
    for path in several:
        ax.plot(times, path, color=color, linewidth=0.6, alpha=0.7)
    if len(bands) % 2:
        ax.plot(times, bands[half], color=color, label=label)
    elif bands:
        ax.plot([], [], color=color, label=label)


def scales(ax, log: str) -> None:
    """Make axes logarithmic: "x", "y" or "xy"."""
    if set(log) - set("xy"):
        raise ValueError(f"log={log!r}: name the axes that are to be logarithmic, 'x', 'y' or 'xy'")
    if "x" in log:
        ax.set_xscale("log")
    if "y" in log:
        ax.set_yscale("log")


def legend(ax) -> None:
    """Beside the axes, where it covers no curve; none for a single one, which the axis names."""
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) < 2:
        return
    columns = -(-len(handles) // ROWS)
    size = "medium" if len(handles) <= FEW else "small"
    ax.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False,
        ncols=columns, fontsize=size, handlelength=1.5,
    )  # fmt: skip
