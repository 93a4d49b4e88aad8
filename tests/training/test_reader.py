"""Reading training sets: every row once, days in order, shuffled within days, the same for the same seed."""

from pathlib import Path

import pyarrow as pa

from srp_assets.training.reader import SetReader
from srp_assets.training.schema import ROW_GROUP_ROWS
from srp_assets.training.set_files import row_group_rows
from srp_assets.warehouse.storage import Storage
from support.training_sets import set_table, written_sets

DAYS = ("2024-03-02", "2024-03-01")


def reader_of(folder: Path) -> SetReader:
    tables = {day: [set_table(day, 500, seed=number), set_table(f"{day}", 130, seed=number + 5)] for number, day in enumerate(DAYS)}
    return written_sets(Storage(str(folder)), tables, row_group_rows=100)


def test_batches_hold_every_row_once_days_in_order(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    assert reader.rows == 2 * 630
    batches = list(reader.shuffled(["event_time", "quality"], 64, seed=1))
    days = [sorted({str(time.date()) for time in batch["event_time"].to_pylist()}) for batch in batches]
    assert all(len(day) == 1 for day in days)
    assert [day[0] for day in days] == sorted(day[0] for day in days)
    assert {batch.num_rows for batch in batches[:9]} == {64}
    stored = pa.concat_tables(list(reader.tables(["event_time", "quality"])))
    key = [("event_time", "ascending")]
    assert pa.concat_tables(batches).sort_by(key).equals(stored.sort_by(key))


def test_chance_is_a_function_of_seed_and_epoch(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)

    def order(seed: int, epoch: int) -> list[float | None]:
        return pa.concat_tables(list(reader.shuffled(["noise"], 64, seed, epoch)))["noise"].to_pylist()

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(*chance)) for chance in ((1, 0), (1, 1), (2, 0))}) == 3
    assert order(1, 0) != pa.concat_tables(list(reader.tables(["noise"])))["noise"].to_pylist()


def test_a_sample_is_spread_over_all_days(tmp_path: Path) -> None:
    reader = reader_of(tmp_path)
    groups = reader.spread(400)
    assert {group.day for group in groups} == set(DAYS)
    assert 300 <= sum(group.rows for group in groups) <= 600
    assert reader.spread(10_000) == reader.row_groups


def test_a_request_is_not_split_over_row_groups() -> None:
    def rows(*lengths: int) -> int:
        traces = [f"t{number}" for number, length in enumerate(lengths) for _ in range(length)]
        return row_group_rows(pa.chunked_array([pa.array(traces)]), ROW_GROUP_ROWS)

    assert rows(10, 20) == 30
    assert rows(ROW_GROUP_ROWS - 5, 10) == ROW_GROUP_ROWS - 5
    assert rows(ROW_GROUP_ROWS, 10) == ROW_GROUP_ROWS
    assert rows(ROW_GROUP_ROWS + 10, 10) == ROW_GROUP_ROWS
