"""Documents for tests: written as YAML, applied, and resolved."""

from pathlib import Path
from textwrap import dedent

from sqlalchemy import Connection

from srp_assets.strategy.apply import Applied, apply_documents
from srp_assets.warehouse.catalogue import Catalogue


def write(folder: Path, text: str, name: str = "documents.yaml") -> Path:
    """A file with this text below a folder."""
    path = folder / name
    path.write_text(dedent(text), encoding="utf-8")
    return path


def apply_text(connection: Connection, catalogue: Catalogue, folder: Path, text: str, *, dry_run: bool = False) -> list[Applied]:
    """Applies documents written in one file."""
    return apply_documents(connection, catalogue, [write(folder, text)], dry_run, owner="tester")
