"""Rows on which ranking models are compared: once as Parquet with texts, for SRP, and once as arrays of integers, for other libraries.

Both have the same rows in the same split. Codes are of the training rows: 0 for what they do not hold and for padding.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from srp_assets.samples.ranking.responses import visit
from srp_assets.samples.ranking.world import CATEGORIES, DEVICES, MARKETS, NOBODY, RankingWorld, query_text

HISTORY = 20
"""Newest behaviours that a row knows."""

PARTS = ("train", "valid", "test")
LABEL = "clicked"
ROW_GROUP_ROWS = 65_536
LIKED = 4
"""A rating from which on a film counts as liked."""


def movielens(folder: Path) -> None:
    """MovieLens-100k as recbole's wheel carries it: whether a user likes a film; rows are split by chance, 80, 10 and 10 of a hundred."""
    if not (folder / "recbole").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder / "recbole"), "recbole"]
        subprocess.run(pip, check=True)
    data = folder / "recbole" / "recbole" / "dataset_example" / "ml-100k"

    def read(name: str, types: dict[str, pa.DataType]) -> pa.Table:
        table = pa.csv.read_csv(
            data / f"ml-100k.{name}",
            parse_options=pa.csv.ParseOptions(delimiter="\t", quote_char=False),
            convert_options=pa.csv.ConvertOptions(column_types={f"{column}:{kind}": pa.string() for column, kind in types.items()}),
        )
        return table.rename_columns([column.split(":")[0] for column in table.column_names])

    ratings = read("inter", {"user_id": "token", "item_id": "token"})
    users = read("user", {"user_id": "token", "age": "token", "gender": "token", "occupation": "token", "zip_code": "token"})
    films = read("item", {"item_id": "token", "movie_title": "token_seq", "release_year": "token", "class": "token_seq"})
    rows = ratings.join(users, "user_id").join(films.select(["item_id", "release_year", "class"]), "item_id").sort_by("timestamp")
    columns = {name: rows[name].combine_chunks() for name in ("user_id", "item_id", "age", "gender", "occupation", "release_year")}
    columns["category"] = pc.list_element(pc.split_pattern(pc.fill_null(rows["class"], "none"), " "), 0).combine_chunks()
    liked = np.asarray(pc.greater_equal(rows["rating"], LIKED))
    histories = histories_of(rows["user_id"].to_pylist(), np.arange(len(rows)), liked, np.arange(len(rows)))
    part = np.random.default_rng(7).choice(3, len(rows), p=[0.8, 0.1, 0.1])
    write(folder, columns, liked, histories, part)


def shop(folder: Path, events: int) -> None:
    """Impressions of the sample world's shop and whether they were clicked; the last two days of fourteen are for looking and testing."""
    world = RankingWorld(events, seed=5)
    happened = visit(world, 0, world.visits)
    requests, shown, items = happened.requests, happened.impressions, world.items
    clicked = np.zeros(len(shown.numbers), dtype=bool)
    clicked[happened.clicks.impression] = True
    of_request = shown.request

    def texts(names: Any, codes: np.ndarray) -> pa.Array:
        return pa.array(names).take(pa.array(np.where(codes < 0, 0, codes), mask=codes < 0))

    queries = [query_text(query) for query in range(int(requests.query.max()) + 1)]
    users = [None if user == NOBODY else f"u{user}" for user in requests.user.tolist()]
    columns = {
        "user_id": pa.array(users, pa.string()).take(pa.array(of_request)),
        "item_id": pa.array([f"i{number}" for number in items.numbers]).take(pa.array(shown.item)),
        "category": texts(CATEGORIES, items.category[shown.item]),
        "item_market": texts(MARKETS, items.market[shown.item]),
        "market": texts(MARKETS, requests.market[of_request]),
        "device": texts(DEVICES, requests.device[of_request]),
        "query": texts(queries, requests.query[of_request]),
        "position": pa.array([str(position) for position in shown.position.tolist()]),
        "price": pa.array(np.digitize(items.price[shown.item], np.quantile(items.price, np.arange(1, 10) / 10)).astype(str)),
    }
    click_times = np.zeros(len(clicked), dtype=np.int64)
    click_times[happened.clicks.impression] = happened.clicks.time
    user = [users[request] for request in of_request.tolist()]
    histories = histories_of(user, shown.time, clicked, click_times)
    day = (shown.time - world.start) // 86_400_000_000
    write(folder, columns, clicked, histories, np.clip(day - (world.days - 3), 0, 2))


def histories_of(users: list[str | None], times: np.ndarray, acted: np.ndarray, action_times: np.ndarray) -> list[list[int]]:
    """For each row the rows in which its user acted before it, newest first.

    Args:
        users: of rows; nobody has no history.
        times: of rows, not falling.
        acted: whether a row has an action.
        action_times: when that was.
    """
    known: dict[str, list[tuple[int, int]]] = {}
    waiting: dict[str, list[tuple[int, int]]] = {}
    found: list[list[int]] = []
    for row, user in enumerate(users):
        if user is None:
            found.append([])
            continue
        # Actions become known at their own time, which may be after the rows that follow.
        later = waiting.get(user, [])
        arrived = sorted(pair for pair in later if pair[0] < times[row])
        if arrived:
            known[user] = (known.get(user, []) + arrived)[-HISTORY:]
            waiting[user] = [pair for pair in later if pair[0] >= times[row]]
        found.append([place for _, place in reversed(known.get(user, []))])
        if acted[row]:
            waiting.setdefault(user, []).append((int(action_times[row]), row))
    return found


def write(folder: Path, columns: dict[str, pa.Array], label: np.ndarray, histories: list[list[int]], part: np.ndarray) -> None:
    """Writes the rows in both forms, and what other libraries must know of them.

    Args:
        folder: to write to.
        columns: texts, by name; `item_id` and `category` are also those of histories.
        label: bool.
        histories: of each row the rows of its behaviours, newest first.
        part: of each row the place of its part in `PARTS`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(history) for history in histories])
    flat = pa.array(np.concatenate([np.array(history, dtype=np.int64) for history in histories]))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    lists = {f"history_{name}": pa.ListArray.from_arrays(offsets, columns[name].take(flat)) for name in ("item_id", "category")}
    table = pa.table({**columns, **lists, LABEL: pa.array(label)})
    for place, name in enumerate(PARTS):
        pq.write_table(table.filter(pa.array(part == place)), folder / f"{name}.parquet", row_group_size=ROW_GROUP_ROWS)
    vocabularies = {name: pc.unique(column.filter(pa.array(part == 0)).drop_null()) for name, column in columns.items()}
    codes = {name: coded(column, vocabularies[name]) for name, column in columns.items()}
    row, place = np.repeat(np.arange(len(lengths)), lengths), np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    for name in ("item_id", "category"):
        padded = np.zeros((len(lengths), HISTORY), dtype=np.int64)
        padded[row, place] = codes[name][np.asarray(flat)]
        codes[f"history_{name}"] = padded
    arrays = {**codes, "history_length": lengths, LABEL: label.astype(np.int64)}
    for number, name in enumerate(PARTS):
        np.savez(folder / f"{name}.npz", **{column: array[part == number] for column, array in arrays.items()})
    fields = {name: len(vocabulary) + 1 for name, vocabulary in vocabularies.items()}
    (folder / "fields.json").write_text(json.dumps({"fields": fields, "history": HISTORY, "label": LABEL}), encoding="utf-8")


def coded(column: pa.Array, vocabulary: pa.Array) -> np.ndarray:
    """The code of each text, from 1 on; 0 for all others."""
    return pc.fill_null(pc.index_in(column, value_set=vocabulary), -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
