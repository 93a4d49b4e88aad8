"""Plain events of a stream, for tests of how they are counted."""

from typing import Any

from srp_assets.features.times import MICROSECONDS_OF_DAY

START = 19_800 * MICROSECONDS_OF_DAY + 7
MINUTE = 60_000_000


def click(number: int, time: int = START, arrival: int | None = None) -> dict[str, Any]:
    columns = dict.fromkeys(("query", "device", "page", "location", "position", "price", "amount", "quantity", "dwell_seconds"))
    return {
        **columns,
        "event_id": f"e{number}",
        "kind": "click",
        "event_time": time,
        "arrival_time": time if arrival is None else arrival,
        "user_id": "u",
        "item_id": f"i{number % 3}",
        "market": "de",
    }
