"""Bundle adjustment: what cameras see of points, and the sparse Jacobian of the errors."""

import numpy as np
from scipy.sparse import csr_array

import sciad as ad
from benchmarks.gradbench.evaluation import Timed, array

CAMERA, POINT = 11, 3
WIDTH = CAMERA + POINT + 1


def rotated(rot, point):
    """The point turned about the axis `rot` by its length (Rodrigues)."""
    squared = rot[0] ** 2 + rot[1] ** 2 + rot[2] ** 2
    if squared == 0.0:
        return point + np.cross(rot, point)
    angle = np.sqrt(squared)
    axis = rot / angle
    along = np.dot(axis, point) * (1.0 - np.cos(angle))
    return point * np.cos(angle) + np.cross(axis, point) * np.sin(angle) + axis * along


def error(unknowns, feature):
    """Of one observation, [2]; `unknowns` are the camera, the point and the weight, [15]."""
    cam, point, weight = unknowns[:CAMERA], unknowns[CAMERA : CAMERA + POINT], unknowns[WIDTH - 1]
    seen = rotated(cam[:3], point - cam[3:6])
    flat = seen[:2] / seen[2]
    squared = np.sum(flat**2)
    flat = flat * (1.0 + cam[9] * squared + cam[10] * squared**2)
    return weight * (flat * cam[6] + cam[7:9] - feature)


@ad.jit
def errors(cams, points, weights, seen, features):
    """Errors of reprojection [p, 2] and of weights [p]."""
    found = np.empty((len(seen), 2))
    for i in range(len(seen)):
        unknowns = np.concatenate([cams[seen[i, 0]], points[seen[i, 1]], weights[i : i + 1]])
        found[i] = error(unknowns, features[i])
    return found, 1.0 - weights**2


blocks = ad.jit(ad.vmap(ad.jacobian(error)))  # [p, 2, 15]


def jacobian(cams, points, weights, seen, features):
    """The derivative of all errors by all unknowns: two rows for each observation, one for each weight."""
    n, m, p = len(cams), len(points), len(seen)
    unknowns = np.concatenate([cams[seen[:, 0]], points[seen[:, 1]], weights[:, None]], axis=1)
    values = np.concatenate([blocks(unknowns, features).ravel(), -2.0 * weights])
    columns = np.empty((p, 2, WIDTH), dtype=np.int32)
    columns[:, :, :CAMERA] = (CAMERA * seen[:, 0])[:, None, None] + np.arange(CAMERA)
    columns[:, :, CAMERA:-1] = (CAMERA * n + POINT * seen[:, 1])[:, None, None] + np.arange(POINT)
    columns[:, :, -1] = (CAMERA * n + POINT * m + np.arange(p))[:, None]
    columns = np.concatenate([columns.ravel(), CAMERA * n + POINT * m + np.arange(p, dtype=np.int32)])
    starts = np.concatenate([WIDTH * np.arange(2 * p), 2 * WIDTH * p + np.arange(p + 1)])
    return csr_array((values, columns, starts), shape=(3 * p, CAMERA * n + POINT * m + p))


def _prepare(given):
    n, m, p = (int(given[name]) for name in "nmp")
    seen = np.stack([np.arange(p) % n, np.arange(p) % m], axis=1)
    cams, points = np.tile(array(given["cam"]), (n, 1)), np.tile(array(given["x"]), (m, 1))
    return cams, points, np.full(p, float(given["w"])), seen, np.tile(array(given["feat"]), (p, 1))


def _errors_output(found):
    reprojection, weight = found
    return {
        "reproj_error": {"elements": reprojection[0].tolist(), "repeated": len(reprojection)},
        "w_err": {"element": float(weight[0]), "repeated": len(weight)},
    }


def _jacobian_output(found):
    def some(values, kind):
        return [kind(v) for v in (*values[:30], values[-1])]

    return {
        "rows": some(found.indptr, int),
        "cols": some(found.indices, int),
        "vals": some(found.data, float),
    }


FUNCTIONS = {
    "objective": Timed(_prepare, errors, _errors_output),
    "jacobian": Timed(_prepare, jacobian, _jacobian_output),
}
