"""Configurations: what is refused, where the error points, and what a feature's name alone becomes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.inputs import Hashed, Listed, Number
from srp_assets.models.config.loading import load_model, model_of
from srp_assets.models.config.resolving import resolve_inputs

WRITTEN: dict[str, Any] = {
    "kind": "model",
    "name": "clicks",
    "version": "1.2.0",
    "owner": "ranking",
    "description": "orders items by clicks",
    "labels": {"clicked": 1.0},
    "groups": {"user": ["user_id", "user_ctr"], "item": ["item_id", "favourites", "published_at"]},
    "bias": {"inputs": ["position"]},
    "architecture": {"kind": "deepfm"},
}
FOUND: dict[str, Any] = {
    "name": "found", "of": "similar", "columns": [{"feature": "item_id", "like": "item_id"}, {"feature": "time_gap", "edges": [1.0]}],
}  # fmt: skip
TYPES: Any = {
    "user_id": "text", "item_id": "text", "user_ctr": "number", "favourites": "texts", "published_at": "time", "position": "number",
    "history": "texts", "similar_item_id": "texts", "similar_time_gap": "numbers", "similar_mask": "flags",
}  # fmt: skip


def load(**changed: Any) -> ModelDocument:
    return model_of({**WRITTEN, **changed}, where="m.yaml")


def test_names_alone_become_what_their_types_mean() -> None:
    document = resolve_inputs(load(), TYPES)
    kinds = {found.name: type(found) for found in document.inputs}
    assert kinds == {"user_id": Hashed, "user_ctr": Number, "item_id": Hashed, "favourites": Listed, "published_at": Number}
    assert document.serving_features == ("user_id", "user_ctr", "item_id", "favourites", "published_at")
    assert document.features == (*document.serving_features, "position")
    assert resolve_inputs(document, TYPES) == document


def test_a_file_is_read_and_errors_name_file_and_place(tmp_path: Path) -> None:
    file = tmp_path / "clicks.yaml"
    file.write_text(yaml.safe_dump(WRITTEN), encoding="utf-8")
    assert load_model(file) == load()
    file.write_text(yaml.safe_dump({**WRITTEN, "training": {"batch_rows": 0}}), encoding="utf-8")
    with pytest.raises(InvalidInput, match="greater than or equal to 1") as caught:
        load_model(file)
    assert caught.value.where == f"{file}: training.batch_rows"
    with pytest.raises(InvalidInput, match="the model's configuration cannot be read"):
        load_model(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("changed", "message", "place"),
    [
        ({"architecture": {"kind": "deepfn"}}, "there is no such kind of model; valid: gbdt, lr", "architecture"),
        ({"architecture": {"kind": "din"}}, "looks at sequences, and none is declared", None),
        ({"architecture": {"kind": "esmm"}}, "esmm needs 2 label", None),
        ({"architecture": {"kind": "custom", "parts": [{"layer": "mpl"}]}}, "no known layer", "architecture.parts.0"),
        ({"architecture": {"kind": "deepfm", "hiden": [3]}}, "Extra inputs are not permitted", "architecture.hiden"),
        ({"groups": {"user": [{"encode": "hash", "feature": "user_id", "space": 1}]}}, "greater than or equal to 2", "groups.user.0.space"),
        ({"groups": {"user": [{"encode": "hsh", "feature": "user_id"}]}}, "valid encodings: hash, vocabulary", "groups.user.0"),
        ({"groups": {"user": ["user_id", "user_id"]}}, "'user_id' stands twice", None),
        ({"groups": {"user": [{"encode": "buckets", "feature": "a"}]}}, "either edges or quantiles", "groups.user.0"),
        ({"groups": {"user": [{"encode": "buckets", "feature": "a", "edges": [2, 1]}]}}, "edges must rise", "groups.user.0"),
        (
            {"groups": {"user": [{"encode": "list", "feature": "a", "like": "b", "space": 9}]}},
            "space and dimension are those of that input",
            "groups.user.0",
        ),
        ({"groups": {"user": [{"encode": "list", "feature": "a", "like": "b"}, "user_id"]}}, "'b', which is no input with rows", None),
        (
            {"groups": {"user": ["user_id", {"encode": "hash", "feature": "a", "dimension": 3}]}},
            "deepfm needs embeddings of one size, and 'a'",
            None,
        ),
        (
            {"sequences": [{"name": "h", "columns": [{"feature": "history", "like": "item_id", "space": 3}]}]},
            "write one of like, space and edges",
            "sequences.0.columns.0",
        ),
        (
            {"sequences": [{"name": "h", "columns": [{"feature": "history", "space": 3}]}]},
            "at least one column must be like an input",
            "sequences.0",
        ),
        ({"sequences": [FOUND], "architecture": {"kind": "sim", "searched": ["other"]}}, "there is no sequence 'other' to search", None),
        ({"sequences": [FOUND], "architecture": {"kind": "sim", "searched": ["found"]}}, "sim needs a short history", None),
        (
            {"sequences": [{**FOUND, "columns": FOUND["columns"][:1]}], "architecture": {"kind": "sim", "searched": ["found"]}},
            "'found' needs a column with edges",
            None,
        ),
        ({"version": "1.2"}, "String should match pattern", "version"),
        ({"labels": {}}, "at least 1 item", "labels"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(changed: dict[str, Any], message: str, place: str | None) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        load(**changed)
    assert caught.value.where == (f"m.yaml: {place}" if place else "m.yaml")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("changed", "message", "remedy"),
    [
        ({"groups": {"user": ["user_idd"]}}, "there is no feature 'user_idd'", "did you mean 'user_id'"),
        ({"groups": {"user": [{"encode": "number", "feature": "user_id"}]}}, "'user_id' holds values of type text", "another encoding"),
        ({"bias": {"inputs": ["place"]}}, "there is no feature 'place'", "valid"),
        (
            {"sequences": [{"name": "h", "columns": [{"feature": "user_id", "like": "item_id"}]}], "architecture": {"kind": "din"}},
            "'user_id' holds values of type text, and its encoding takes texts",
            "another",
        ),
        ({"sequences": [{**FOUND, "of": "other"}], "architecture": {"kind": "din"}}, "carry no sequence 'other'", "SRP_TRAINING_SEQUENCES"),
        (
            {
                "sequences": [{**FOUND, "columns": [*FOUND["columns"], {"feature": "time_gap", "space": 5}]}],
                "architecture": {"kind": "din"},
            },
            "'similar_time_gap' holds values of type numbers, and its encoding takes texts",
            "another",
        ),
    ],
)
def test_names_that_mean_nothing_are_refused(changed: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        resolve_inputs(load(**changed), TYPES)
    assert remedy in str(caught.value)
    assert str(caught.value).startswith("clicks: ")


def test_what_was_found_is_read_with_its_mask() -> None:
    history = {"name": "history", "columns": [{"feature": "history", "like": "item_id"}]}
    document = resolve_inputs(load(sequences=[history, FOUND], architecture={"kind": "sim", "searched": ["found"]}), TYPES)
    assert document.serving_features[-4:] == ("history", "similar_item_id", "similar_time_gap", "similar_mask")


def test_a_name_alone_that_turns_out_to_be_a_number_has_no_rows_to_share() -> None:
    document = load(
        groups={"item": ["item_id", "user_ctr"]},
        sequences=[{"name": "h", "columns": [{"feature": "history", "like": "user_ctr"}]}],
        architecture={"kind": "din"},
    )
    with pytest.raises(ValueError, match="'user_ctr', which is no input with rows of its own"):
        resolve_inputs(document, TYPES)


def test_the_digest_follows_what_training_depends_on() -> None:
    assert load().digest == load(owner="others", description="the same", version="2.0.0").digest
    assert load().digest != load(dimension=8).digest
