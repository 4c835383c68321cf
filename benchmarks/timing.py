"""Interleaved timing of competing implementations, tables of ratios, and their storage.

Times on a shared machine drift; ratios of medians of alternated samples do not. So `interleave` takes one
sample of every case in turn, again and again, and what is printed and compared are ratios.
"""

import datetime
import gc
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Timing:
    """Seconds of one call: median, quartiles and minimum over `samples` samples of `calls` calls each."""

    median: float
    lower: float
    upper: float
    samples: int
    calls: int
    least: float = float("nan")


def interleave(
    cases: Mapping[str, Callable[[], object]],
    rounds: int = 101,
    sample_seconds: float = 3e-4,
    case_seconds: float = 10.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time every case, one sample of each per round.

    A sample repeats its case for about `sample_seconds`, which is less than a time slice of the operating
    system, so that most samples are undisturbed on a busy machine too; one call before it, not timed,
    warms the processor's caches. A case that has used up `case_seconds` drops out after at least three
    samples.

    Cases longer than a time slice, on one thread, are better measured by ``clock=time.process_time``: what
    other processes take in between does not count then.
    """
    calls, samples, spent = {}, {name: [] for name in cases}, dict.fromkeys(cases, 0.0)
    for name, case in cases.items():
        case()
        calls[name] = max(1, round(sample_seconds / min(_sample(case, 1, clock) for _ in range(3))))
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, case in cases.items():
                if spent[name] < case_seconds or len(samples[name]) < 3:
                    short = not samples[name] or samples[name][-1] < 0.01
                    warm_up = _sample(case, 1, clock) if short else 0.0
                    seconds = _sample(case, calls[name], clock)
                    samples[name].append(seconds)
                    spent[name] += seconds * calls[name] + warm_up
    finally:
        gc.enable()
    return {name: _summary(samples[name], calls[name]) for name in cases}


def _sample(case: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        case()
    return (clock() - start) / calls


def _summary(samples: list[float], calls: int) -> Timing:
    lower, median, upper = (float(q) for q in np.quantile(samples, (0.25, 0.5, 0.75)))
    return Timing(median, lower, upper, len(samples), calls, min(samples))


def table(timings: Mapping[str, Timing], base: str, title: str = "") -> str:
    """Lines `name, time, ratio to base`, fastest first."""
    width = max(len(name) for name in timings)
    lines = [title, "-" * (width + 28)] if title else []
    lines.append(f"{'':{width}}  {'time':>10}  {'ratio':>12}")
    for name, timing in sorted(timings.items(), key=lambda item: item[1].median):
        ratio = timing.median / timings[base].median
        lines.append(f"{name:{width}}  {duration(timing.median):>10}  {f'{ratio:,.4g} x':>12}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time with its unit.

    Examples
    --------
    >>> duration(6.5e-6), duration(0.0123), duration(2.0)
    ('6.5 us', '12.3 ms', '2 s')
    """
    for unit, size in (("us", 1e-6), ("ms", 1e-3)):
        if seconds < 1000 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def save(name: str, content: dict, folder: Path = RESULTS) -> Path:
    """Write `content`, with the machine and the versions it was measured on, to `<folder>/<name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    document = {"date": datetime.date.today().isoformat(), "machine": machine(), **content}
    path.write_text(json.dumps(document, indent=2, default=_encode) + "\n")
    return path


def _encode(value: object) -> object:
    if isinstance(value, Timing):
        return asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} to JSON")


def machine() -> dict:
    names = (
        "sciad",
        "numpy",
        "scipy",
        "numba",
        "torch",
        "torchdiffeq",
        "jax",
        "diffrax",
        "pydiffsol",
        "heyoka",
    )
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version(), "packages": versions}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def bars(groups: Mapping[str, Mapping[str, Timing]], own: str) -> Figure:
    """One panel of horizontal bars per group, on a common logarithmic axis; those of `own` are green."""
    heights = [len(timings) for timings in groups.values()]
    figure = Figure(figsize=(8, 0.6 * len(groups) + 0.3 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (title, timings) in zip(panels, groups.items(), strict=True):
        ordered = sorted(timings.items(), key=lambda item: -item[1].median)
        names = [name for name, _ in ordered]
        seconds = [timing.median for _, timing in ordered]
        colours = ["tab:green" if name.startswith(own) else "0.65" for name in names]
        panel.barh(names, seconds, color=colours, log=True)
        for row, value in enumerate(seconds):
            panel.annotate(
                duration(value), (value, row), xytext=(3, 0), textcoords="offset points", va="center"
            )
        panel.set_title(title, loc="left", fontsize="medium")
        panel.margins(x=0.15)
    panels[-1].set_xlabel("seconds (logarithmic)")
    return figure
