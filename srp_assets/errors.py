"""The one exception tree of the product: every error says what is wrong, where, and what to do.

`cli.py` prints these as one line (or as JSON) with a non-zero exit code; anything else that escapes is a defect.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SrpError(Exception):
    """An error that a user can act on.

    Args:
        message: what is wrong, in one line.
        where: the file, document path, row or setting that is meant.
        remedy: what to do about it.
    """

    code = "error"

    def __init__(self, message: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{place}{self.message}{remedy}"

    def as_dict(self) -> dict[str, str | None]:
        """The stable JSON shape of an error."""
        return {"code": self.code, "message": self.message, "where": self.where, "remedy": self.remedy}


class InvalidInput(SrpError):
    """Something that the user wrote or passed is not valid."""

    code = "invalid"


class NotFound(SrpError):
    """A name that nothing has."""

    code = "not_found"


class Conflict(SrpError):
    """The action contradicts what is stored or running."""

    code = "conflict"


class Unavailable(SrpError):
    """A part that the product needs (Spark, a database, the disk) cannot be used now."""

    code = "unavailable"


def nearest(name: str, valid: Iterable[str]) -> str:
    """A remedy that names the valid name nearest to `name`, or all valid names where none is near."""
    names = sorted(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "valid: " + ", ".join(names) if names else "none is defined yet"
