"""Reads the file of a model's configuration."""

from pathlib import Path

from pydantic import ValidationError

from srp_assets.declarations import read_declaration
from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument


def load_model(path: Path) -> ModelDocument:
    """Reads and validates a configuration; whether its features are declared is for `resolve_inputs`.

    Raises:
        InvalidInput: if the file cannot be read or is no valid configuration, with the place in it.
    """
    return model_of(read_declaration(path, name="the model's configuration", remedy="correct the file"), where=str(path))


def model_of(written: object, *, where: str) -> ModelDocument:
    """A configuration from what its file says.

    Raises:
        InvalidInput: if that is no valid configuration.
    """
    try:
        return ModelDocument.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        # Steps in pointed brackets are variants of a union, which stand nowhere in the file.
        place = ".".join(str(step) for step in first["loc"] if not str(step).startswith("<"))
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{where}: {place}" if place else where, remedy="correct the configuration") from error
