"""Partial sums in files: days built in any order, again when late events land, give what one build of everything gives."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.attributes import with_attributes
from srp_assets.features.building.day_windows import day_windows, entities_of, windowed_of
from srp_assets.features.building.files import PartialFiles, write_day
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import aggregated, described, feature_values, first_arrivals, is_known
from srp_assets.features.times import days_of
from srp_assets.warehouse.storage import Storage
from support.feature_files import joined
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
        """The aggregated features of all requests."""
        files = PartialFiles(self.storage, self.definitions, self.folders)
        return joined(files, requests_table(self.generated.requests), self.versions, BUCKETS)


@settings(max_examples=6)
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
    assert differences(home.features(), [{name: row[name] for name in names} for row in expected]) == []


def _day(event: Row) -> int:
    return (event["event_time"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(days=1)


@settings(max_examples=6)
@given(generated=logs(max_requests=2))
def test_windows_of_a_day_are_what_a_request_at_its_beginning_gets(
    small: Definitions, tmp_path_factory: pytest.TempPathFactory, generated: Logs
) -> None:
    home = Home(small, tmp_path_factory.mktemp("home"), generated)
    events = first_arrivals(generated.events)
    home.build(events, {_day(event) for event in events})
    files = PartialFiles(home.storage, small, home.folders)
    midnight = generated.requests[0]["as_of"].replace(hour=0, minute=0, second=0, microsecond=0)
    day = _day({"event_time": midnight})
    for family in layout_of(small).families:
        for entity in entities_of(family):
            rows = pa.concat_tables([day_windows(files, family, entity, bucket, day) for bucket in range(BUCKETS)]).to_pylist()
            keys, names = small.entities[entity], [feature.name for feature in windowed_of(family, entity)]
            for row in rows:
                # Asked as the reference asks: for a request whose columns, attributes and hour among them, are the keys.
                expected = _at_midnight(small, events, generated, midnight, {key: row[key] for key in keys})
                assert differences([{name: row[name] for name in names}], [{name: expected[name] for name in names}]) == []
            counting = [event for event in _described(small, events, generated, midnight) if None not in [event.get(key) for key in keys]]
            assert {tuple(row[key] for key in keys) for row in rows} <= {tuple(event[key] for key in keys) for event in counting}


def _described(definitions: Definitions, events: Sequence[Row], generated: Logs, as_of: datetime) -> list[Row]:
    return [dict(described(definitions, event, generated.versions)) for event in events if is_known(event, as_of, "as_arrived")]


def _at_midnight(definitions: Definitions, events: Sequence[Row], generated: Logs, midnight: datetime, keys: Row) -> Row:
    known = _described(definitions, events, generated, midnight)
    values = {}
    for feature in definitions.aggregated:
        entity = definitions.entities[feature.entity]
        if set(entity) <= keys.keys() and not feature.is_of_session:
            found = aggregated(feature, entity, known, {**keys, "as_of": midnight})
            values[feature.name] = feature.declared.default if found is None else found
    return values
