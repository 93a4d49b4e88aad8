"""Reads the file that declares features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from srp_assets.declarations import read_declaration
from srp_assets.errors import InvalidInput
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument


def load_definitions(path: Path) -> Definitions:
    """Reads and validates a file of declarations, and resolves every feature.

    Raises:
        InvalidInput: if the file cannot be read or declares something that is not valid, with the place in it.
    """
    document = load_document(path)
    try:
        return resolve(document)
    except InvalidInput as error:
        raise InvalidInput(error.message, where=f"{path}: {error.where}", remedy=error.remedy) from error


def load_document(path: Path) -> FeatureDocument:
    """Reads a file of declarations as it is written; whether its names mean something is not looked at.

    Raises:
        InvalidInput: if the file cannot be read or has not the form of declarations, with the place in it.
    """
    declared = read_declaration(path, name="the features", remedy="correct the file, or SRP_FEATURES")
    try:
        return FeatureDocument.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        place = _place(first["loc"], declared)
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{path}: {place}" if place else str(path), remedy="correct the declaration") from error


def _place(location: Sequence[str | int], declared: Any) -> str:
    """The path inside the document as people read it: `features[3] (user_clicks).windows[0]`."""
    parts: list[str] = []
    found = declared
    for step in location:
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else None
            name = found.get("name") if isinstance(found, dict) else None
            parts[-1] += f"[{step}] ({name})" if name else f"[{step}]"
        elif isinstance(found, dict) and step in found:
            found = found[step]
            parts.append(step)
        elif step == location[-1] and isinstance(found, dict) and not step.startswith("<"):
            parts.append(step)
        # Anything else is a variant of a union, which stands nowhere in the file.
    return ".".join(parts)
