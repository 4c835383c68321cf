"""The rule table: one record per function, read by forward mode, reverse mode, `vmap` and the compiler.

A rule is declared once, in plain NumPy, and never again per mode::

    # partials of an elementwise function; y is its output
    scalar(np.tanh, lambda y, x: 1 - y * y)
    # the transpose of a linear function; forward mode is the function itself
    linear(np.reshape, lambda g, x, shape: np.reshape(g, np.shape(x)))
    # derivative zero on purpose, not "missing"
    constant(np.floor)
    # the same function, written in differentiable ones
    composite(np.var, lambda x, axis=None: ...)
    # a linear map of tangents; reverse mode is its transpose
    array(np.linalg.inv, push(lambda y, dx, x: -(y @ dx @ y)))

Partials of `scalar` rules use only operators and NumPy ufuncs, so that they run on arrays, on traced
values and on the compiler's scalars alike.  Rules are themselves differentiable, so orders nest.
"""

from __future__ import annotations

import dis
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sciad.errors import MissingRule


@dataclass(frozen=True, slots=True)
class Traits:
    """What an elementwise function is, beyond its derivative.

    Attributes
    ----------
    cost : float
        Of one call, a multiplication being 0.4.
    truth : bool
        The result is a truth value.
    logical : bool
        Arguments are taken as truth values.
    closed : bool
        The result of integers is an integer.
    arithmetic : bool
        Of Python's numbers: truth values count as 0 and 1.
    exact : bool
        Of Python's integers the result has no bounds, or is refused: beyond 64 bits, or by zero.
    tame : bool
        Finite where the arguments are.
    bounded : bool
        Finite where the arguments are no NaN.
    of_ints : str
        The name of Python's function that is the same for integers.
    of_truths : callable or None
        The function that it is on truth values.
    reduction, accumulation : callable or None
        NumPy's functions for its ``reduce`` and ``accumulate``.
    """

    cost: float = 8.0
    truth: bool = False
    logical: bool = False
    closed: bool = False
    arithmetic: bool = False
    exact: bool = False
    tame: bool = False
    bounded: bool = False
    of_ints: str = ""
    of_truths: Callable | None = None
    reduction: Callable | None = None
    accumulation: Callable | None = None


_PLAIN = Traits()


class Record:
    """What the table knows of one function.

    Attributes
    ----------
    fn : callable
        The function itself.
    kind : {"scalar", "linear", "constant", "array", "custom"}
    partials : tuple of callable
        For kind "scalar": ``partial(y, *xs)``, one per argument (None: not differentiable in it).
    rules : tuple
        For kinds "linear" and "array": a `Transpose`, a `Push` or None per positional argument; the last one
        repeats for functions of any number of arrays.
    definition : callable or None
        For composites (kind "array"): the same function written in differentiable functions.
    joint : bool
        Linear in all its arguments together (as `np.where` in its branches), not in each alone (as
        `np.matmul`).
    complex : callable or None
        For kind "constant": a definition for complex arguments, where the derivative is not zero after all.
    careful : Record or None
        The same function with sums in which a factor 0 makes a term 0, infinite or NaN though the other be:
        what the sweeps use where they met a NaN.
    selects : bool
        Results are entries of some arguments: others are dropped, infinite or NaN though they be.
    view : bool
        The result may show the memory of the first argument.
    keeps : tuple of bool
        For kind "scalar": whether the partial of another argument reads this one, found in its bytecode.
    traits : Traits
        For elementwise functions: what they are beyond their derivative.
    """

    __slots__ = (
        "careful",
        "complex",
        "definition",
        "fn",
        "joint",
        "keeps",
        "kind",
        "name",
        "note",
        "partials",
        "rules",
        "selects",
        "traits",
        "view",
    )

    def __init__(
        self,
        fn,
        kind,
        partials=(),
        rules=(),
        definition=None,
        joint=False,
        name=None,
        note="",
        traits=_PLAIN,
    ):
        self.fn, self.kind, self.rules, self.definition = fn, kind, tuple(rules), definition
        self.partials = tuple(p or _no_partial(fn, k) for k, p in enumerate(partials))
        self.joint, self.note, self.complex, self.careful, self.view = joint, note, None, None, False
        self.selects = False
        self.name = name or name_of(fn)
        self.keeps = _keeps(self.partials)
        self.traits = traits

    def __repr__(self) -> str:
        return f"<{self.kind} rule of {self.name}>"

    def rule(self, k: int):
        """Return the rule for positional argument `k`, or None."""
        rules = self.rules
        if not rules:
            return None
        if k < len(rules):
            return rules[k]
        return rules[-1] if isinstance(rules[-1], Repeat) else None


class Transpose:
    """``transpose(g, *args, **kwargs)``: the function is linear in this argument and this is its
    transpose.
    """

    __slots__ = ("fn",)

    def __init__(self, fn):
        self.fn = fn


class Push:
    """``push(y, dx, *args, **kwargs)``: the derivative along `dx`, linear in `dx`, in differentiable
    functions.
    """

    __slots__ = ("fn",)

    def __init__(self, fn):
        self.fn = fn


class Repeat(Transpose):
    """A transpose that serves this argument and all that follow: ``transpose(g, k, *args, **kwargs)``."""

    __slots__ = ()


TABLE: dict[object, Record] = {}
_LAZY = {
    "scipy.special": "sciad.rules.scipy_special",
    "scipy.linalg": "sciad.rules.scipy_linalg",
    "scipy.stats": "sciad.rules.scipy_stats",
}


def scalar(fn, *partials, also=(), **traits) -> Record:
    """Declare the partial derivatives ``partial(y, *xs)`` of an elementwise function, and its `Traits`."""
    return _enter(Record(fn, "scalar", partials=partials, traits=Traits(**traits)), also)


def linear(fn, *transposes, joint=False, also=()) -> Record:
    """Declare the transposes of a function linear in each argument (or, with `joint`, in all together)."""
    return _enter(Record(fn, "linear", rules=_rules(transposes), joint=joint), also)


def array(fn, *rules, also=()) -> Record:
    """Declare one rule per argument: a `Push`, or the transpose if the function is linear in it."""
    return _enter(Record(fn, "array", rules=_rules(rules)), also)


def composite(fn, definition, also=(), note="") -> Record:
    """Declare a function by the same function written in differentiable ones."""
    return _enter(Record(fn, "array", definition=definition, note=note), also)


def constant(*fns, **traits) -> None:
    """Declare functions whose derivative is zero on purpose, and their `Traits`."""
    for fn in fns:
        _enter(Record(fn, "constant", traits=Traits(**traits)), ())


def traits_of(fn) -> Traits:
    """What is known of an elementwise function: of one without a record, that it costs a call."""
    record = TABLE.get(fn)
    return _PLAIN if record is None else record.traits


def metadata(fn, definition) -> Record:
    """Declare a function of the shape or kind of its arguments, by one that asks traced values for theirs."""
    return _enter(Record(fn, "constant", definition=definition), ())


def alias(record: Record, *fns) -> None:
    """Let other functions (``math.sin``, ``operator.mul``) stand for the same record."""
    for fn in fns:
        TABLE[fn] = record


def lookup(fn: Callable) -> Record | None:
    """Return the record of a function, or None.

    Rules of packages that are slow to import are entered the first time a function of theirs may be asked
    for.
    """
    try:
        record = TABLE.get(fn)
    except TypeError:  # unhashable callable
        return None
    while record is None and load_lazy():
        record = TABLE.get(fn)
    return record


def load_lazy() -> bool:
    """Enter one set of rules whose package has been imported meanwhile; False when there is none."""
    for package, rules in list(_LAZY.items()):
        if package in sys.modules:
            importlib.import_module(rules)  # another thread that comes here meanwhile waits in it
            _LAZY.pop(package, None)
            return True
    return False


def missing(fn, argument: int | None, mode: str, reason: str = "") -> MissingRule:
    """Build the error for a derivative the table does not have."""
    name = name_of(fn)
    where = "" if argument is None else f" with respect to argument {argument}"
    return MissingRule(
        f"no {mode} rule for the derivative of {name}{where}{': ' + reason if reason else ''}. If the "
        "derivative is zero or unwanted there, pass ad.stop_gradient(...) of the argument; otherwise "
        f"register one, once: sciad.rule_table.composite({name}, the same function in differentiable "
        "NumPy), or wrap your own function by ad.custom(f, pushforward=..., pullback=...). docs/rules.md "
        "lists what is supported."
    )


def _no_partial(fn, k):
    def partial(y, *xs):
        raise missing(fn, k, "forward or reverse")

    return partial


def name_of(fn) -> str:
    """Return the name under which users know a function: ``np.linalg.inv``, ``scipy.special.erf``."""
    if isinstance(fn, tuple):
        return f"{name_of(fn[0])}.{fn[1]}"
    owner = getattr(getattr(fn, "__self__", None), "name", None)
    if isinstance(owner, str) and fn.__module__.startswith("scipy.stats"):  # scipy.stats.norm.logpdf
        return f"scipy.stats.{owner}.{fn.__name__}"
    name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or repr(fn)
    module = getattr(fn, "__module__", None) or ""
    if type(fn).__name__ == "ufunc" and not module:
        module = "scipy.special"
    if module.startswith("numpy"):
        return module.replace("numpy", "np", 1).replace("np._core", "np") + "." + name
    if module.startswith("scipy"):
        return ".".join(p for p in module.split(".") if not p.startswith("_")) + "." + name
    return f"{module}.{name}" if module == "math" else name


def _keeps(partials):
    """For each argument, whether the partial of another one reads it."""
    read = []
    for p in partials:
        names = p.__code__.co_varnames[1 : p.__code__.co_argcount]
        loaded = {i.argval for i in dis.get_instructions(p) if i.opname.startswith("LOAD_")}
        loaded |= {n for i in dis.get_instructions(p) if isinstance(i.argval, tuple) for n in i.argval}
        read.append([n in loaded for n in names] or [True] * len(partials))
    return tuple(any(r[m] for k, r in enumerate(read) if k != m) for m in range(len(partials)))


def _rules(rules):
    return [r if r is None or isinstance(r, (Transpose, Push)) else Transpose(r) for r in rules]


def _enter(record, also):
    alias(record, record.fn, *also)
    return record
