"""Reads the YAML files that declare what a home has: its catalogue, its logs, its features. What they mean is known where they are used."""

from pathlib import Path
from typing import Any

import yaml

from srp_assets.errors import InvalidInput

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C parser: with the other one, five sixths of the time in which definitions load went into these files."""


def read_declaration(path: Path, *, name: str, remedy: str) -> Any:
    """What a file declares, not yet validated.

    Args:
        path: the file.
        name: what it is called in a message, like `the catalogue`.
        remedy: what to do where it cannot be read.

    Raises:
        InvalidInput: if the file cannot be read or is no YAML.
    """
    try:
        # The loader is one of PyYAML's safe ones.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_PARSER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput(f"{name} cannot be read: {' '.join(str(error).split())}", where=str(path), remedy=remedy) from error
