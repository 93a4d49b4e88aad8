"""The parent of Spark's Python workers: pyspark's own, with workers that end a task at once.

pyspark's workers collect garbage after each task. A worker that has loaded pandas, pyarrow and compiled kernels takes a tenth of a second
to look through what it will keep for ever, and its next task waits. Here what is there before a task is set aside, so that only what the
task itself made is looked through.

Spark starts it where `spark.python.daemon.module` names it.
"""

import gc
import socket
from itertools import count

from pyspark import daemon

TASKS_BETWEEN_WHOLE_COLLECTIONS = 64
"""After so many tasks a worker looks through everything once: what was set aside may have become garbage (arbitrary: a hundredth of the
cost of doing so each time)."""

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


if __name__ == "__main__":
    daemon.worker = answer_task
    daemon.manager()
