"""What may be declared, what is refused and how, and what a version depends on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from srp_assets.errors import InvalidInput
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.declaration import Document, load_sequences
from srp_assets.sequences.stages import STAGE_SCHEMA, check_stages
from srp_assets.settings import PROJECT_ROOT

HARD = {"search": "hard", "attributes": ["item_id"]}


def document(**changed: Any) -> dict[str, Any]:
    return {"name": "d", "owner": "tests", "sequences": [{"name": "s", "description": "x", "final": HARD, **changed}]}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (document(colour="red"), "Extra inputs"),
        (document(final={"search": "hard", "attributes": ["colour"]}), "there is no column 'colour'"),
        (document(final={"search": "hard", "attributes": ["price"]}), "'price' holds no text"),
        (document(final={**HARD, "length": 2_000}), "final.length 2000 is more than general.length 1000"),
        (document(general={"length": 20_000}), "general.length 20000 is more than portrait.length"),
        (document(general={"where": [{"column": "kind", "test": "in"}]}), "test in needs values"),
        (document(general={"where": [{"column": "kind", "test": "below", "value": 1}]}), "'kind' holds no number"),
        (document(general={"items": [{"column": "market", "test": "is_null"}]}), "there is no column 'market'"),
        (document(general={"order": [{"column": "kind"}]}), "name either values or first"),
        (document(columns=["bucket"]), "the column bucket needs hashing"),
        (document(final={"search": "soft"}), "the soft search of 's' needs vectors"),
        ({**document(), "portrait": {"days": 61}}, "61 days is longer than the 60"),
        ({**document(), "sequences": document()["sequences"] * 2}, "a sequence stands twice"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, sample_features: Definitions, declared: Any, message: str) -> None:
    path = tmp_path / "sequences.yaml"
    path.write_text(yaml.safe_dump(declared))
    with pytest.raises(InvalidInput, match=message) as refused:
        load_sequences(path, sample_features)
    assert refused.value.where is not None
    assert refused.value.where.startswith(str(path))


def test_a_version_follows_what_is_searched_and_nothing_else(sample_features: Definitions) -> None:
    sample = load_sequences(PROJECT_ROOT / "examples" / "sample" / "sequences.yaml", sample_features)
    first = sample.sequences[0]
    version = sample.version(first)
    assert sample.version(first.model_copy(update={"description": "other", "owner": "somebody"})) == version
    assert sample.version(first.model_copy(update={"final": first.final.model_copy(update={"length": 99})})) != version
    shorter = sample.model_copy(update={"portrait": sample.portrait.model_copy(update={"length": 9_999})})
    assert shorter.version(first) != version
    logged = Document.model_validate({**sample.model_dump(), "portrait": {**sample.portrait.model_dump(), "logged": 0.1}})
    assert logged.version(first) == version
    assert sample.owner_of(first) == "ranking"


def test_what_is_no_stage_table_is_refused() -> None:
    empty = STAGE_SCHEMA.empty_table()
    check_stages(empty, "here")
    with pytest.raises(InvalidInput, match="needs the column 'score'"):
        check_stages(empty.drop_columns(["score"]), "here")
    with pytest.raises(InvalidInput, match="is int64, not string"):
        check_stages(empty.set_column(0, "trace_id", empty["length"].cast("int64")), "here")
