"""The card of a training set: what it tells, and a page on its own."""

from dataclasses import replace

import pytest

from srp_assets.training.card.content import card_of
from srp_assets.training.card.page import card_html
from srp_assets.training.figures import Figures
from srp_assets.training.inputs import SetOptions
from support.training_builds import build_of
from support.training_sets import SCHEMA, set_table


def test_a_card_adds_up_its_days() -> None:
    builds = {"2024-03-02": build_of("2024-03-02", 8, 60), "2024-03-01": build_of("2024-03-01", 7, 40)}
    card = card_of("sample", SCHEMA, "digest", SetOptions(), builds)
    rows = set_table("2024-03-01", 40, seed=7).to_pylist() + set_table("2024-03-02", 60, seed=8).to_pylist()
    told = card.as_dict()
    assert told["rows"] == 100
    assert list(told["days"]) == ["2024-03-01", "2024-03-02"]
    assert told["days"]["2024-03-02"] == {"set": 8, "rows": 60, "reads": "reads-8", "logs_build": 2, "features_build": 8}
    assert told["rates"]["clicked"] == pytest.approx(sum(row["clicked"] for row in rows) / 100)
    assert told["coverage"]["quality"] == pytest.approx(sum(row["quality"] is not None for row in rows) / 100)
    assert told["weights"]["effective_rows"] == pytest.approx(100)


def test_the_page_is_self_contained_and_escapes_names() -> None:
    card = card_of("<b>sample</b>", SCHEMA, "digest", SetOptions(), {"2024-03-01": build_of("2024-03-01", 7, 40)})
    page = card_html(card)
    assert "<b>sample" not in page
    assert "&lt;b&gt;sample" in page
    assert "default-src &#39;none&#39;" in page
    assert not any(word in page for word in ("<script", "http://", "https://", "<link", "<img"))
    for word in ("quality", "reads-7", "within a day", "clicked"):
        assert word in page
    empty = replace(
        card, figures=Figures(), days={"2024-03-01": {"set": 1, "rows": 0, "reads": "r", "logs_build": 1, "features_build": None}}
    )
    assert "effective rows" in card_html(empty)
