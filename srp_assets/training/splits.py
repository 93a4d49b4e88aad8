"""Days to train on and days to judge by, strictly in time: what is judged lies after everything that training could know.

A label may come `label_days` after its impression. Training on the day before the judged ones would use labels that came during them, so a
gap of that many days lies between; without it a model is judged by what it has seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from srp_assets.errors import InvalidInput


@dataclass(frozen=True)
class TimeSplit:
    """Days by what they are for, each in order; `gap` are those that nobody uses."""

    train: tuple[str, ...]
    gap: tuple[str, ...]
    validation: tuple[str, ...]


def time_split(days: Sequence[str], validation_days: int, gap_days: int, train_days: int | None = None) -> TimeSplit:
    """The newest days are judged by, the days before them are the gap, and what is older is trained on.

    Days are dates: a day that is not there takes its place in the gap all the same.

    Args:
        days: those that there are, as 2024-03-09.
        validation_days: how many of the newest are judged by.
        gap_days: dates between the last one trained on and the first one judged by.
        train_days: dates before the gap that are trained on; all if None.

    Raises:
        InvalidInput: if nothing is left to train on.
    """
    ordered = sorted(set(days))
    validation = ordered[-validation_days:] if validation_days else []
    if not ordered:
        raise InvalidInput("there is no day to train on", where="training/sets", remedy="materialize training/sets first")
    end = date.fromisoformat(validation[0]) if validation else date.fromisoformat(ordered[-1]) + timedelta(days=1)
    last_train = end - timedelta(days=gap_days + 1) if validation else end - timedelta(days=1)
    first_train = date.min if train_days is None else last_train - timedelta(days=train_days - 1)
    train = [day for day in ordered if first_train.isoformat() <= day <= last_train.isoformat()]
    gap = [day for day in ordered if last_train.isoformat() < day < end.isoformat()]
    if not train:
        raise InvalidInput(
            f"of {len(ordered)} days ({ordered[0]} to {ordered[-1]}) none lies {gap_days} days before the {validation_days} judged ones",
            where="training/sets",
            remedy="build more days, or choose a shorter gap",
        )
    return TimeSplit(tuple(train), tuple(gap), tuple(validation))


def newest_whole_day(rows: Mapping[str, int]) -> str | None:
    """The newest day that is worth a look; None without rows.

    One with less than half the rows of a usual day is still coming, or has only what the day before left after midnight.

    Args:
        rows: of each day.
    """
    counts = [count for count in rows.values() if count]
    return max(day for day, count in rows.items() if count and count >= median(counts) / 2) if counts else None
