"""Distributions of scipy.stats with their parameters given: their methods are those of the distribution,
called with the parameters by name.
"""

from __future__ import annotations

import sys

from sciad.compiler.fence import Refusal
from sciad.compiler.objects.kinds import Bound, Frozen


def is_distribution(x) -> bool:
    return type(x).__module__.startswith("scipy.stats") and hasattr(x, "rvs") and callable(x)


def frozen(distribution, args, kwargs) -> Frozen:
    """``scipy.stats.norm(mu, sigma)``."""
    names = _names(distribution)
    if len(args) > len(names):
        raise Refusal(f"a distribution with {len(args)} parameters: it has {', '.join(names)}")
    return Frozen(distribution, dict(zip(names, args, strict=False)) | kwargs)


def method(t, owner: Frozen, name: str) -> Bound:
    return Bound(getattr(owner.distribution, name), (), owner.parameters)


def thawed(t, host) -> Frozen | None:
    """One that was made outside of the program, if the object is one."""
    if type(host.obj).__module__ != "scipy.stats._distn_infrastructure" or not hasattr(host.obj, "kwds"):
        return None
    of = getattr(sys.modules["scipy.stats"], host.obj.dist.name, None)
    if of is None:
        return None
    args = t.items(t.captures.resolve(host.obj.args, host.path.attr("args")))
    kwds = t.captures.resolve(host.obj.kwds, host.path.attr("kwds"))
    return frozen(of, args, {k: t.get_item(kwds, k) for k in t.keys(kwds)})


def _names(distribution) -> list[str]:
    shapes = getattr(distribution, "shapes", None)
    if not hasattr(distribution, "pdf") and not hasattr(distribution, "pmf"):
        raise Refusal(f"scipy.stats.{type(distribution).__name__} with its parameters given")
    if type(distribution).__name__ == "multivariate_normal_gen":
        return ["mean", "cov"]
    if type(distribution).__name__ == "dirichlet_gen":
        return ["alpha"]
    scale = [] if hasattr(distribution, "pmf") else ["scale"]
    return [*(s.strip() for s in (shapes or "").split(",") if s.strip()), "loc", *scale]
