"""The columns that declarations may name: those of every event, those of every request, and what each of them holds."""

from typing import Literal

ValueType = Literal["number", "text", "time", "texts"]
"""What a value is: a float64, a text, microseconds in UTC, or a list of texts in an order that matters."""

EVENT_COLUMNS: dict[str, ValueType] = {
    "user_id": "text",
    "item_id": "text",
    "market": "text",
    "query": "text",
    "device": "text",
    "page": "text",
    "location": "text",
    "hour": "text",
    "weekday": "text",
    "event_time": "time",
    "position": "number",
    "price": "number",
    "amount": "number",
    "quantity": "number",
    "dwell_seconds": "number",
}
"""Of `logs/actions`, with `hour` (00 to 23) and `weekday` (1 is Monday) of the event's time in UTC; attributes come in addition."""

REQUEST_COLUMNS: dict[str, ValueType] = {
    "user_id": "text",
    "item_id": "text",
    "market": "text",
    "query": "text",
    "device": "text",
    "page": "text",
    "location": "text",
    "hour": "text",
    "weekday": "text",
    "as_of": "time",
    "position": "number",
    "price": "number",
    "hour_of_day": "number",
    "day_of_week": "number",
}
"""Of one candidate of a request. `hour` and `weekday` are those of `as_of`; `hour_of_day` has the minutes as a fraction (13.5 is half past
one), and so has `day_of_week`, which begins with 0 on Monday at midnight."""

COMPUTED_COLUMNS = ("hour", "weekday", "hour_of_day", "day_of_week")
"""Those that follow from a time and are in no table."""
