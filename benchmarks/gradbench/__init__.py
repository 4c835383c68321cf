"""The evaluations of GradBench (https://github.com/gradbench/gradbench), as plain NumPy programs.

One module for each evaluation; its `FUNCTIONS` are what the suite asks for by name. `adapter` speaks the
suite's protocol, so that the public suite can run this package as a tool; `../gradbench_table.py` times all
of them beside what else is installed. Definitions: the suite's README files; those of gmm, lstm, ba and ht
are from ADBench (Srajer, Kukelova and Fitzgibbon 2018), those of det, llsq and ode from cmpad.
"""

import importlib

NAMES = ("hello", "det", "lse", "llsq", "ode", "kmeans", "gmm", "lstm", "ba", "ht", "particle", "saddle")


def functions(name: str) -> dict:
    """What the evaluation `name` offers."""
    return importlib.import_module(f"{__name__}.{name}").FUNCTIONS
