"""Functions of one number with jumps out of `else`, and containers that change while they are looped over."""

# ruff: noqa: B007, B905, F841, SIM, UP018


def break_in_an_inner_else(x):  # break in else of inner loop
    t = 0.0
    for i in range(5):
        for j in range(3):
            t += x
        else:
            t += 1.0
            break
        t += 100.0
    return t


def continue_in_an_inner_else(x):
    t = 0.0
    for i in range(5):
        for j in range(3):
            if j * x > 100:
                break
        else:
            t += 1.0
            continue
        t += 100.0
    return t


def append_while_looped_over(x):
    q = [x, 2 * x]
    t = 0.0
    for e in q:
        t += e
        if len(q) < 5:
            q.append(e * 3)
    return t


def pop_while_looped_over(x):
    q = [x, 2 * x, 3 * x, 4 * x]
    t = 0.0
    for e in q:
        t += e
        q.pop()
    return t


def empty_loop_keeps_its_name(x):
    i = 7
    for i in range(0):
        pass
    return i * x


def jumps_in_else_of_while(x):
    t = 0.0
    i = 0
    while i < 5:
        i += 1
        j = 0
        while j < 3:
            j += 1
            if j * x > 2.5:
                break
        else:
            if i > 3:
                break
            continue
        t += 100.0 * i
    else:
        t -= 7.0
    return t + x


def append_of_items_by_number(x):
    q = [x, 2 * x, 3 * x]
    t = 0.0
    for k in range(len(q)):
        q.append(q[k])
        t += q[-1]
    return t + len(q)


def bound_of_a_range_changes(x):
    n = 3
    t = 0.0
    for k in range(n):
        n = n + 1
        t += x
    return t + n


def item_set_while_enumerated(x):
    q = [x, 2 * x, 3 * x]
    t = 0.0
    for k, e in enumerate(q):
        if k == 0:
            q[2] = 10.0 * x
        t += e
    return t


def insert_while_zipped(x):
    q = [x, 2 * x, 3 * x]
    t = 0.0
    for a, b in zip(q, q):
        q[2] = 5.0 * x
        t += a * b
        if len(q) < 6:
            q.insert(0, 1.0)
    return t


def item_set_while_reversed(x):
    q = [x, 2 * x, 3 * x]
    t = 0.0
    for a in reversed(q):
        q[0] = 5.0 * x
        t += a
    return t


def three_loops_with_else(x):
    t = 0.0
    for i in range(3):
        for j in range(3):
            if i * j * x > 1.5:
                break
        else:
            for k in range(2):
                t += k * x
            else:
                if i == 1:
                    break
                t += 10
                continue
            t += 1000
        t += 100
    return t


def grows_by_another_name(x):
    q = [x]
    q2 = q
    t = 0.0
    for e in q:
        t += e
        if len(q2) < 4:
            q2 += [e + 1]
    return t


def loop_name_is_assigned(x):
    t = 0.0
    for i in range(3):
        i = i + 10
        t += i * x
    return t + i


def item_as_loop_name(x):
    a = [x, 2 * x, 3 * x]
    t = 0.0
    for a[0] in (5.0, 6.0):
        t += a[0] * a[1]
    return t


def truth_of_a_list_of_unknown_length(x):
    q = []
    if x > 0.0:
        q.append(x)
    if q:
        return 1.0
    return 2.0


def length_of_a_list_of_unknown_length(x):
    q = [1.0]
    if x > 0.0:
        q.append(x)
    return float(len(q))


def dict_item_set_in_a_loop_over_items(x):
    d = {"a": x, "b": 2 * x}
    t = 0.0
    for k, v in d.items():
        d["b"] = 10.0
        t += v
    return t


def views_show_later_writes(x):
    d = {"a": x, "b": 2 * x}
    vals = d.values()
    d["a"] = 5.0
    return sum(vals) + len(vals)


def dict_item_set_in_a_loop_over_values(x):
    d = {"a": x, "b": 2 * x}
    t = 0.0
    for v in d.values():
        d["b"] = 10.0
        t += v
    return t + max(d.values()) + (1.0 if "a" in d else 0.0)


def breaks_and_continues_of_else_in_while_true(x):
    t = 0.0
    n = 0
    while True:
        n += 1
        for k in range(4):
            if k * x > 2.5:
                break
            if k > n:
                break
        else:
            if n > 5:
                break
            continue
        t += 1.0
        if n > 8:
            break
    return t + n


def returns_out_of_nested_else(x):
    for k in range(3):
        for j in range(3):
            if k * j * x >= 2:
                return k * 10.0 + j
        else:
            if x < 0.0 and k == 1:
                return -1.0
    else:
        return 99.0
    return 5.0


def loop_name_after_a_loop_of_unknown_length(x):
    n = int(x * 3)
    for k in range(n):
        pass
    return x * k


def loop_over_a_copy(x):
    t = 0.0
    q = [x, 2 * x, 3 * x]
    for e in q[:]:
        q.remove(e) if False else q.append(e)
        t += e
    return t + len(q)


def length_inside_a_comprehension(x):
    q = [x, 2 * x, 3 * x]
    r = [e * len(q) for e in q]
    return sum(r)


def nested_exits(x):
    t = 0.0
    for k in range(3):
        try_ = k
        for j in range(k):
            if j * x > 0.5:
                for i in range(2):
                    if i * x > 0.5:
                        break
                else:
                    break
                continue
            t += 1
        else:
            t += 10
            continue
        t += 100
    return t


PROGRAMS = [
    break_in_an_inner_else,
    continue_in_an_inner_else,
    append_while_looped_over,
    pop_while_looped_over,
    empty_loop_keeps_its_name,
    jumps_in_else_of_while,
    append_of_items_by_number,
    bound_of_a_range_changes,
    item_set_while_enumerated,
    insert_while_zipped,
    item_set_while_reversed,
    three_loops_with_else,
    grows_by_another_name,
    loop_name_is_assigned,
    item_as_loop_name,
    truth_of_a_list_of_unknown_length,
    length_of_a_list_of_unknown_length,
    dict_item_set_in_a_loop_over_items,
    views_show_later_writes,
    dict_item_set_in_a_loop_over_values,
    breaks_and_continues_of_else_in_while_true,
    returns_out_of_nested_else,
    loop_name_after_a_loop_of_unknown_length,
    loop_over_a_copy,
    length_inside_a_comprehension,
    nested_exits,
]
