"""Keeps transform tables in the user's cache folder, so that each is derived once for a machine and not once for a process.

A file's name holds a digest of everything that its table was derived from (our code and overrides, the versions of matcher_py and of
Unicode): a table of other sources is simply another file, and nobody has to remember a version number. A file is written whole or not at
all, and believed only if the digest of its contents is right. Where nothing may be written, every process derives its own.
"""

import hashlib
import os
import pkgutil
import tempfile
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from srp_assets.wordlists.user_cache import cache_folder

_SEPARATOR = b"\xff"
"""Between the texts of a file; no byte of UTF-8."""

_DIGEST_BYTES = hashlib.sha256().digest_size


def kept(name: str, derive: Callable[[], dict[int, str]]) -> dict[int, str]:
    """The table of a name: read from the cache, else derived and kept there for others."""
    path = _path(name)
    if path is None:
        return derive()
    try:
        return _read(path)
    except (OSError, ValueError):  # missing, unreadable, cut or spoilt
        table = derive()
    with suppress(OSError):  # a full disk, or a folder of others: the next process derives it again
        _write(path, table)
    return table


def _path(name: str) -> Path | None:
    """Where a table is kept; None if the user has no place for it."""
    folder = cache_folder("transforms")
    return folder and folder / f"{name}-{_sources()}"


@cache
def _sources() -> str:
    """A short digest of all that tables depend on."""
    sources = [pkgutil.get_data("srp_assets.wordlists", file) or b"" for file in ("transforms.py", "derivation.py", "overrides.py")]
    versions = f"{version('matcher_py')} {unicodedata.unidata_version}"
    return hashlib.sha256(_SEPARATOR.join([*sources, versions.encode()])).hexdigest()[:16]


def _read(path: Path) -> dict[int, str]:
    contents = path.read_bytes()
    digest, body = contents[:_DIGEST_BYTES], contents[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(f"{path} is damaged")
    code_points, *becomes = (text.decode() for text in body.split(_SEPARATOR))
    return dict(zip(map(ord, code_points), becomes, strict=True))


def _write(path: Path, table: dict[int, str]) -> None:
    """Replaces the file at once: whoever reads meanwhile sees the old one or none, and the last of several writers wins."""
    body = _SEPARATOR.join(text.encode() for text in ("".join(map(chr, table)), *table.values()))
    path.parent.mkdir(parents=True, exist_ok=True)
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(hashlib.sha256(body).digest() + body)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
