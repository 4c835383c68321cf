"""Hand tracking: how far points are from a hand that is posed by 26 numbers."""

import numpy as np

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array


def pose(theta, bones):
    """Rotation, scale and place of the whole, and three angles for each bone, [bones + 3, 3]."""
    found = np.zeros((bones + 3, 3))
    found[0], found[1], found[2] = theta[:3], 1.0, theta[3:6]
    at, row = 6, 5
    for _ in range(5):  # fingers
        for joint in range(3):
            found[row, 0] = theta[at]
            at += 1
            if joint == 0:
                found[row, 1] = theta[at]
                at += 1
            row += 1
        row += 1
    return found


def of_angles(angles):
    """Rotation [3, 3] about x, then y, then z by angles given as x, z, y."""
    cx, cz, cy = np.cos(angles[0]), np.cos(angles[1]), np.cos(angles[2])
    sx, sz, sy = np.sin(angles[0]), np.sin(angles[1]), np.sin(angles[2])
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def of_axis(r):
    """Rotation [3, 3] about the axis `r` by its length."""
    angle = np.sqrt(np.sum(r * r))
    if angle < 0.0001:
        return np.eye(3)
    x, y, z = r / angle
    s, c = np.sin(angle), np.cos(angle)
    return np.array(
        [
            [x * x + (1 - x * x) * c, x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
            [x * y * (1 - c) + z * s, y * y + (1 - y * y) * c, y * z * (1 - c) - x * s],
            [x * z * (1 - c) - y * s, z * y * (1 - c) + x * s, z * z + (1 - z * z) * c],
        ]
    )


def vertices(theta, model):
    """Where the vertices of the hand are, [vertices, 3]."""
    parents, relatives, inverses, positions, weights, mirrored = model
    bones = len(parents)
    posed = pose(theta, bones)
    absolutes = np.zeros((bones, 4, 4))
    turn = np.eye(4)
    moved = np.zeros((len(positions), 4))
    for b in range(bones):
        turn[:3, :3] = of_angles(posed[b + 3])
        own = relatives[b] @ turn
        absolutes[b] = own if parents[b] < 0 else absolutes[parents[b]] @ own
        transform = absolutes[b] @ inverses[b]
        moved += weights[:, b : b + 1] * (positions @ transform.T)
    found = moved[:, :3]
    if mirrored:
        found = found * np.array([-1.0, 1.0, 1.0])
    return found @ (of_axis(posed[0]) * posed[1]).T + posed[2]


def simple(theta, model, data):
    """Distances of points to vertices, [3 * points]."""
    points, places = data
    return np.ravel(points - vertices(theta, model)[places])


def complicated(theta, us, model, data):
    """Distances of points to places in triangles, [3 * points]; `us` [points, 2] say where in them."""
    points, corners = data
    hand = vertices(theta, model)
    u, v = us[:, :1], us[:, 1:]
    return np.ravel(
        points - (u * hand[corners[:, 0]] + v * hand[corners[:, 1]] + (1.0 - u - v) * hand[corners[:, 2]])
    )


@ad.jit
def simple_jacobian(theta, model, data):
    return ad.jacobian(simple, mode="forward")(theta, model, data)


@ad.jit
def complicated_jacobian(theta, us, model, data):
    """[3 * points, 28]: by the point's own `us`, then by theta."""
    found = np.empty((3 * len(us), 2 + len(theta)))
    for k in range(2):  # each row depends on the `us` of its own point only
        direction = np.zeros(us.shape)
        direction[:, k] = 1.0
        found[:, k] = ad.jvp(lambda w: complicated(theta, w, model, data), (us,), (direction,))[1]
    found[:, 2:] = ad.jacobian(complicated, mode="forward")(theta, us, model, data)
    return found


_plain = ad.jit(simple), simple_jacobian
_with_us = ad.jit(complicated), complicated_jacobian


def _prepare(given):
    model, data = given["data"]["model"], given["data"]
    hand = (
        np.array(model["parents"]),
        array(model["base_relatives"]),
        array(model["inverse_base_absolutes"]),
        array(model["base_positions"]),
        array(model["weights"]),
        bool(model["is_mirrored"]),
    )
    places, points, us = np.array(data["correspondences"]), array(data["points"]), given.get("us") or []
    if not len(us):
        return array(given["theta"]), hand, (points, places)
    corners = np.array(model["triangles"])[places]
    return array(given["theta"]), array(us).reshape(-1, 2), hand, (points, corners)


def _chosen(k):
    return lambda *args: (_plain if len(args) == 3 else _with_us)[k](*args)


FUNCTIONS = {"objective": Timed(_prepare, _chosen(0)), "jacobian": Timed(_prepare, _chosen(1))}
