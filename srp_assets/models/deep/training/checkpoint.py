"""Where a training stands, in a file: written whole or not at all, read back to go on as if it had never stopped."""

import os
from pathlib import Path
from typing import Any

import torch

from srp_assets.errors import InvalidInput

FORMAT = 1
"""Of the file; another meaning of what it holds raises it."""

FILE = "checkpoint.pt"


def write_checkpoint(folder: Path, digest: str, content: dict[str, Any]) -> None:
    """Replaces the checkpoint of a folder.

    Args:
        folder: of the training.
        digest: of what the training depends on.
        content: tensors and plain values.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{FILE}.partial"
    torch.save({"format": FORMAT, "digest": digest, **content}, partial)
    os.replace(partial, folder / FILE)


def read_checkpoint(folder: Path, digest: str) -> dict[str, Any] | None:
    """The checkpoint of a folder; None if there is none.

    Raises:
        InvalidInput: if it is of another training: another configuration, other files, or another version of this program.
    """
    if not (folder / FILE).is_file():
        return None
    found = torch.load(folder / FILE, weights_only=True)
    if (found["format"], found["digest"]) != (FORMAT, digest):
        raise InvalidInput(
            "this checkpoint is of another configuration or of other files", where=str(folder / FILE), remedy="train in another folder"
        )
    return found
