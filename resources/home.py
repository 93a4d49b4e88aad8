"""Folders below the home, made when first needed."""

from pathlib import Path

from srp_assets.errors import Unavailable
from srp_assets.settings import Settings


def home_folder(settings: Settings, *parts: str) -> Path:
    """The folder `parts` below the home, made if it is missing, readable by its owner alone.

    Raises:
        Unavailable: if it cannot be made or written.
    """
    folder = settings.home_folder.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the home cannot be written: {error.strerror or error}",
            where=str(folder),
            remedy="correct the permissions, free space, or set SRP_HOME to another folder",
        ) from error
    return folder
