"""Who holds a lease or a batch: a process, so named that its death is noticed where the process lived."""

import socket

import psutil


def this_process() -> str:
    """Host, process id and creation time, which tells this process from a later one with the same id."""
    process = psutil.Process()
    return f"{socket.gethostname()}:{process.pid}:{process.create_time():.2f}"


def is_dead(worker: str | None) -> bool:
    """Whether the worker was a process of this machine that is gone; of another machine's processes nothing is known here."""
    if worker is None:
        return False
    host, pid, created = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - float(created)) > 1
    except psutil.NoSuchProcess:
        return True
