"""Views and copies come out as NumPy makes them: what is written through one name is seen by the others."""

import itertools
import linecache

import numpy as np
import pytest

from tests.compiler.agree import follows_python

MATRICES = """A|A.T|A.copy()|A.T.copy()|np.copy(A.T)|A.T*2|A[::2]|A[:,1:]|A[:,::2]|A.T+A.T|np.zeros_like(A.T)
np.where(A.T>0,A.T,1.0)|A[::-1]|(A*2).T|+A|+A.T|np.array(A.T)|A.T[1:]|A[None]|A[:1]|np.ascontiguousarray(A.T)
np.asarray(A.T)|A.T.astype(float)|np.maximum(A.T,0.1)|A.T*A.T[:1]|A.T*A.T[:,:1]"""
CUBES = """A.transpose(1,0,2)|A.transpose(0,2,1)*2|A.transpose(2,0,1)+A.transpose(2,0,1)|A[:,0]|A[...,0]*2
A.transpose(1,2,0)[:,::2]*1.0|A[:,:,1:]|A.transpose(1,0,2)*A[0,:,None]|A.transpose(1,0,2)[0]*A[:,0]"""
SHAPES = """B.ravel()|B.reshape(-1)|B.flatten()|B.reshape(B.shape[::-1])|B.reshape(2,-1)|B.T.ravel()|B.T
B.reshape(B.shape+(1,))|B.reshape(B.shape[0],-1)"""


def words(text):
    return text.replace("\n", "|").split("|")


def program(array, shape):
    """Writes to an array and to its reshaped self."""
    text = f"""\
def f(A):
    B = {array}
    r = {shape}
    r[(0,) * r.ndim] = 7.0
    B[(0,) * B.ndim] += 1.0
    r[(-1,) * r.ndim] += 2.0
    return A, B, r
"""
    name = f"<{array} {shape}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space = {"np": np}
    exec(compile(text, name, "exec"), space)
    return space["f"]


@pytest.mark.parametrize("arrays, shape", [(MATRICES, (3, 4)), (MATRICES, (10, 8)), (CUBES, (2, 3, 4))])
def test_reshaped_views_and_copies(arrays, shape):
    A = np.linspace(-1, 2, np.prod(shape)).reshape(shape)
    checked = 0
    for array, reshaped in itertools.product(words(arrays), words(SHAPES)):
        try:
            eval(reshaped, {"B": eval(array, {"A": A, "np": np})})
        except ValueError:
            continue
        follows_python(program(array, reshaped), A)
        checked += 1
    assert checked >= 80
