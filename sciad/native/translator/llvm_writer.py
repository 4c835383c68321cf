"""One LLVM function as it is written: lines, blocks and the operators of numbers.

Numbers mean what they mean to numba with NumPy's rules for errors: x / 0 is inf or NaN, an integer divided by
zero is 0, integers wrap around, ``//`` and ``%`` round down, ``max(a, nan)`` is a.
"""

from __future__ import annotations

from sciad.native.translator.llvm_values import (
    SCALARS,
    TranslationError,
    Val,
    constant,
    llvm_types,
    split,
    unify,
)

__all__ = ["Writer"]

_FLOAT = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
_INT = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}
_FLOAT_TESTS = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
_INT_TESTS = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}
INLINED_CALLS = 16  # of one elementary function in straight lines: its body is long, and run once there
_DOUBLY = 0x10000  # powers up to which integer exponents are multiplied out


class Writer:
    """Writes the body of one function.

    Parameters
    ----------
    library : object
        Its ``need(name)`` puts a function of the library into the module, and ``declare(symbol, result,
        types)`` a declaration.
    flags : str
        Of LLVM's floating-point operations, with a blank behind each.
    cold : bool
        Whether the function runs seldom, so that it should be short.
    """

    def __init__(self, library, flags: str, cold: bool = False):
        self.library, self.flags, self.cold = library, flags, cold
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.count = 0
        self.beat: list[str] = []  # memory of what `polled` counts
        self.block = "entry"
        self.open = True  # whether the present block has no end yet
        self.in_loop = False
        self.calls: dict[str, int] = {}  # of elementary functions outside of loops

    # lines and blocks

    def line(self, text: str) -> None:
        if self.open:  # what stands behind a return is never reached
            self.lines.append(text)

    def new(self, text: str) -> str:
        self.count += 1
        name = f"%v{self.count}"
        if self.open:
            self.lines.append(f"{name} = {text}")
        return name

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"

    def begin(self, label: str) -> None:
        """Go on in a new block, entered from the present one if that has no end yet."""
        self.jump(label)
        self.lines.append(f"{label}:")
        self.block, self.open = label, True

    def jump(self, label: str, mark: str = "") -> None:
        self.end(f"br label %{label}{mark}")

    def branch(self, test: str, yes: str, no: str) -> None:
        self.end(f"br i1 {test}, label %{yes}, label %{no}")

    def end(self, text: str) -> None:
        if self.open:
            self.lines.append(text)
            self.open = False

    def slot(self, type: str, count: str = "") -> str:
        """Memory on the stack, of an LLVM type."""
        self.count += 1
        self.allocas.append(f"%v{self.count} = alloca {type}{count}")
        return f"%v{self.count}"

    def polled(self, rounds: int) -> str:
        """Whether Python wants to interrupt, asked the first time after some rounds of a loop."""
        if not self.beat:
            self.beat = [self.slot("i64"), self.slot("[3 x i64]")]
            left, memory = self.beat
            self.allocas += [f"store i64 {rounds}, ptr {left}", f"store i64 {rounds}, ptr {memory}"]
            self.allocas += [
                f"{memory}.last = getelementptr i64, ptr {memory}, i64 1",
                f"store i64 0, ptr {memory}.last",
            ]
        left, memory = self.beat
        ask, on = self.label(), self.label()
        rest = self.new(f"sub i64 {self.new(f'load i64, ptr {left}')}, 1")
        self.line(f"store i64 {rest}, ptr {left}")
        test = self.new(f"icmp sgt i64 {rest}, 0")
        self.branch(self.new(f"call i1 @llvm.expect.i1(i1 {test}, i1 true)"), on, ask)
        self.library.declare("llvm.expect.i1", "i1", ["i1", "i1"])
        self.begin(ask)
        self.library.declare(
            "sciad_poll",
            "i64",
            ["ptr"],
            "cold nounwind memory(argmem: readwrite, inaccessiblemem: readwrite)",
        )
        self.line(f"store i64 {self.new(f'call i64 @sciad_poll(ptr {memory})')}, ptr {left}")
        self.begin(on)
        return self.new(f"icmp slt i64 {self.new(f'load i64, ptr {left}')}, 0")

    def call(self, result: str, symbol: str, types: list[str], operands: list[str]) -> str:
        """Call a function that is declared elsewhere; the operand of its result."""
        self.library.declare(symbol, result, types)
        return self.called(result, symbol, types, operands)

    def called_often(self, symbol: str) -> str:
        """Count a call; what is to be said of it: not to be inlined, where a long program has many."""
        if self.in_loop:
            return ""
        self.calls[symbol] = self.calls.get(symbol, 0) + 1
        return " noinline" if self.calls[symbol] > INLINED_CALLS else ""

    def called(self, result: str, symbol: str, types: list[str], operands: list[str], mark: str = "") -> str:
        inside = ", ".join(f"{t} {x}" for t, x in zip(types, operands, strict=True))
        if result == "void":
            self.line(f"call void @{symbol}({inside})")
            return ""
        flags = self.flags if result == "double" else ""
        return self.new(f"call {flags}{result} @{symbol}({inside}){mark}")

    # conversions

    def cast(self, x: Val, type: str) -> Val:
        """The same value as another type, or as a tuple of other types."""
        if x.type == type:
            return x
        if type == "f":
            return self.floating(x)
        if type in "iu" and x.type in "iu":
            return Val(type, x.parts, x.known, x.from_zero)
        if type in "iu" and x.type == "b":
            if x.known is not None:
                return constant(int(x.known))
            return Val(type, (self.new(f"zext i1 {x.text} to i64"),), None, True)
        if type in "iu" and x.type == "f":
            how = "fptosi" if type == "i" else "fptoui"
            return Val(type, (self.new(f"{how} double {x.text} to i64"),))
        if type == "b" and x.type in SCALARS:
            return Val("b", (self.truth(x),))
        if type[0] == x.type[0] == "(":
            items = [self.cast(item, kind) for item, kind in zip(x.items, split(type), strict=True)]
            return Val(type, [p for item in items for p in item.parts])
        raise TranslationError(f"a value of type {x.type} used as {type}")

    def floating(self, x: Val) -> Val:
        if x.type == "f":
            return x
        if x.type in "ib" and x.known is not None:
            return constant(float(x.known))
        if x.type not in SCALARS:
            raise TranslationError(f"a value of type {x.type} used as a number")
        how = "sitofp" if x.type == "i" else "uitofp"
        return Val("f", (self.new(f"{how} {SCALARS[x.type]} {x.text} to double"),))

    def integer(self, x: Val) -> Val:
        """An index or a count."""
        return x if x.type in "iu" else self.cast(x, "i")

    def truth(self, x: Val) -> str:
        if x.type == "b":
            return x.text
        if x.type == "f":
            return self.new(f"fcmp {self.flags}une double {x.text}, 0.0")
        if x.type in "iu":
            return self.new(f"icmp ne i64 {x.text}, 0")
        raise TranslationError(f"a value of type {x.type} used as a condition")

    # operators

    def binary(self, sign: str, a: Val, b: Val) -> Val:
        if sign == "**":
            return self.power(a, b)
        if a.type == b.type == "b" and sign in "&|^":
            return Val("b", (self.new(f"{_INT[sign]} i1 {a.text}, {b.text}"),))
        if sign == "/":
            type = "f"
        elif a.type == "u" and b.type == "u":
            type = "u"
        elif "u" in (a.type, b.type):
            raise TranslationError(f"{sign} of an unsigned and another number")
        else:
            type = unify(unify(a.type, b.type) or "", "i") or ""  # bools count as integers
        if type not in ("f", "i", "u"):
            raise TranslationError(f"{sign} of {a.type} and {b.type}")
        a, b = self.cast(a, type), self.cast(b, type)
        if type == "f":
            if sign in _FLOAT:
                return Val("f", (self.new(f"{_FLOAT[sign]} {self.flags}double {a.text}, {b.text}"),))
            if sign in ("//", "%"):
                name = "sciad_floor_divide" if sign == "//" else "sciad_modulo"
                self.library.need(name)
                return Val("f", (self.called("double", name, ["double"] * 2, [a.text, b.text]),))
            raise TranslationError(f"{sign} of float64")
        if a.known is not None and b.known is not None and type == "i":
            folded = _fold(sign, a.known, b.known)
            if folded is not None:
                return folded
        if sign in _INT:
            from_zero = sign in "+*&" and a.from_zero and b.from_zero
            return Val(type, (self.new(f"{_INT[sign]} i64 {a.text}, {b.text}"),), None, from_zero)
        if sign == ">>":
            how = "lshr" if type == "u" else "ashr"
            return Val(type, (self.new(f"{how} i64 {a.text}, {b.text}"),), None, a.from_zero)
        if sign in ("//", "%") and type == "i":
            name = "sciad_int_floor_divide" if sign == "//" else "sciad_int_modulo"
            self.library.need(name)
            from_zero = a.from_zero and b.from_zero
            return Val("i", (self.called("i64", name, ["i64"] * 2, [a.text, b.text]),), None, from_zero)
        raise TranslationError(f"{sign} of {a.type} and {b.type}")

    def power(self, a: Val, b: Val) -> Val:
        if a.type == "b":
            a = self.cast(a, "i")
        if b.type == "i" and isinstance(b.known, int) and abs(b.known) <= _DOUBLY:
            return self.multiplied_out(a, b.known)
        if b.type == "i":
            name = "sciad_int_power" if a.type == "i" else "sciad_float_power"
            self.library.need(name)
            result = SCALARS[a.type]
            return Val(a.type, (self.called(result, name, [result, "i64"], [a.text, b.text]),))
        x, y = self.floating(a), self.floating(b)
        return Val("f", (self.call("double", "llvm.pow.f64", ["double"] * 2, [x.text, y.text]),))

    def multiplied_out(self, a: Val, exponent: int) -> Val:
        """As numba does it: by squaring, from the lowest bit on."""
        result, factor, rest = None, a, abs(exponent)
        while rest:
            if rest & 1:
                result = factor if result is None else self.binary("*", result, factor)
            rest >>= 1
            if rest:
                factor = self.binary("*", factor, factor)
        if result is None:
            result = constant(1.0 if a.type == "f" else 1)
        if exponent < 0:
            if a.type != "f":
                self.library.need("sciad_int_inverse")
                return Val("i", (self.called("i64", "sciad_int_inverse", ["i64"], [result.text]),))
            return self.binary("/", constant(1.0), result)
        return result

    def compare(self, sign: str, a: Val, b: Val) -> Val:
        if a.known is not None and b.known is not None and a.type in "sib" and b.type in "sib":
            return constant(_tested(sign, a.known, b.known))
        if a.type == b.type == "u":
            test = _INT_TESTS[sign].replace("s", "u", 1) if sign not in ("==", "!=") else _INT_TESTS[sign]
            return Val("b", (self.new(f"icmp {test} i64 {a.text}, {b.text}"),))
        type = unify(a.type, b.type)
        if type == "b":
            type = "i" if sign not in ("==", "!=") else "b"
        if type not in ("f", "i", "b"):
            raise TranslationError(f"{sign} of {a.type} and {b.type}")
        a, b = self.cast(a, type), self.cast(b, type)
        if type == "f":
            text = f"fcmp {self.flags}{_FLOAT_TESTS[sign]} double {a.text}, {b.text}"
        else:
            text = f"icmp {_INT_TESTS[sign]} {SCALARS[type]} {a.text}, {b.text}"
        return Val("b", (self.new(text),))

    def negate(self, x: Val) -> Val:
        if x.known is not None and x.type in "if":
            return constant(-x.known)
        if x.type == "f":
            return Val("f", (self.new(f"fneg double {x.text}"),))
        return self.binary("-", constant(0), x)

    def invert(self, x: Val) -> Val:
        """``not x``."""
        if isinstance(x.known, bool):
            return constant(not x.known)
        return Val("b", (self.new(f"xor i1 {self.truth(x)}, true"),))

    def choose(self, test: str, a: Val, b: Val) -> Val:
        """``a if test else b`` of operands there are already."""
        parts = [
            self.new(f"select i1 {test}, {t} {x}, {t} {y}")
            for t, x, y in zip(llvm_types(a.type), a.parts, b.parts, strict=True)
        ]
        return Val(a.type, parts, None, a.from_zero and b.from_zero)

    def extreme(self, sign: str, values: list[Val]) -> Val:
        """``max`` (with ">") or ``min`` (with "<") of numbers, as Python finds it."""
        best = values[0]
        for x in values[1:]:
            type = unify(best.type, x.type)
            if type is None:
                raise TranslationError(f"min or max of {best.type} and {x.type}")
            best, x = self.cast(best, type), self.cast(x, type)
            best = self.choose(self.compare(sign, x, best).text, x, best)
        return best

    def absolute(self, x: Val) -> Val:
        if x.type == "f":
            return Val("f", (self.call("double", "llvm.fabs.f64", ["double"], [x.text]),))
        x = self.cast(x, "i")
        return self.choose(self.compare("<", x, constant(0)).text, self.negate(x), x)

    # memory

    def element(self, pointer: str, kind: str, index: Val) -> str:
        """Address of an element."""
        if index.text == "0":
            return pointer
        return self.new(f"getelementptr {SCALARS[kind]}, ptr {pointer}, i64 {index.text}")

    def load(self, kind: str, address: str) -> Val:
        return Val(kind, (self.new(f"load {SCALARS[kind]}, ptr {address}"),))

    def store(self, x: Val, address: str) -> None:
        for k, (type, part) in enumerate(zip(llvm_types(x.type), x.parts, strict=True)):
            assert k == 0
            self.line(f"store {type} {part}, ptr {address}")

    def wrapped(self, index: Val, size: str) -> Val:
        """An index, from the end where it is negative."""
        index = self.integer(index)
        if index.from_zero or index.type == "u":
            return index
        if isinstance(index.known, int):
            return Val("i", (self.new(f"add i64 {size}, {index.text}"),))
        negative = self.new(f"icmp slt i64 {index.text}, 0")
        turned = self.new(f"add i64 {size}, {index.text}")
        return Val("i", (self.new(f"select i1 {negative}, i64 {turned}, i64 {index.text}"),))

    def place(self, array: Val, indices: list[Val], wrap: bool = True) -> tuple[str, list[str]]:
        """Address of an element of an array, or of a part of it; and the dimensions that are left."""
        data, *sizes = array.parts
        if len(indices) > len(sizes):
            raise TranslationError(f"{len(indices)} indices of an array of {len(sizes)} dimensions")
        offset = None
        for k, index in enumerate(indices):
            index = self.wrapped(index, sizes[k]) if wrap else self.integer(index)
            if offset is not None:
                step = self.binary("*", offset, Val("i", (sizes[k],), None, True))
                offset = index if offset.text == "0" else self.binary("+", step, self.cast(index, "i"))
            else:
                offset = self.cast(index, "i")
        rest = sizes[len(indices) :]
        for size in rest:
            offset = self.binary("*", offset, Val("i", (size,), None, True))
        return self.element(data, array.type[1], offset), rest


def _fold(sign: str, a: int, b: int) -> Val | None:
    if sign in ("//", "%") and b != 0:
        value = a // b if sign == "//" else a % b
    elif sign in "+-*":
        value = {"+": a + b, "-": a - b, "*": a * b}[sign]
    else:
        return None
    return constant(value) if -(2**63) <= value < 2**63 else None


def _tested(sign: str, a, b) -> bool:
    tests = {"<": a.__lt__, "<=": a.__le__, ">": a.__gt__, ">=": a.__ge__, "==": a.__eq__, "!=": a.__ne__}
    return bool(tests[sign](b))
