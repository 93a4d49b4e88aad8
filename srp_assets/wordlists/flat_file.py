"""Named arrays in one flat file that every process may map into memory: nothing is parsed, copied or compiled to open it.

    8 bytes    `SRPFLAT` and a zero
    8 bytes    the length of the header, little endian
    header     JSON: the format's version, the digest of all that follows, and each array's name, type, shape and place
    arrays     one after the other, each at a multiple of 64 bytes

A file that is cut, damaged or of another version is refused.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

MAGIC = b"SRPFLAT\0"
VERSION = 1
_ALIGNMENT = 64


class FlatFileError(ValueError):
    """A file does not hold what was saved."""


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays; a reader sees the whole file or none."""
    digest = hashlib.sha256()
    described, place = {}, 0
    for name, array in arrays.items():
        described[name] = {"type": array.dtype.str, "shape": array.shape, "place": place}
        place += _padded(array.nbytes)
        for part in _bytes(array):
            digest.update(part)
    header = json.dumps({"version": VERSION, "digest": digest.hexdigest(), "arrays": described, "bytes": place}).encode()
    header += b" " * (_padded(len(MAGIC) + 8 + len(header)) - len(MAGIC) - 8 - len(header))
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(MAGIC + len(header).to_bytes(8, "little") + header)
            for array in arrays.values():
                stream.writelines(_bytes(array))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path) -> dict[str, np.ndarray]:
    """Opens a file: arrays that cannot be written, mapped from it.

    Raises:
        FlatFileError: for a file that is no such file, is of another version, or is cut or damaged.
    """
    whole = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else np.empty(0, dtype=np.uint8)
    first = len(MAGIC) + 8
    if len(whole) < first or whole[: len(MAGIC)].tobytes() != MAGIC:
        raise FlatFileError(f"{path} is no scanner that was saved: save it anew")
    length = int.from_bytes(whole[len(MAGIC) : first].tobytes(), "little")
    try:
        header = json.loads(whole[first : first + length].tobytes())
    except ValueError as error:
        raise FlatFileError(f"{path} is damaged in its header: save the scanner anew") from error
    if header["version"] != VERSION:
        raise FlatFileError(f"{path} has format version {header['version']}, this program reads {VERSION}: save the scanner anew")
    body = whole[first + length :]
    if len(body) != header["bytes"] or hashlib.sha256(body.data).hexdigest() != header["digest"]:
        raise FlatFileError(f"{path} is cut or damaged: save the scanner anew")
    return {name: _array(body, **described) for name, described in header["arrays"].items()}


def _array(body: np.ndarray, *, type: str, shape: list[int], place: int) -> np.ndarray:
    dtype = np.dtype(type)
    size = int(np.prod(shape)) * dtype.itemsize
    return body[place : place + size].view(dtype).reshape(shape)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _bytes(array: np.ndarray) -> tuple[memoryview, bytes]:
    """An array's bytes, and zeros up to the next array."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, b"\0" * (_padded(array.nbytes) - array.nbytes)
