"""Nested containers in one .npz file, to the last bit, without pickle."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from sciad.tree import flatten, paths, unflatten

__all__ = ["load", "save"]


def save(path: str | Path, **trees: Any) -> None:
    """Write nested containers of numbers, arrays, texts and random generators to a file.

    Parameters
    ----------
    path : str or Path
        Ends in ``.npz``. It is replaced as a whole: an interrupted program leaves the old file or the new.
    **trees
        By name. A leaf is a number, an array, a text, None, or a `numpy.random.Generator`.

    Examples
    --------
    >>> import numpy as np, sciad.optimize as opt, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "weights.npz")
    >>> opt.save(file, weights={"w": np.array([0.1, 0.2])}, step=3)
    >>> opt.load(file, weights={"w": np.zeros(2)}, step=0)
    {'weights': {'w': array([0.1, 0.2])}, 'step': 3}
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"the file {path} is to end in .npz")
    arrays, contents = {}, {}
    for name, tree in trees.items():
        entries = []
        for k, (leaf, place) in enumerate(zip(flatten(tree)[0], paths(tree), strict=True)):
            kind, data = _encoded(leaf, f"{name}{place}")
            entries.append([place, kind])
            arrays[f"{name}.{k}"] = data
        contents[name] = entries
    arrays["contents"] = np.array(json.dumps(contents))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + f".{os.getpid()}.tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


def load(path: str | Path, **like: Any) -> dict[str, Any]:
    """Read what `save` wrote, into the structures of `like`.

    Parameters
    ----------
    path : str or Path
    **like
        By name, an example of each: nested containers of the same structure, arrays of the same shape (any
        other leaf stands for anything). Random generators among their
        leaves are not touched; new ones of the saved state are returned.

    Returns
    -------
    dict
        By name.

    Raises
    ------
    ValueError
        If the file holds something else than what `like` looks like.
    """
    with np.load(path, allow_pickle=False) as file:
        contents = json.loads(str(file["contents"]))
        found = {}
        for name, example in like.items():
            if name not in contents:
                raise ValueError(f"{path} holds {', '.join(contents)}, but no {name!r}")
            places = paths(example)
            saved = [place for place, _ in contents[name]]
            if places != saved:
                odd = next((p for p in [*saved, *places] if (p in saved) != (p in places)), "their order")
                raise ValueError(
                    f"{name!r} in {path} has another structure than asked for: {odd} is in one only"
                )
            leaves = [_decoded(kind, file[f"{name}.{k}"]) for k, (_, kind) in enumerate(contents[name])]
            for place, leaf, own in zip(places, leaves, flatten(example)[0], strict=True):
                if isinstance(own, np.ndarray) and leaf.shape != own.shape:
                    raise ValueError(
                        f"{name}{place} in {path} has shape {leaf.shape}, asked for was {own.shape}"
                    )
            found[name] = unflatten(flatten(example)[1], leaves)
    return found


def _encoded(leaf, place):
    if isinstance(leaf, np.random.Generator):
        return "generator", np.array(json.dumps(leaf.bit_generator.state, default=_listed))
    if isinstance(leaf, (bool, int, float, str)) and not isinstance(leaf, np.generic):
        return type(leaf).__name__, np.array(json.dumps(leaf)) if isinstance(leaf, int) else np.array(leaf)
    data = np.asarray(leaf)
    if data.dtype.kind not in "fiubc":
        raise TypeError(f"{place} cannot be saved: it is {leaf!r}")
    return "array" if isinstance(leaf, np.ndarray) else "scalar", data


def _decoded(kind: str, data: np.ndarray):
    if kind == "generator":
        state = json.loads(str(data))
        generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
        generator.bit_generator.state = _arrayed(state)
        return generator
    if kind in ("int", "bool"):
        return json.loads(str(data))
    if kind == "array":
        return data
    return {"float": float, "str": str}[kind](data) if kind != "scalar" else data[()]


def _listed(x):
    return {"array": x.tolist(), "dtype": x.dtype.str}


def _arrayed(state):
    if isinstance(state, dict) and set(state) == {"array", "dtype"}:
        return np.array(state["array"], dtype=state["dtype"])
    return {k: _arrayed(v) for k, v in state.items()} if isinstance(state, dict) else state
