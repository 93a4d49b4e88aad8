"""Which version of an item counts on a day, found by the compiled loop, against a naive look at all of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.search.attributes import SourceIndex

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
FIRST_DAY = (BEGIN - datetime(1970, 1, 1, tzinfo=UTC)).days
ITEMS = st.sampled_from(["", "é", *(f"i{number}" for number in range(9)), None])
HOURS = st.integers(0, 100)


@given(st.lists(st.tuples(ITEMS, HOURS), max_size=30), st.lists(st.tuples(ITEMS, st.integers(-1, 6)), max_size=20), st.booleans())
def test_the_newest_version_from_before_the_day_counts(
    small: Definitions, versions: list[tuple[str | None, int]], asked: list[tuple[str | None, int]], of_one_day: bool
) -> None:
    source = small.attributes["item"]
    columns: dict[str, pa.Array] = {own.column: pa.nulls(len(versions), pa.string()) for own in source.columns.values()}
    columns |= {
        source.key: pa.array([item for item, _ in versions], pa.string()),
        "updated_at": pa.array([BEGIN + timedelta(hours=hours) for _, hours in versions], pa.timestamp("us", tz="UTC")),
    }
    keys = np.array([0 if item is None else digest_of(item) for item, _ in asked], np.int64)
    days = [asked[0][1] if of_one_day else day for _, day in asked]
    given_days = FIRST_DAY + (days[0] if of_one_day else np.array(days, np.int64)) if days else 0
    found = SourceIndex("item", source, pa.table(columns)).rows(keys, given_days)
    expected = []
    for (item, _), day in zip(asked, days, strict=True):
        own = [place for place, (name, hours) in enumerate(versions) if item is not None and name == item and hours < 24 * day]
        expected.append(max(own, key=lambda place: (versions[place][1], place), default=-1))
    assert found.tolist() == expected
