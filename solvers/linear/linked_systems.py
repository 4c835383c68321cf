"""The kernels of linear algebra that the linker puts into implicit steps and their adjoints.

``sciad.solvers.linear.lu_kernels.linked_algebra`` gives the values and says what each does.
"""

from __future__ import annotations

from collections.abc import Callable

from sciad.native.placeholders import placeholder

system_jacobian: Callable = placeholder("system_jacobian(model, n, t, y, p, jacobian, spare, work)")
system_factor: Callable = placeholder("system_factor(model, n, shift, jacobian, mass, factors)")
system_solve: Callable = placeholder("system_solve(model, n, factors, x)")
system_solve_transposed: Callable = placeholder("system_solve_transposed(model, n, factors, x)")
mass_times: Callable = placeholder("mass_times(model, n, mass, x, out)")
