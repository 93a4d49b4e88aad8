"""Proposals as YAML: whatever words and texts hold, the document is the new version and comments stay comments."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from srp_assets.insights.intervals import Proportion
from srp_assets.insights.recommend.proposal import ExpectedPrecision, Proposal, Recommendation
from srp_assets.insights.recommend.written import proposed_body, proposed_yaml
from srp_assets.strategy.loading import load_file

BODY = {
    "kind": "word_list",
    "id": "bets",
    "topic": 'fraud: "new" # line\nwords: [x]',
    "type": "simple",
    "transforms": ["normalize"],
    "words": ["casino", "a&b~c", "no", "007"],
    "exempt": ["not a bet", {"word_list": "others"}],
    "standing": True,
}
EXPECTED = ExpectedPrecision(Proportion(0.9, 0.8, 0.95, 80.0), "new rows", 90)
HOSTILE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def recommendation(action: str, term: str, example: str = "", *, chosen: bool = True) -> Recommendation:
    return Recommendation(term, action, 5.0, 10, 20, EXPECTED, (example,) if example else (), f"because of {example}", chosen)


def proposal(*recommendations: Recommendation, note: str = "") -> Proposal:
    return Proposal("t-1", "bets", 1, recommendations, EXPECTED, 200, 1_000, 5_000, (note,) if note else ())


def read_back(folder: Path, text: str) -> dict[str, object]:
    path = folder / "proposed.yaml"
    path.write_text(text, encoding="utf-8")
    (document,) = load_file(path)
    return document.content


def test_the_document_is_the_list_with_its_changes(tmp_path: Path) -> None:
    proposed = proposal(
        recommendation("add", "free spins", "get free spins now"),
        recommendation("add", "blue", chosen=False),
        recommendation("drop", "no"),
        recommendation("exempt", "spin the wheel of colours"),
    )
    text = proposed_yaml(proposed, BODY)
    found = read_back(tmp_path, text)
    assert found == proposed_body(proposed, BODY)
    assert found["words"] == ["casino", "a&b~c", "007", "free spins"]
    assert found["exempt"] == ["not a bet", {"word_list": "others"}, "spin the wheel of colours"]
    assert {name: found[name] for name in ("topic", "type", "standing")} == {name: BODY[name] for name in ("topic", "type", "standing")}
    assert "# Expected precision of this version: 90.0% (80.0% to 95.0%" in text
    assert '  #   "get free spins now"\n  - "free spins"' in text
    assert '# dropped: "no"' in text
    assert '# left out: "blue"' in text


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_escapes_from_its_place(tmp_path_factory, word: str, example: str, note: str) -> None:
    body = BODY | {"words": ["casino", word]}
    proposed = proposal(
        recommendation("add", f"x{word}", example),
        recommendation("exempt", f"y{word}", f"{example}\n- z"),
        recommendation("drop", "casino"),
        note=note,
    )
    found = read_back(tmp_path_factory.mktemp("written"), proposed_yaml(proposed, body))
    assert found == proposed_body(proposed, body)
    assert found["words"] == [word, f"x{word}"]


def test_a_list_without_exemptions_gets_none_unless_they_are_proposed(tmp_path: Path) -> None:
    body = {name: value for name, value in BODY.items() if name != "exempt"}
    assert "exempt" not in read_back(tmp_path, proposed_yaml(proposal(), body))
    proposed = proposal(recommendation("exempt", "club"))
    assert read_back(tmp_path, proposed_yaml(proposed, body))["exempt"] == ["club"]
