"""The transforms users call: gradients, products with Jacobians, Jacobians and Hessians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sciad.eager.dual import Dual
from sciad.eager.ownership import fresh, private
from sciad.eager.rebind import rebind
from sciad.eager.tape import Tape, Var, forward, has_nan, sweep
from sciad.eager.traced import Level, escaped, next_level, operand, raw
from sciad.eager.zeros import zeros
from sciad.errors import SciadError
from sciad.foreign import plain_arguments
from sciad.plain_numpy import np
from sciad.transforms.leaves import is_differentiable, leaf_value, like, name_of, scalar_loss, zero_of
from sciad.transforms.limits import moving, settled, settled_later
from sciad.transforms.transformed import Transformed, is_compiled
from sciad.tree import LEAF, describe, flatten, paths, unflatten


def grad(f: Callable, argnums: int | tuple[int, ...] = 0) -> Gradient:
    """Return a function that computes the gradient of `f`.

    Parameters
    ----------
    f : callable
        Returns one number.
    argnums : int or tuple of int
        The positional arguments to differentiate with respect to: numbers, arrays, or nested tuples, lists,
        dicts, NamedTuples or dataclasses of them.

    Returns
    -------
    callable
        Takes the arguments of `f`, returns the gradient in the structure of the argument (a tuple of them if
        `argnums` is a tuple).  For an array it is a new array of its shape and precision, for a number of any
        kind (Python's, NumPy's or a 0-d array) a NumPy scalar; integers count as float64.

    Raises
    ------
    NotScalar
        If `f` returns anything but one number.
    MissingRule
        If a function without a derivative rule is met.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    return Gradient(f, argnums)


def value_and_grad(
    f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> ValueAndGradient:
    """Return a function that computes ``(f(...), gradient)``; see `grad`.

    With `has_aux`, `f` returns ``(loss, aux)`` and the result is ``((loss, aux), gradient)``.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> value, gradient = ad.value_and_grad(lambda p: p["a"] * np.sin(p["b"]))({"a": 2.0, "b": 0.0})
    >>> gradient
    {'a': np.float64(0.0), 'b': np.float64(2.0)}
    """
    return ValueAndGradient(f, argnums, has_aux)


class ValueAndGradient(Transformed):
    """A function that computes value and gradient; made by `value_and_grad`."""

    transform = staticmethod(value_and_grad)

    def __init__(self, f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False):
        check_request(f, argnums)
        super().__init__(f, "value and gradient")
        self.argnums, self.has_aux = argnums, has_aux
        self.native = getattr(f, "value_and_gradient", None) if is_compiled(f) else None

    def made_of(self) -> tuple:
        return self.f, self.argnums, self.has_aux

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        f, argnums = self.f, self.argnums
        if self.native is not None and not kwargs and not self.has_aux:
            found = self.native(argnums, args)
            if found is not None:
                return found
        tape, given, met = Tape(), args, zeros.met
        x = args[argnums] if argnums.__class__ is int and 0 <= argnums < len(args) else None
        if x.__class__ is np.ndarray and x.dtype is _F64:  # the commonest call
            x = tape.variable(x.copy())
            args, inputs = (*args[:argnums], x, *args[argnums + 1 :]), [(LEAF, [(x.index, x.value)])]
        else:
            args, inputs = _lift(f, args, argnums, tape)
        try:
            loss, aux = rebind(f)(*args, **kwargs), None  # as in `_run`
            if self.has_aux:
                loss, aux = loss
            if loss.__class__ is not Var or loss.value.__class__ is not np.float64:
                loss = scalar_loss(f, loss)
        except ValueError as error:
            _unveil(error)
            raise
        finally:
            tape.record, tape.level.ended = escaped, True  # as `Tape.close`
        seeds, value = {}, loss
        if loss.__class__ is Var and loss.tape is tape:
            seeds, value = {loss.index: _ONE}, loss.value
        gradient = _collect(tape, seeds, inputs, argnums)
        if zeros.met != met and not zeros.beside:
            chosen = (argnums,) if argnums.__class__ is int else argnums
            gradient = settled(gradient, value, given, chosen, lambda args: self._without_aux(args, kwargs))
        if value.__class__ is not np.float64:
            (value,) = fresh([value])
        return ((value, _lower_tree(aux, tape)), gradient) if self.has_aux else (value, gradient)

    def _without_aux(self, args, kwargs):
        value, gradient = self(*args, **kwargs)
        return value[0] if self.has_aux else value, gradient


class Gradient(Transformed):
    """A function that computes a gradient; made by `grad`."""

    transform = staticmethod(grad)

    def __init__(self, f: Callable, argnums: int | tuple[int, ...] = 0):
        super().__init__(f, "gradient")
        self.argnums, self._both = argnums, ValueAndGradient(f, argnums)

    def made_of(self) -> tuple:
        return self.f, self.argnums

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._both(*args, **kwargs)[1]


def vjp(f: Callable, *primals: Any) -> tuple[Any, Callable]:
    """Evaluate `f` and return its pullback.

    Returns
    -------
    out
        ``f(*primals)``.
    pullback : callable
        Takes a cotangent of the structure of `out`, returns a tuple of cotangents, one per primal.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> out, pullback = ad.vjp(np.sin, np.array([0.0, np.pi]))
    >>> pullback(np.array([1.0, 1.0]))
    (array([ 1., -1.]),)
    """
    tape, met = Tape(), zeros.met
    args, inputs = _lift(f, primals, tuple(range(len(primals))), tape)
    try:
        leaves, structure = flatten(_run(f, args, {}))
        leaves = [operand(leaf) for leaf in leaves]
    finally:
        tape.close()
    out = unflatten(structure, fresh([_lower(leaf, tape) for leaf in leaves]))
    met_inside = zeros.met != met

    def pullback(cotangent):
        given, found = flatten(cotangent)
        if found != structure:
            raise ValueError(
                f"the cotangent has structure {describe(found)}, the output {describe(structure)}"
            )
        seeds: dict = {}
        for leaf, g in zip(leaves, given, strict=True):
            if _of(leaf, tape):
                g = like(g, leaf, "cotangent")
                seeds[leaf.index] = seeds[leaf.index] + g if leaf.index in seeds else g
        met = zeros.met
        cotangents = _collect(tape, seeds, inputs, tuple(range(len(primals))))
        if (met_inside or zeros.met != met) and not zeros.beside:

            def beside(args):
                values, pullback = vjp(f, *args)
                return values, pullback(cotangent)

            cotangents = settled_later(cotangents, [_lower(leaf, tape) for leaf in leaves], inputs, f, beside)
        return cotangents

    return out, pullback


def linearize(f: Callable, *primals: Any) -> tuple[Any, Callable]:
    """Evaluate `f` once and return its derivative as a linear function of the directions.

    Returns
    -------
    out
        ``f(*primals)``.
    pushforward : callable
        Takes one tangent per primal (None: it does not move), returns the tangent of the output; `f` is
        not run again.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> out, pushforward = ad.linearize(np.sin, 0.0)
    >>> pushforward(1.0), pushforward(2.0)
    (np.float64(1.0), np.float64(2.0))
    """
    tape, met = Tape(replayed=True), zeros.met
    args, inputs = _lift(f, primals, tuple(range(len(primals))), tape)
    try:
        leaves, structure = flatten(_run(f, args, {}))
        leaves = [operand(leaf) for leaf in leaves]
    finally:
        tape.close()
    out = unflatten(structure, fresh([_lower(leaf, tape) for leaf in leaves]))
    wanted = [leaf.index for leaf in leaves if _of(leaf, tape)]
    met_inside = zeros.met != met

    def pushforward(*tangents):
        if len(tangents) != len(primals):
            raise ValueError(f"{len(tangents)} tangents for {len(primals)} primals")
        moved, met = {}, zeros.met
        for (_, places), tangent in zip(inputs, tangents, strict=True):
            if tangent is not None:
                for (index, x), t in zip(places, flatten(tangent)[0], strict=True):
                    if index is not None:
                        moved[index] = like(t, x, "tangent")
        found = iter(forward(tape, moved, wanted))
        results = []
        for leaf in leaves:
            t = next(found) if _of(leaf, tape) else None
            results.append(zero_of(leaf) if t is None else t)
        del found, t
        if (met_inside or zeros.met != met) and not zeros.beside:
            beside = lambda args: jvp(f, args, tangents)  # noqa: E731
            results = settled_later(
                results, [_lower(leaf, tape) for leaf in leaves], inputs, f, beside, moving(tangents)
            )
        return unflatten(structure, fresh(results))

    return out, pushforward


def jvp(f: Callable, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    """Evaluate `f` and its derivative along `tangents`.

    Parameters
    ----------
    f : callable
    primals, tangents : tuple
        Arguments of `f` and directions of the same structure (None: that argument does not move).

    Returns
    -------
    out, dout
        Of the structure of ``f(*primals)``.

    Examples
    --------
    >>> import numpy as np, sciad as ad
    >>> ad.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    level, met = Level(next_level()), zeros.met
    if len(primals) != len(tangents):
        raise ValueError(
            f"{len(primals)} primals and {len(tangents)} tangents: give one tangent (or None) per primal"
        )
    if is_compiled(f):
        found = f.pushforward(primals, tangents)
        if found is not None:
            return found
    args = []
    for k, (primal, tangent) in enumerate(zip(primals, tangents, strict=True)):
        if tangent is None:
            args.append(primal)
            continue
        primal, tangent = plain_arguments((primal, tangent), f)
        leaves, structure = flatten(primal)
        moved, found = flatten(tangent)
        if found != structure:
            raise ValueError(f"tangent {k} has structure {describe(found)}, its primal {describe(structure)}")
        pairs = []
        for i, (x, t) in enumerate(zip(leaves, moved, strict=True)):
            if x.__class__ in _PYTHON:
                level.python = True
            x = leaf_value(f, x, lambda i=i, k=k, tree=primal: f"{k}{paths(tree)[i]}")
            pairs.append(
                Dual(private(x), private(like(t, x, "tangent")), level) if is_differentiable(x) else x
            )
        args.append(unflatten(structure, pairs))
    try:
        leaves, structure = flatten(_run(f, args, {}))
        leaves = [operand(leaf) for leaf in leaves]
    finally:
        level.ended = True
    mine = [leaf.__class__ is Dual and leaf.level == level for leaf in leaves]
    values = [a.value if m else a for a, m in zip(leaves, mine, strict=True)]
    moved = [a.tangent if m else zero_of(a) for a, m in zip(leaves, mine, strict=True)]
    del leaves  # so that what nobody else holds need not be copied
    if any(map(_is_lost, values, moved)):
        # a factor 0 and an infinite one: see `tape.sweep`
        moved = flatten(linearize(f, *primals)[1](*tangents))[0]
    elif zeros.met != met and not zeros.beside:
        chosen = moving(tangents)
        moved = settled(moved, values, primals, chosen, lambda args: jvp(f, args, tangents))
    return unflatten(structure, fresh(values)), unflatten(structure, fresh(moved))


def _is_lost(value, tangent) -> bool:
    """Whether the tangent of a number is none."""
    if not has_nan(tangent):
        return False
    value, tangent = raw(value), raw(tangent)
    shapes = np.shape(value) != np.shape(tangent)
    return shapes or bool(np.any(np.isnan(tangent) & ~np.isnan(value)))


def _run(f, args, kwargs):
    """Call the function with its view of NumPy."""
    try:
        return rebind(f)(*args, **kwargs)
    except ValueError as error:
        _unveil(error)
        raise


def _unveil(error):
    """NumPy hides what goes wrong in a scalar write behind "setting an array element with a sequence"."""
    if isinstance(error.__cause__, SciadError):
        raise error.__cause__ from None


def check_request(f, argnums) -> None:
    """Refuse what is no function and no numbers of arguments, before anything is called."""
    if not callable(f):
        raise TypeError(f"only functions can be differentiated, and {f!r} is none")
    numbers = argnums if isinstance(argnums, tuple | list) else (argnums,)
    if not all(isinstance(n, int) for n in numbers):
        raise TypeError(
            f"argnums must be the position of an argument, or a tuple of them, not {argnums!r}. "
            "Where to differentiate is given to the result: grad(f)(x)"
        )


def _lift(f, args, argnums, tape):
    """Replace the leaves of the chosen arguments by variables; return the arguments and what to collect."""
    args, variable = list(args), tape.variable
    inputs = []
    if argnums.__class__ is not int and len({n % max(len(args), 1) for n in argnums}) < len(argnums):
        raise ValueError(f"argnums={argnums} names an argument of {name_of(f)} twice")
    for n in (argnums,) if argnums.__class__ is int else argnums:
        try:
            arg = args[n]
        except IndexError:
            raise ValueError(
                f"argnums={argnums}, but {name_of(f)} was called with {len(args)} positional arguments"
            ) from None
        if arg.__class__ is np.ndarray and arg.dtype is _F64:
            arg = arg.copy()
            var = variable(arg)
            args[n] = var
            inputs.append((LEAF, [(var.index, arg)]))
            continue
        (arg,) = plain_arguments((arg,), f)
        leaves, structure = flatten(arg)
        places = []
        for i, x in enumerate(leaves):
            if x.__class__ in _PYTHON:
                tape.level.python = True
            value = leaf_value(f, x, lambda i=i, n=n, arg=arg: f"{n}{paths(arg)[i]}")
            if is_differentiable(value):
                value = private(value)
                leaves[i] = var = variable(value)
                places.append((var.index, value))
            else:
                places.append((None, value))
        args[n] = unflatten(structure, leaves)
        inputs.append((structure, places))
    return args, inputs


def _of(x, tape):
    return x.__class__ is Var and x.tape is tape


def _lower(x, tape):
    return x.value if _of(x, tape) else x


def _lower_tree(tree, tape):
    leaves, structure = flatten(tree)
    return unflatten(structure, fresh([_lower(operand(leaf), tape) for leaf in leaves]))


def _collect(tape, seeds, inputs, argnums):
    """Sweep backwards and put the gradients in the structure of the arguments."""
    if argnums.__class__ is int and inputs[0][0] is LEAF and inputs[0][1][0][0] is not None:
        ((index, x),) = inputs[0][1]
        found = sweep(tape, seeds, [index])
        g = found[0]
        if g is None or g.dtype is not x.dtype:
            found[0] = _gradient(g, x)
        del g
        return fresh(found)[0]
    wanted = [index for _, places in inputs for index, _ in places if index is not None]
    found = iter(sweep(tape, seeds, wanted))
    columns = [
        [_gradient(None if index is None else next(found), x) for index, x in places] for _, places in inputs
    ]
    del found
    trees = [
        fresh(leaves)[0] if structure is LEAF else unflatten(structure, fresh(leaves))
        for (structure, _), leaves in zip(inputs, columns, strict=True)
    ]
    return trees[0] if argnums.__class__ is int else tuple(trees)


def _gradient(g, x):
    """The cotangent of one leaf, in its kind of number."""
    if g is None:
        return zero_of(x)
    return g if g.dtype is x.dtype or g.dtype == x.dtype else g.astype(x.dtype)


_F64 = np.dtype(np.float64)
_PYTHON = (float, int)
_ONE = np.float64(1.0)
