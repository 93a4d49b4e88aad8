"""The parent of Spark's Python workers: pyspark's own, with workers that end a task at once.

pyspark's workers collect garbage after each task. A worker that has loaded pandas, pyarrow and compiled kernels takes a tenth of a second
to look through what it will keep for ever, and its next task waits. Here what is there before a task is set aside, so that only what the
task itself made is looked through.

Spark starts it where `spark.python.daemon.module` names it.
"""

import gc
import socket

from pyspark import daemon

_answer_task = daemon.worker


def answer_task(connection: socket.socket, authenticated: bool) -> int:
    """Runs one task of a worker; returns its exit code."""
    gc.freeze()
    code: int = _answer_task(connection, authenticated)
    return code


if __name__ == "__main__":
    daemon.worker = answer_task
    daemon.manager()
