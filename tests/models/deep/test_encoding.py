"""The encoder against the reference, value by value; what is padded, missing, unknown, too long."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.models.config.inputs import Bucketed, Crossed, Hashed, Listed, Number, Sequence, SequenceColumn, Vocabulary
from srp_assets.models.deep.encoding import reference
from srp_assets.models.deep.encoding.encoder import InputsEncoder, RowEncoder, encoded_inputs
from srp_assets.models.deep.encoding.hashing import hash_texts
from srp_assets.models.deep.encoding.rows import PADDING
from srp_assets.models.deep.encoding.state import EncoderState, fit_state, state_of
from support.training_rows import document_of, rows_of

ID = Hashed(encode="hash", feature="user_id", space=7)
WORD = Vocabulary(encode="vocabulary", feature="word", least_rows=2, dimension=3)
CROSS = Crossed(encode="cross", features=("user_id", "word"), space=11)
BUCKET = Bucketed(encode="buckets", feature="price", edges=(1.0, 2.5))
LOG = Number(encode="number", feature="amount", normalization="log", default=2.0)
PLAIN = Number(encode="number", feature="age", normalization="standard", limit=1.5)
LIST = Listed(encode="list", feature="words", like="word", length=2)
OWN_LIST = Listed(encode="list", feature="tags", length=3, space=5)
INPUTS = (LIST, ID, LOG, WORD, CROSS, OWN_LIST, BUCKET, PLAIN)
COLUMNS = (SequenceColumn(feature="seen", like="user_id"), SequenceColumn(feature="said", like="word"))
HISTORY = Sequence(name="h", length=3, columns=COLUMNS)
KIND, GAP = SequenceColumn(feature="kind", space=5), SequenceColumn(feature="gap", edges=(1.0, 2.5))
FOUND = Sequence(name="f", of="s", length=3, columns=(SequenceColumn(feature="item", like="user_id"), KIND, GAP))
OWN_KIND, OWN_GAP = Hashed.model_construct(feature="f.kind"), Bucketed.model_construct(feature="f.gap")

TEXT = st.one_of(st.none(), st.sampled_from(["a", "b", "ünï", "", "longer than eight bytes", "🦊"]), st.text(max_size=5))
NUMBER = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([1.0, 2.5, 0.0, float("nan"), float("inf")]))
TEXTS = st.one_of(st.none(), st.lists(TEXT, max_size=5))


@st.composite
def behaviours(draw: st.DrawFn) -> tuple[list[str | None], list[str | None]]:
    length = draw(st.integers(0, 5))
    return draw(st.lists(TEXT, min_size=length, max_size=length)), draw(st.lists(TEXT, min_size=length, max_size=length))


@st.composite
def found_behaviours(draw: st.DrawFn) -> list[tuple[str | None, str | None, float | None, bool]]:
    """Places of what was found: item, kind, gap, and whether something is there."""
    return draw(st.lists(st.tuples(TEXT, TEXT, NUMBER, st.booleans()), min_size=4, max_size=4))


FIELDS = {"user_id": TEXT, "word": TEXT, "price": NUMBER, "amount": NUMBER, "age": NUMBER, "words": TEXTS, "tags": TEXTS}
ROW = st.fixed_dictionaries({**FIELDS, "history": behaviours(), "found": found_behaviours()})


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    texts = pa.list_(pa.string())
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in ("user_id", "word")}
    columns |= {name: pa.array([row[name] for row in rows], pa.float64()) for name in ("price", "amount", "age")}
    columns |= {name: pa.array([row[name] for row in rows], texts) for name in ("words", "tags")}
    columns |= {name: pa.array([row["history"][place] for row in rows], texts) for place, name in enumerate(("seen", "said"))}
    types = {"s_item": pa.string(), "s_kind": pa.string(), "s_gap": pa.float64(), "s_mask": pa.bool_()}
    for place, (name, type_) in enumerate(types.items()):
        columns[name] = pa.array([[one[place] for one in row["found"]] for row in rows], pa.list_(type_, 4))
    return pa.table(columns)


@given(st.lists(ROW, min_size=1, max_size=8), st.lists(ROW, min_size=1, max_size=8))
def test_every_value_becomes_what_the_reference_says(seen: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    state = fit_state(INPUTS, table_of(seen))
    encoder = InputsEncoder(INPUTS, (HISTORY, FOUND), state, 4, where="m")
    own_state = EncoderState(edges={"f.gap": GAP.edges})
    # Sliced, so that offsets into buffers count.
    found = encoder.encode(table_of([*seen, *rows]).slice(len(seen)))
    starts = {one.name: one.start for one in encoder.layout.ranges}
    columns = {one.name: place for place, one in enumerate(encoder.layout.single)}
    for place, row in enumerate(rows):
        wanted = {
            "user_id": reference.hashed_row(row["user_id"], ID, ID.space),
            "word": reference.vocabulary_row(row["word"], WORD, state),
            "user_id_x_word": reference.crossed_row([row["user_id"], row["word"]], CROSS),
            "price": reference.bucket_row(row["price"], BUCKET, state),
        }
        assert {name: found.ids[place, columns[name]] - starts[name] for name in wanted} == wanted
        numbers = [reference.scaled(row[one.name], one, state) for one in (LOG, PLAIN)]
        assert found.numbers[place] == pytest.approx(numbers, rel=1e-5, abs=1e-6)
        words = [reference.vocabulary_row(text, WORD, state) for text in (row["words"] or [])[:2]]
        tags = [reference.hashed_row(text, OWN_LIST, 5) for text in (row["tags"] or [])[:3]]
        # A null in a list is no element: its place is padding.
        wanted_lists = [starts["word"] + word if word else PADDING for word in words] + [PADDING] * (2 - len(words))
        wanted_lists += [starts["tags"] + tag if tag else PADDING for tag in tags] + [PADDING] * (3 - len(tags))
        assert found.lists[place].tolist() == wanted_lists
        newest = list(zip(row["history"][0][:3], row["history"][1][:3], strict=True))[::-1]
        steps = [
            [starts["user_id"] + reference.hashed_row(one, ID, ID.space), starts["word"] + reference.vocabulary_row(other, WORD, state)]
            for one, other in newest
        ]
        assert found.sequences[0][place].tolist() == [*steps, *[[PADDING, PADDING]] * (3 - len(steps))]
        there = [one for one in row["found"] if one[3]][:3][::-1]
        steps = [
            [
                starts["user_id"] + reference.hashed_row(item, ID, ID.space),
                starts["f.kind"] + reference.hashed_row(kind, OWN_KIND, 5),
                starts["f.gap"] + reference.bucket_row(gap, OWN_GAP, own_state),
            ]
            for item, kind, gap, _ in there
        ]
        assert found.sequences[1][place].tolist() == [*steps, *[[PADDING] * 3] * (3 - len(steps))]


def test_the_hash_is_the_same_on_every_machine() -> None:
    # Of another program: FNV-1a of "a" is 0xAF63DC4C8601EC8C when begun with its own offset basis, before the finalizer.
    mixed = 0xAF63DC4C8601EC8C
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = ((mixed ^ (mixed >> 33)) * factor) % 2**64
    assert hash_texts(pa.array(["a"]), 0xCBF29CE484222325).tolist() == [mixed ^ (mixed >> 33)]
    assert hash_texts(pa.array(["x", None, "a"], pa.large_string()), 0xCBF29CE484222325)[2] == mixed ^ (mixed >> 33)


def test_hashed_ids_fall_evenly_on_rows() -> None:
    hashes = hash_texts(pa.array([f"user_{number}" for number in range(40_000)]), 1)
    counts = np.bincount((hashes % np.uint64(100)).astype(int), minlength=100)
    # Chi-square with 99 degrees of freedom: beyond 160 in one of ten thousand draws.
    assert ((counts - 400) ** 2 / 400).sum() < 160


def test_numbers_as_ids_and_times_as_numbers() -> None:
    when = Number(encode="number", feature="at", normalization="none")
    inputs = (ID, when)
    state = fit_state((when,), pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))}))
    at = datetime(1970, 1, 2, tzinfo=UTC)
    found = InputsEncoder(inputs, (), state, 4, where="m").encode(
        pa.table({"user_id": pa.array([5.0]), "at": pa.array([at], pa.timestamp("us", "UTC"))})
    )
    assert found.ids[0, 0] == reference.hashed_row("5", ID, 7)
    assert found.numbers[0, 0] == 86_400


def test_what_was_fitted_survives_its_file() -> None:
    state = fit_state(encoded_inputs(document_of({"kind": "lr"})), rows_of(200))
    assert state_of(state.as_text(), where="x") == state
    assert isinstance(state, EncoderState)
    with pytest.raises(InvalidInput, match="format 0"):
        state_of(state.as_text().replace('"format": 1', '"format": 0'), where="x")


def replaced(rows: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop_columns(["item_id"]), "no column 'item_id'"),
        (lambda rows: rows.drop_columns(["clicked"]), "'clicked' of training rows is missing"),
        (
            lambda rows: replaced(rows, "weight", pa.nulls(10, pa.float64())),
            "'weight' of training rows has",
        ),
        (
            lambda rows: replaced(rows, "history_items", pa.array([["i1"]] * 10)),
            "'history_categories' and 'history_items' are not of one length",
        ),
        (
            lambda rows: replaced(rows, "similar_mask", pa.array([[True]] * 10)),
            "'similar_item_id' and 'similar_mask' are not of one length",
        ),
    ],
)
def test_rows_that_cannot_be_encoded_are_refused(change: Any, message: str) -> None:
    document = document_of({"kind": "lr"})
    encoder = RowEncoder(document, fit_state(encoded_inputs(document), rows_of(50)))
    with pytest.raises(InvalidInput, match=message):
        encoder.encode(change(rows_of(10)))


def test_too_many_rows_are_refused() -> None:
    inputs = tuple(Hashed(encode="hash", feature=name, space=2**31) for name in ("a", "b"))
    with pytest.raises(InvalidInput, match="rows of embeddings are too many"):
        InputsEncoder(inputs, (), EncoderState(), 4, where="m")
