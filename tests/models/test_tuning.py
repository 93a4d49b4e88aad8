"""Staged tuning: each stage keeps what the one before found, stops when its budget is used up, and goes on where it stopped."""

from pathlib import Path
from typing import Any

import pytest

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.tuning import Budget, stages_of, tune, with_settings


def document_of(architecture: dict[str, Any]) -> ModelDocument:
    written = {
        "kind": "model", "name": "tuned", "version": "1.0.0", "owner": "Tests", "description": "Tuned.", "labels": {"clicked": 1.0},
        "groups": {"all": [{"encode": "number", "feature": "quality"}]}, "architecture": architecture,
    }  # fmt: skip
    return ModelDocument.model_validate(written)


TREES = document_of({"kind": "gbdt"})


class Counted:
    """A worth whose best settings are known; it counts how often it was asked for."""

    def __init__(self) -> None:
        self.asked: list[ModelDocument] = []

    def __call__(self, document: ModelDocument) -> float:
        self.asked.append(document)
        found: Any = document.architecture
        return -abs(found.leaves - 31) / 100 - abs(found.learning_rate - 0.08) - abs(found.row_share - 0.8) - found.l2 / 100


def test_stages_follow_each_other_with_what_was_found(tmp_path: Path) -> None:
    worth = Counted()
    best, found = tune(TREES, "data", worth, Budget(trials=14), tmp_path)
    assert [stage.name for stage in found] == ["sizes", "learning rate", "rows", "regularisation"]
    assert all(stage.complete for stage in found)
    assert [stage.value for stage in found] == sorted(stage.value for stage in found)
    architecture: Any = best.architecture
    assert (architecture.leaves, architecture.learning_rate, architecture.row_share, architecture.l2) == (31, 0.08, 0.8, 0.0)
    assert worth.asked[0] == TREES
    rates = [document for document in worth.asked if document.architecture.learning_rate != TREES.architecture.learning_rate]  # type: ignore[union-attr]
    assert {document.architecture.leaves for document in rates} == {31}  # type: ignore[union-attr]
    assert len({document.digest for document in worth.asked}) == len(worth.asked)


def test_tuning_that_broke_off_goes_on_and_finds_the_same(tmp_path: Path) -> None:
    whole, expected = tune(TREES, "data", Counted(), Budget(trials=6), tmp_path / "whole")

    class Broken(Counted):
        def __call__(self, document: ModelDocument) -> float:
            if len(self.asked) == 4:
                raise RuntimeError("out of memory")
            return super().__call__(document)

    broken = Broken()
    with pytest.raises(RuntimeError, match="out of memory"):
        tune(TREES, "data", broken, Budget(trials=6), tmp_path / "broken")
    again = Counted()
    best, found = tune(TREES, "data", again, Budget(trials=6), tmp_path / "broken")
    assert [stage.complete for stage in found] == [True] * 4
    asked = [document.digest for document in broken.asked]
    assert not set(asked) & {document.digest for document in again.asked if document.digest != TREES.digest}
    assert found[-1].value == pytest.approx(expected[-1].value, abs=0.2)
    third = Counted()
    assert tune(TREES, "data", third, Budget(trials=6), tmp_path / "broken") == (best, found)
    assert third.asked == []
    other = Counted()
    tune(TREES, "other data", other, Budget(trials=2), tmp_path / "broken")
    assert other.asked
    assert whole != TREES


def test_the_time_that_is_left_is_kept_to(tmp_path: Path) -> None:
    worth = Counted()
    assert tune(TREES, "data", worth, Budget(seconds=0), tmp_path) == (TREES, [])
    assert worth.asked == []


def test_a_model_is_tuned_by_the_settings_that_it_has() -> None:
    assert [stage.name for stage in stages_of(document_of({"kind": "lr"}))] == ["sizes", "learning rate", "batch", "regularisation"]
    sizes = stages_of(document_of({"kind": "deepfm", "hidden": [32]}))[0]
    assert set(sizes.choices) == {"architecture.hidden", "dimension"}
    changed = with_settings(document_of({"kind": "deepfm"}), {"architecture.hidden": (64, 32), "dimension": 4, "training.batch_rows": 512})
    assert changed.architecture.hidden == (64, 32)  # type: ignore[union-attr]
    assert (changed.dimension, changed.training.batch_rows) == (4, 512)
