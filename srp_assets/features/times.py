"""Days, sessions and decay, for one value and for whole columns: the constants and formulas of contracts 1, 9 and 10."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Clock = Literal["as_arrived", "as_happened"]
"""Whether an event counts once it has arrived (what the online side could have known), or from when it happened."""

MICROSECONDS_OF_HOUR = 3_600_000_000
MICROSECONDS_OF_DAY = 24 * MICROSECONDS_OF_HOUR

SESSION_GAP = timedelta(minutes=30)
"""A longer gap starts a new session; exactly this one does not."""

LONGEST_SESSION = timedelta(hours=24)
"""How far back a session window looks. People pause within a day; programs that never do would otherwise have one session of years, which
no implementation could keep."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def decay_weight(age_days: int, half_life_days: int) -> float:
    """The weight 2^(-age / half-life) of what is `age_days` old.

    Whole half-lives are exact halves, so that counts which are equal on paper are equal in every implementation.
    """
    halves, rest = divmod(age_days, half_life_days)
    return float(2.0 ** (-rest / half_life_days) / 2.0**halves)


def days_of(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The UTC dates of times in microseconds, as days since 1970."""
    return times // MICROSECONDS_OF_DAY


def microseconds(time: datetime) -> int:
    """A time as microseconds since 1970, exactly."""
    return (time - EPOCH) // timedelta(microseconds=1)


def hour_texts() -> list[str]:
    """The values of the column `hour`, by their numbers."""
    return [f"{hour:02d}" for hour in range(24)]


def weekday_texts() -> list[str]:
    """The values of the column `weekday`, Monday first."""
    return [str(day) for day in range(1, 8)]


def calendar_of(time: datetime) -> dict[str, Any]:
    """The columns of a request that follow from its time."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    hours = (time - midnight) / timedelta(hours=1)
    return {
        "hour": f"{time.hour:02d}",
        "weekday": str(time.isoweekday()),
        "hour_of_day": hours,
        "day_of_week": time.weekday() + hours / 24,
    }


def rank_key(score: float | npt.NDArray[np.float64]) -> Any:
    """Scores without the last 20 of their 53 bits: those that agree to ten digits are equal, whatever the order they were summed in."""
    mantissa, exponent = np.frexp(score)
    return np.ldexp(np.rint(mantissa * 2.0**33), exponent - 33)
