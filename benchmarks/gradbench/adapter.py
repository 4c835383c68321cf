"""GradBench's protocol for tools: JSON messages on standard input, answers on standard output.

``python -m benchmarks.gradbench.adapter`` is what the suite's ``gradbench run --tool`` starts.
"""

import json
import sys
import time
import traceback

from benchmarks.gradbench import NAMES, functions
from benchmarks.gradbench.evaluation import Timed


def evaluated(function: Timed, given) -> dict:
    """Run a function as often as is asked for; the first run, which compiles, is timed as the others are."""
    runs, seconds = (given["min_runs"], given["min_seconds"]) if isinstance(given, dict) else (1, 0.0)
    args, timings, spent = function.prepare(given), [], 0.0
    while len(timings) < runs or spent < seconds:
        start = time.perf_counter_ns()
        result = function.call(*args)
        took = time.perf_counter_ns() - start
        timings.append({"name": "evaluate", "nanoseconds": took})
        spent += took / 1e9
    return {"success": True, "output": function.output(result), "timings": timings}


def answer(message: dict) -> dict:
    """The response to one message."""
    kind = message["kind"]
    if kind == "start":
        return {"id": message["id"], "tool": "sciad"}
    if kind == "define":
        return {"id": message["id"], "success": message["module"] in NAMES}
    if kind == "evaluate":
        try:
            found = evaluated(functions(message["module"])[message["function"]], message["input"])
        except Exception:
            found = {"success": False, "error": traceback.format_exc()}
        return {"id": message["id"], **found}
    return {"id": message["id"]}


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message["kind"] == "end":
            break
        json.dump(answer(message), sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
