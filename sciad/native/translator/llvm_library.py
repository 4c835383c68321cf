"""Functions in LLVM that translated code calls: division and powers as Python knows them, the elementary
functions of `sciad.native.elementary`, matrix products by BLAS.

Each is text that begins with its declarations; a module holds those it needs.
"""

from __future__ import annotations

import functools

from sciad.native.scalar_table import FUNCTIONS
from sciad.native.translator.llvm_values import double

__all__ = ["DEFINED", "NEEDS", "scalar_text"]

_F = "nsz contract"

# The remainder has the sign of the divisor, the quotient is rounded down; by zero both are 0.
_INT_DIVISION = """
define internal i64 @{name}(i64 %x, i64 %y) alwaysinline nounwind {{
  %zero = icmp eq i64 %y, 0
  %least = icmp eq i64 %x, -9223372036854775808
  %minus = icmp eq i64 %y, -1
  %over = and i1 %least, %minus
  %bad = or i1 %zero, %over
  %d = select i1 %bad, i64 1, i64 %y
  %q = sdiv i64 %x, %d
  %r = srem i64 %x, %d
  %signs = xor i64 %d, %r
  %differ = icmp slt i64 %signs, 0
  %rest = icmp ne i64 %r, 0
  %turn = and i1 %rest, %differ
  %q1 = sub i64 %q, 1
  %r1 = add i64 %r, %d
  %div = select i1 %turn, i64 %q1, i64 %q
  %mod = select i1 %turn, i64 %r1, i64 %r
  %result = select i1 %bad, i64 0, i64 {result}
  ret i64 %result
}}
"""

# As CPython's float_divmod.
_FLOAT_DIVISION = f"""
define internal double @{{name}}(double %x, double %y) alwaysinline nounwind {{{{
  %zero = fcmp {_F} oeq double %y, 0.0
  br i1 %zero, label %by_zero, label %usual
by_zero:
  %alone = {{zero}} {_F} double %x, %y
  ret double %alone
usual:
  %m = frem {_F} double %x, %y
  %xm = fsub {_F} double %x, %m
  %d = fdiv {_F} double %xm, %y
  %some = fcmp {_F} une double %m, 0.0
  %yneg = fcmp {_F} olt double %y, 0.0
  %mneg = fcmp {_F} olt double %m, 0.0
  %differ = xor i1 %yneg, %mneg
  %turn = and i1 %some, %differ
  %m1 = fadd {_F} double %m, %y
  %d1 = fsub {_F} double %d, 1.0
  %none = select i1 %yneg, double -0.0, double 0.0
  %m2 = select i1 %some, double %m, double %none
  %mod = select i1 %turn, double %m1, double %m2
  %div = select i1 %turn, double %d1, double %d
  %fl = call double @llvm.floor.f64(double %div)
  %over = fsub {_F} double %div, %fl
  %up = fcmp {_F} ogt double %over, 0.5
  %fl1 = fadd {_F} double %fl, 1.0
  %snapped = select i1 %up, double %fl1, double %fl
  %nonzero = fcmp {_F} one double %div, 0.0
  %dd = fmul {_F} double %div, %div
  %ddx = fmul {_F} double %dd, %x
  %signed = fdiv {_F} double %ddx, %y
  %floor = select i1 %nonzero, double %snapped, double %signed
  ret double {{result}}
}}}}
declare double @llvm.floor.f64(double)
"""

# By squaring; negative exponents of integers other than 1 and -1 give 0.
_POWER = """
define internal {type} @{name}({type} %a, i64 %b) nounwind {{
entry:
  %negative = icmp slt i64 %b, 0
  %minus = sub i64 0, %b
  %exp = select i1 %negative, i64 %minus, i64 %b
  %large = icmp sgt i64 %exp, 65536
  br i1 %large, label %by_pow, label %head
by_pow:
{by_pow}
head:
  %r = phi {type} [ {one}, %entry ], [ %r2, %body ]
  %f = phi {type} [ %a, %entry ], [ %f2, %body ]
  %e = phi i64 [ %exp, %entry ], [ %e2, %body ]
  %more = icmp ne i64 %e, 0
  br i1 %more, label %body, label %done
body:
  %odd = trunc i64 %e to i1
  %rf = {times} {type} %r, %f
  %r2 = select i1 %odd, {type} %rf, {type} %r
  %e2 = lshr i64 %e, 1
  %f2 = {times} {type} %f, %f
  br label %head
done:
  br i1 %negative, label %inverse, label %whole
inverse:
{inverse}
whole:
  ret {type} %r
}}
declare double @llvm.pow.f64(double, double)
"""

_FLOAT_POWER = _POWER.format(
    name="sciad_float_power",
    type="double",
    one=double(1.0),
    times=f"fmul {_F}",
    by_pow="  %y = sitofp i64 %b to double\n"
    f"  %p = call {_F} double @llvm.pow.f64(double %a, double %y)\n  ret double %p",
    inverse=f"  %i = fdiv {_F} double {double(1.0)}, %r\n  ret double %i",
)
_INVERSE = """
define internal i64 @sciad_int_inverse(i64 %a) alwaysinline nounwind {
  %up = add i64 %a, 1
  %unit = icmp ult i64 %up, 3
  %result = select i1 %unit, i64 %a, i64 0
  %zero = icmp eq i64 %a, 0
  %infinite = select i1 %zero, i64 -9223372036854775808, i64 %result
  ret i64 %infinite
}
"""
# A negative power of an integer: the power itself for 1 and -1, else what the inverse gives.
_UNLESS = """  %up{1} = add i64 %a, 1
  %unit{1} = icmp ult i64 %up{1}, 3
  %nonzero{1} = icmp ne i64 %a, 0
  %whole_inverse{1} = and i1 %unit{1}, %nonzero{1}
  %positive{1} = xor i1 %negative, true
  %keep{1} = or i1 %whole_inverse{1}, %positive{1}
  %inverted{1} = call i64 @sciad_int_inverse(i64 %a)
  %result{1} = select i1 %keep{1}, i64 {0}, i64 %inverted{1}
  ret i64 %result{1}"""
_INT_POWER = _POWER.format(
    name="sciad_int_power",
    type="i64",
    one="1",
    times="mul",
    by_pow=f"  %x = sitofp i64 %a to double\n  %y = sitofp i64 %b to double\n"
    f"  %p = call {_F} double @llvm.pow.f64(double %x, double %y)\n  %i = fptosi double %p to i64\n"
    + _UNLESS.format("%i", ".p"),
    inverse=_UNLESS.format("%r", ".q"),
)

_FILL = """
define internal void @sciad_fill(ptr %memory, i64 %size, double %value) alwaysinline nounwind {
entry:
  %some = icmp sgt i64 %size, 0
  br i1 %some, label %body, label %done
body:
  %k = phi i64 [ 0, %entry ], [ %next, %body ]
  %p = getelementptr double, ptr %memory, i64 %k
  store double %value, ptr %p
  %next = add nuw nsw i64 %k, 1
  %more = icmp slt i64 %next, %size
  br i1 %more, label %body, label %done
done:
  ret void
}
"""

_GEMM_TYPES = (
    "ptr %c, i64 %c0, i64 %ldc, i1 %turn_a, ptr %a, i64 %a0, i64 %lda, i1 %turn_b, ptr %b, i64 %b0, "
)
_GEMM_TYPES += "i64 %ldb, i64 %m, i64 %n, i64 %k, double %scale, i1 %add"
_GEMM_SIZES = ("m", "n", "k", "lda", "ldb", "ldc")
_GEMM = "\n".join(
    [
        f"define internal void @sciad_gemm({_GEMM_TYPES}) nounwind {{",
        *(f"  %p_{x} = alloca i32" for x in _GEMM_SIZES),
        *(f"  %p_turn_{x} = alloca i8" for x in "ab"),
        "  %p_scale = alloca double",
        "  %p_keep = alloca double",
        *(f"  %s_{x} = trunc i64 %{x} to i32\n  store i32 %s_{x}, ptr %p_{x}" for x in _GEMM_SIZES),
        *(
            f"  %l_{x} = select i1 %turn_{x}, i8 {ord('T')}, i8 {ord('N')}\n"
            f"  store i8 %l_{x}, ptr %p_turn_{x}"
            for x in "ab"
        ),
        "  store double %scale, ptr %p_scale",
        "  %keep = select i1 %add, double 1.0, double 0.0",
        "  store double %keep, ptr %p_keep",
        *(f"  %at_{x} = getelementptr double, ptr %{x}, i64 %{x}0" for x in "abc"),
        "  call void @sciad_special_dgemm(ptr %p_turn_a, ptr %p_turn_b, ptr %p_m, ptr %p_n, ptr %p_k,"
        " ptr %p_scale, ptr %at_a, ptr %p_lda, ptr %at_b, ptr %p_ldb, ptr %p_keep, ptr %at_c, ptr %p_ldc)",
        "  ret void",
        "}",
        "declare void @sciad_special_dgemm(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr)",
    ]
)

NEEDS = {"sciad_int_power": "sciad_int_inverse"}
DEFINED = {
    "sciad_int_floor_divide": _INT_DIVISION.format(name="sciad_int_floor_divide", result="%div"),
    "sciad_int_modulo": _INT_DIVISION.format(name="sciad_int_modulo", result="%mod"),
    "sciad_floor_divide": _FLOAT_DIVISION.format(name="sciad_floor_divide", zero="fdiv", result="%floor"),
    "sciad_modulo": _FLOAT_DIVISION.format(name="sciad_modulo", zero="frem", result="%mod"),
    "sciad_float_power": _FLOAT_POWER,
    "sciad_int_power": _INT_POWER,
    "sciad_int_inverse": _INVERSE,
    "sciad_fill": _FILL,
    "sciad_gemm": _GEMM,
}


@functools.cache
def scalar_text(name: str) -> str:
    """The function of `elementary` with that name, as ``sciad_of_<name>``; all it needs stands with it."""
    from llvmlite import ir

    from sciad.native import elementary

    entry = FUNCTIONS[name]
    module = ir.Module()
    result = ir.IntType(1) if entry.boolean else ir.DoubleType()
    function = ir.Function(
        module, ir.FunctionType(result, [ir.DoubleType()] * entry.arity), f"sciad_of_{name}"
    )
    function.linkage = "internal"
    for attribute in ("alwaysinline", "nounwind"):
        function.attributes.add(attribute)
    builder = ir.IRBuilder(function.append_basic_block())
    value = entry.own(*(elementary.Float(builder, x) for x in function.args))
    builder.ret(getattr(value, "value", value))
    lines = str(module).splitlines()
    return "\n".join(line for line in lines if not line.startswith((";", "target ", "source_filename")))
