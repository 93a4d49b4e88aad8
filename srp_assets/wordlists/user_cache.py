"""The user's cache folder: what was derived once for a machine and may be derived again at any time."""

import os
from pathlib import Path


def cache_folder(name: str) -> Path | None:
    """A folder of ours in the user's cache, which may not be there yet; None if the user has no place for one."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return folder / "srp" / name
