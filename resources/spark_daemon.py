"""The parent of Spark's Python workers: pyspark's own, with workers that end a task at once.

pyspark's workers collect garbage after each task. A worker that has loaded pandas, pyarrow and compiled kernels takes a tenth of a second
to look through what it will keep for ever, and its next task waits. Here what is there before a task is set aside, so that only what the
task itself made is looked through.

The libraries that kernels rest on are loaded before workers are forked: Spark ends a worker that was idle for a minute, and each new one
would take a second of a core, and memory of its own, to load them again.

Spark starts it where `spark.python.daemon.module` names it.
"""

import gc
import socket
from importlib import import_module
from itertools import count

from pyspark import daemon

TASKS_BETWEEN_WHOLE_COLLECTIONS = 64
"""After so many tasks a worker looks through everything once: what was set aside may have become garbage (arbitrary: a hundredth of the
cost of doing so each time)."""

LIBRARIES = ("numba", "numpy", "pyarrow.compute", "pyarrow.parquet")

_answer_task = daemon.worker
_tasks = count(1)


def answer_task(connection: socket.socket, authenticated: bool) -> int:
    """Runs one task of a worker; returns its exit code."""
    if next(_tasks) % TASKS_BETWEEN_WHOLE_COLLECTIONS:
        gc.freeze()
    else:
        gc.unfreeze()
    code: int = _answer_task(connection, authenticated)
    return code


def load_libraries() -> None:
    """Loads what most workers need; none of it starts threads, which would not survive the fork."""
    for name in LIBRARIES:
        import_module(name)


if __name__ == "__main__":
    load_libraries()
    daemon.worker = answer_task
    daemon.manager()
