"""NumPy as it is: a copy of its namespace, taken before `rebind` gives differentiated functions another
view of it.
"""

from types import SimpleNamespace

import numpy
import numpy.fft

np = SimpleNamespace(**vars(numpy))
