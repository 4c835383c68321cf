"""Functions of one number with names that may not be bound, scopes, targets and arguments."""

# ruff: noqa: B006, B007, B023, C416, F821, F841, SIM, UP018

import numpy as np


def unset_after_if(x):
    if x > 10.0:
        y = 3.0
    return y * x


def unset_after_loop(x):
    for i in range(3):
        if x > 5.0 + i:
            z = x * i
    return z + 1.0


def comprehensions_have_their_names(x):
    i = 7
    t = [i * x for i in range(3)]
    return i * x + sum(t)


def deleted_on_one_path(x):
    if x > 0.0:
        del x
    return x


def unset_in_a_closure(x):
    def g():
        return w * 2

    if x > 4.0:
        w = x
    return g()


def unset_in_the_first_iteration(x):
    t = 0.0
    for i in range(3):
        if x > i:
            y = x * i
        t += y
    return t


def unset_after_else(x):
    for i in range(2):
        if x > 10.0:
            y = x
            break
    else:
        pass
    return y


def unset_after_while(x):
    n = 0
    while x < 0.0:
        y = 1.0
        x = x + 1
    return y


def walrus_leaves_a_comprehension(x):
    t = sum([(y := x * k) for k in range(3)])
    return t + y


def nonlocal_two_scopes_up(x):
    def f():
        def g():
            nonlocal t
            t += x

        g()
        g()

    t = 1.0
    f()
    return t


def chained_list(x):
    a = b = [x, 2 * x]
    a[0] = 7.0
    return b[0] + b[1]


def targets_from_left_to_right(x):
    i = 0
    a = np.zeros(3)
    i, a[i] = 1, x
    return a[0] * 10 + a[1]


def chained_targets(x):
    i = a = 2
    v = np.zeros(4)
    i = v[i] = 3
    return v[2] + 10 * v[3]


def late_names_of_lambdas(x):
    fs = [lambda: x * i for i in range(3)]
    return sum([f() for f in fs])


def early_names_of_lambdas(x):
    fs = [lambda i=i: x * i for i in range(3)]
    return sum([f() for f in fs])


def defaults_and_keyword_only(x, s=2.0, *, k=3.0):
    return x * s * k


def every_kind_of_argument(x):
    def g(a, b=2.0, *c, d=3.0, **e):
        return a + b * 10 + sum(c) * 100 + d * 1000 + sum(e.values())

    return g(x) + g(x, 3.0, 4.0, 5.0, d=1.0, z=7.0)


def default_made_once(x):
    def g(q=[]):
        q.append(x)
        return len(q)

    return g() + g() * 10.0


def set_by_the_iteration_before(x):
    t = 0.0
    for k in range(3):
        if k > 0:
            t += prev
        prev = x * k
    return t + prev


def unset_after_a_long_loop(x):
    t = 0.0
    for k in range(50):
        if x > 5.0:
            last = k
        t += x
    return t + last


def set_in_some_iteration(x):
    t = 0.0
    for k in range(50):
        if x < 5.0:
            last = k * x
        t += x
    return t + last


def set_before_a_break(x):
    for k in range(50):
        y = x * k
        if y > 3.0:
            break
    return y


def unset_after_a_loop_of_unknown_length(x):
    n = int(x * 3)
    for k in range(n):
        y = x * k
    return y


def array_unset_after_a_loop(x):
    v = np.zeros(50)
    for k in range(50):
        if x * k > 4.0:
            w = v.copy()
            w[0] = x
    return w[0]


def function_unset_on_one_path(x):
    if x > 0:

        def g(u):
            return u * 2

    return g(x)


def list_unset_on_one_path(x):
    if x > 3.0:
        q = [x, 1.0]
    return q[1]


def deleted_in_a_loop(x):
    y = 1.0
    for k in range(60):
        if k * x > 30.0:
            del y
            break
    return y


def deleted_while_another_stays(x):
    y = 1.0
    for k in range(60):
        y = y + x
        z = y
        if k * x > 30.0:
            del y
            break
    return z + y


def walrus_in_conditions(x):
    if (y := x * 2) > 1.0 and (z := y + 1) > 2.0:
        return z
    return y


def walrus_that_may_not_run(x):
    if (y := x * 2) > 1.0 and (z := y + 1) > 2.0:
        pass
    return z


def comprehension_hides_a_name(x):
    x = [x for x in range(3)][1] + x
    return x


def starred_targets(x):
    a, *b = [x, 2.0, 3.0]
    (c, d), e = (1.0, 2.0), x
    return a + sum(b) * 10 + c + d + e


def nonlocal_counter(x):
    def outer(n):
        c = 0.0

        def inc():
            nonlocal c
            c += x
            return c

        for _ in range(n):
            inc()
        return c

    return outer(3)


def set_by_else_of_while(x):
    while x > 10.0:
        z = 1.0
    else:
        z = 2.0
    return z


def unset_after_continue(x):
    n = 0
    while n < 3:
        n += 1
        if n * x > 5.0:
            continue
        z = n * x
    return z


PROGRAMS = [
    unset_after_if,
    unset_after_loop,
    comprehensions_have_their_names,
    deleted_on_one_path,
    unset_in_a_closure,
    unset_in_the_first_iteration,
    unset_after_else,
    unset_after_while,
    walrus_leaves_a_comprehension,
    nonlocal_two_scopes_up,
    chained_list,
    targets_from_left_to_right,
    chained_targets,
    late_names_of_lambdas,
    early_names_of_lambdas,
    defaults_and_keyword_only,
    every_kind_of_argument,
    default_made_once,
    set_by_the_iteration_before,
    unset_after_a_long_loop,
    set_in_some_iteration,
    set_before_a_break,
    unset_after_a_loop_of_unknown_length,
    array_unset_after_a_loop,
    function_unset_on_one_path,
    list_unset_on_one_path,
    deleted_in_a_loop,
    deleted_while_another_stays,
    walrus_in_conditions,
    walrus_that_may_not_run,
    comprehension_hides_a_name,
    starred_targets,
    nonlocal_counter,
    set_by_else_of_while,
    unset_after_continue,
]
