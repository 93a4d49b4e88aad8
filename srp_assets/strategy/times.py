"""Times as text: read from ISO 8601, written in UTC with a final `Z`. Rules, cases and their JSON all speak this form."""

from datetime import UTC, datetime


def parse_time(text: str) -> datetime:
    """A time in ISO 8601; one without zone is UTC, a date alone is its midnight.

    Raises:
        ValueError: if the text is no such time, or lies outside of what a datetime holds.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} lies outside of the years 1 to 9999") from error


def iso_utc(moment: datetime) -> str:
    """A time as ISO 8601 text in UTC; microseconds only where there are any."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
