"""Scanners that the processes of a machine share: compiled by whoever needs one first, mapped from its file by all others.

A worker of a merged scan gets word lists as plain data. The first one compiles them (0.1 s for 10,000 words, seconds for many patterns)
and saves the scanner in the user's cache; the workers beside it, and those of the next batch with the same lists, open that file in
milliseconds and hold its pages in common. A file's name holds a digest of the lists and of all that compiling depends on. Where nothing may
be written, each process compiles its own.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from srp_assets.wordlists import scanner
from srp_assets.wordlists.flat_file import FlatFileError
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.scanner import Scanner
from srp_assets.wordlists.user_cache import cache_folder

UNUSED_SECONDS = 7 * 86_400
"""A file that nobody opened for so long is deleted when another one is saved."""


def shared(lists: Sequence[ResolvedList]) -> Scanner:
    """The scanner of these lists.

    Raises:
        WordError: for a word that saving the list would have refused.
    """
    folder = cache_folder("scanners")
    if folder is None:
        return scanner.compile(lists)
    path = folder / f"{digest_of(lists)}.scanner"
    with suppress(OSError, FlatFileError):  # missing, cut or spoilt: compiled anew
        return _opened(path)
    compiled = scanner.compile(lists)
    with suppress(OSError, FlatFileError):  # a full disk, or a folder of others: this process keeps its own
        folder.mkdir(parents=True, exist_ok=True)
        _forget_unused(folder)
        compiled.save(path)
        return _opened(path)
    return compiled


def digest_of(lists: Sequence[ResolvedList]) -> str:
    """A digest of the lists in their order, and of everything that compiling them depends on."""
    written = json.dumps([words.model_dump(mode="json") for words in lists], ensure_ascii=False)
    return hashlib.sha256(f"{_sources()}{written}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


@cache
def _sources() -> str:
    """A digest of our code and of the libraries whose own formats a scanner holds."""
    digest = hashlib.sha256()
    for file in sorted(Path(str(resources.files("srp_assets.wordlists"))).rglob("*.py")):
        digest.update(file.read_bytes())
    for library in ("hyperscan", "google-re2", "matcher_py"):
        digest.update(version(library).encode())
    return digest.hexdigest()


def _opened(path: Path) -> Scanner:
    found = scanner.load(path)
    path.touch()
    return found


def _forget_unused(folder: Path) -> None:
    for path in folder.glob("*.scanner"):
        with suppress(OSError):  # another process deleted it
            if path.stat().st_mtime < time.time() - UNUSED_SECONDS:
                path.unlink()
