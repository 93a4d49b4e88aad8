"""Trains one model in several processes: local ones that this process starts, or those that Spark's TorchDistributor or torchrun starts.

Every process reads the same files in the same order and takes every n-th row of each batch; gradients are averaged (gloo on
processors, nccl on accelerators). So the model is that of one process, but for the order in which numbers are added up.
"""

import multiprocessing
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from srp_assets.errors import Unavailable
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.processes import Together, device_of
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training


@dataclass(frozen=True)
class SharedTraining:
    """What several processes are to train; it travels to them.

    Args:
        document: the configuration.
        files: the rows to train on, on a file system that all processes reach.
        validation: the rows that decide when to stop.
        folder: for checkpoints and, in `model`, the trained model: one that all processes reach.
    """

    document: ModelDocument
    files: RowFiles
    validation: RowFiles | None
    folder: Path

    @property
    def model_folder(self) -> Path:
        """Where the first process saves the model."""
        return self.folder / "model"


def train_as_one_of_many(training: SharedTraining) -> None:
    """Trains in a process that a launcher started with torch's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT)."""
    device = device_of(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        together = Together(distributed.get_rank(), distributed.get_world_size(), device)
        run = Training(training.document, training.files, training.validation, folder=training.folder, together=together)
        trained = run.run()
        if together.rank == 0:
            DeepRanker(run.document, trained.encoder, trained.model).save(training.model_folder)
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def train_in_processes(training: SharedTraining, processes: int) -> DeepRanker:
    """Trains in so many processes of this machine.

    Raises:
        Unavailable: if one of them failed.
    """
    context = multiprocessing.get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, torch.get_num_threads() // processes)
    started: list[Any] = []
    for rank in range(processes):
        process = context.Process(target=_run, args=(training, rank, processes, port, threads), daemon=True)
        process.start()
        started.append(process)
    try:
        for process in started:
            process.join()
    finally:
        for process in started:
            process.terminate()
    if any(process.exitcode for process in started):
        codes = [process.exitcode for process in started]
        raise Unavailable(f"processes of a training ended with {codes}", where=str(training.folder), remedy="read what they printed")
    return DeepRanker.load(training.model_folder)


def _run(training: SharedTraining, rank: int, processes: int, port: int, threads: int) -> None:
    """What a local process does."""
    torch.set_num_threads(threads)
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
    os.environ |= {name: str(number) for name, number in numbers.items()} | {"MASTER_ADDR": "127.0.0.1"}
    train_as_one_of_many(training)
