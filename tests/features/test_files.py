"""Partial sums in files: days built in any order, again when late events land, give what one build of everything gives."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.point_in_time import family_features
from srp_assets.features.aggregation.rows import buckets_of, integers
from srp_assets.features.attributes import with_attributes
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.files import PartialFiles, write_day
from srp_assets.features.in_memory import described_requests
from srp_assets.features.reference import feature_values, first_arrivals
from srp_assets.features.times import days_of
from srp_assets.warehouse.storage import Storage
from support.feature_logs import Logs, Row, events_table, logs, requests_table, versions_tables
from support.feature_values import differences

BUCKETS = 3


class Home:
    """Builds of days of some logs, as they are made one after the other."""

    def __init__(self, definitions: Definitions, folder: Path, generated: Logs) -> None:
        self.definitions = definitions
        self.storage = Storage(str(folder))
        self.generated = generated
        self.versions = versions_tables(definitions, generated.versions)
        self.folders: dict[int, str] = {}
        self.builds = 0

    def build(self, events: Sequence[Row], days: Iterable[int]) -> None:
        """Builds days from what has landed."""
        table = with_attributes(self.definitions, events_table(self.definitions, events), "event_time", self.versions)
        of_rows = days_of(integers(table["event_time"]))
        for day in days:
            self.builds += 1
            self.folders[day] = f"day={day}/{self.builds}"
            for family in layout_of(self.definitions).families:
                write_day(self.storage, self.definitions, family, table.filter(pa.array(of_rows == day)), self.folders[day], BUCKETS)

    def features(self) -> list[Row]:
        """The aggregated features of all requests, each family bucket by bucket."""
        files = PartialFiles(self.storage, self.definitions, self.folders)
        requests = described_requests(self.definitions, requests_table(self.generated.requests), self.versions)
        found: list[Row] = [{} for _ in self.generated.requests]
        for family in layout_of(self.definitions).families:
            of_requests = buckets_of(requests[family.key], BUCKETS)
            for bucket in range(BUCKETS):
                places = np.flatnonzero(of_requests == bucket)
                own = requests.take(pa.array(places))
                if len(places):
                    days = days_of(integers(own["as_of"]))
                    partials = files.partials(family, bucket, days.min(), days.max())
                    rows = files.rows(family, bucket, days.min(), days.max(), "as_arrived")
                    values = family_features(self.definitions, family, own, partials, rows, "as_arrived").to_pylist()
                    for place, row in zip(places, values, strict=True):
                        found[place] |= row
        return found


@settings(max_examples=10)
@given(generated=logs(), seed=st.integers(0, 2**32 - 1))
def test_days_built_in_any_order_and_again_equal_the_reference(
    small: Definitions, tmp_path_factory: pytest.TempPathFactory, generated: Logs, seed: int
) -> None:
    random = Random(seed)
    home = Home(small, tmp_path_factory.mktemp("home"), generated)
    events = first_arrivals(generated.events)
    late = [event for event in events if random.random() < 0.3]
    early = [event for event in events if event not in late]
    days = sorted({_day(event) for event in events})
    home.build(early, random.sample(days, len(days)))
    # Only the days that late events belong to are built again.
    home.build(events, random.sample(sorted({_day(event) for event in late}), len({_day(event) for event in late})))
    names = [feature.name for feature in small.aggregated]
    expected = [feature_values(small, events, request, generated.versions) for request in generated.requests]
    found = [_with_defaults(small, row) for row in home.features()]
    assert differences(found, [{name: row[name] for name in names} for row in expected]) == []


def _day(event: Row) -> int:
    return (event["event_time"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(days=1)


def _with_defaults(definitions: Definitions, row: Row) -> Row:
    return {
        feature.name: feature.declared.default if row.get(feature.name) is None else row[feature.name] for feature in definitions.aggregated
    }
