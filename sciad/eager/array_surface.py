"""What NumPy and Python ask of a traced value: the protocols, the methods of arrays, and the ways out of the
derivative.  It stands above all that serves it, and is put on `Traced` when it is imported.
"""

from __future__ import annotations

from sciad import rule_table as table
from sciad.eager import ufunc_protocol
from sciad.eager.flat import Flat
from sciad.eager.indexing import astype, getitem_, is_mapped
from sciad.eager.leaving import Text, check_store, to_float, to_object_array
from sciad.eager.mapped_views import mapped_item
from sciad.eager.traced import (
    Traced,
    apply,
    call,
    concrete,
    in_place,
    operand,
    raw,
    stands_for_number,
    strip_nested,
)
from sciad.eager.views import setitem
from sciad.errors import NotDifferentiable
from sciad.plain_numpy import np
from sciad.private_interfaces import frame_above
from sciad.rule_table import TABLE, lookup


class ArraySurface:
    """The methods that `Traced` gets from here."""

    # ------------------------------------------------------------------ NumPy's protocols
    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method == "at":
            return ufunc_protocol.at(ufunc, *inputs)
        if method == "outer" and out is None and not kwargs:
            a, b = map(operand, inputs)
            return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)
        where = kwargs.pop("where", True) if method == "__call__" else True
        if where is not True:
            return ufunc_protocol.call_where(ufunc, inputs, out, where, kwargs)
        key = ufunc if method == "__call__" else (ufunc, method)
        record = TABLE.get(key) or lookup(key)
        if record is None:
            raise table.missing(key, None, "derivative")
        if kwargs and record.definition is None:
            kwargs = ufunc_protocol.keywords(ufunc, kwargs)
        result = apply(record, inputs, kwargs)
        return result if out is None else ufunc_protocol.write_out(out, result)

    def __array_function__(self, func, types, args, kwargs):
        record = TABLE.get(func) or lookup(func)
        if record is None:
            raise table.missing(func, None, "derivative")
        if not kwargs and record.definition is not None:
            return record.definition(*args)
        if "out" in kwargs:
            kwargs = dict(kwargs)
            out = kwargs.pop("out")
            result = call(record, args, kwargs)
            return result if out is None else ufunc_protocol.write_out((out,), result)
        return call(record, args, kwargs)

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a number")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a number")
        return (self[i] for i in range(self.shape[0]))

    def __contains__(self, item):
        return bool(np.any(self == item))

    # ------------------------------------------------------------------ leaving the derivative
    def __bool__(self):
        return bool(concrete(self, "the truth value"))

    def __int__(self):
        check_store(frame_above(1))
        return int(concrete(self, "int()"))

    def __float__(self):
        return to_float(self)

    def __array__(self, dtype=None, copy=None):
        return to_object_array(self, dtype)

    def __complex__(self):
        raise NotDifferentiable(
            "complex() of a value being differentiated: write z = x + 0j, or np.real and np.imag"
        )

    def __index__(self):
        raise NotDifferentiable(
            "a value being differentiated was used as an integer (an index, a size, a count). Pass that "
            "number in another argument, close over it, or use int(x) where its derivative is zero on "
            "purpose"
        )

    def __round__(self, digits=0):
        return np.round(concrete(self, "round()"), digits)

    def __repr__(self):
        return f"{type(self).__name__}({self.value!r})"

    def __str__(self):
        return Text(str(raw(self)))

    def __format__(self, spec):
        value = raw(self)
        return Text(format(value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value, spec))

    def item(self, *index):
        return self.reshape(-1)[index[0] if index else 0] if self.shape else self

    def tolist(self):
        return [x.tolist() for x in self] if self.shape else self

    # ------------------------------------------------------------------ indexing and writing
    def __getitem__(self, index):
        """Traced parts of the index count as plain integers."""
        if index.__class__ is not int and index.__class__ is not slice:
            index = strip_nested(index)
            if is_mapped(index):
                return mapped_item(self, index)
        return apply(TABLE[getitem_], (self, index), {})

    def __setitem__(self, index, value):
        setitem(self, index, value)

    # ------------------------------------------------------------------ methods of arrays
    @property
    def T(self):
        return np.transpose(self)

    @property
    def mT(self):
        return np.swapaxes(self, -1, -2)

    @property
    def real(self):
        return np.real(self)

    @real.setter
    def real(self, value):
        np.real(self)[...] = value

    @property
    def imag(self):
        return np.imag(self)

    @imag.setter
    def imag(self, value):
        if self.dtype.kind != "c":
            raise TypeError("array does not have imaginary part to set")
        np.imag(self)[...] = value

    @property
    def flat(self):
        return Flat(self)

    @flat.setter
    def flat(self, values):
        self.flat[:] = values

    def reshape(self, *shape, order="C"):
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes):
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self, order="C"):
        return np.ravel(self, order).copy()

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        return astype(self, dtype, copy)

    def copy(self, order="C"):
        return np.copy(self, order) if self.shape or not stands_for_number(self) else np.positive(self)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def conj(self):
        return np.conjugate(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def fill(self, value):
        self[...] = value

    def put(self, indices, values, mode="raise"):
        np.put(self, indices, values, mode)

    def partition(self, kth, axis=-1, kind="introselect", order=None):
        self[...] = np.partition(self, kth, axis)

    def sort(self, axis=-1, kind=None, order=None, *, stable=None):
        self[...] = np.sort(self, axis=axis)

    def __matmul__(self, other):
        return np.matmul(self, other)

    def __rmatmul__(self, other):
        return np.matmul(other, self)

    def __imatmul__(self, other):
        return in_place(self, np.matmul(self, other))

    def __divmod__(self, other):
        return self // other, self % other


def _install():
    for name, member in vars(ArraySurface).items():
        if name not in ("__dict__", "__doc__", "__module__", "__weakref__"):
            setattr(Traced, name, member)

    def method(name):
        fn = getattr(np, name)

        def call_numpy(self, *args, **kwargs):
            return fn(self, *args, **kwargs)

        call_numpy.__name__ = name
        return call_numpy

    names = (
        "sum mean prod var std max min cumsum cumprod dot ravel squeeze swapaxes repeat take clip trace "
        "diagonal argmax argmin argsort argpartition any all nonzero round searchsorted compress sin cos "
        "tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10 "
        "log1p sqrt cbrt square reciprocal absolute sign floor ceil rint trunc degrees radians deg2rad "
        "rad2deg fabs isfinite isnan isinf arctan2 hypot logaddexp logaddexp2 maximum minimum fmax fmin"
    )
    for name in names.split():
        setattr(Traced, name, method(name))


_install()
