"""What a report's page says, and that no text gets out of where it stands."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from srp_assets.insights.report.charts import runs_picture, task_pictures
from srp_assets.insights.report.page import BEFORE_HIT, TEXT_LENGTH, marked, report_html
from srp_assets.insights.report.self_contained import problems_of
from srp_assets.insights.statistics.model import Line
from srp_assets.insights.statistics.over_time import StrategyRun
from support.reported import content, statistics

HOSTILE = "\"'><script>x()</script><img src=x onerror=x()><a href='javascript:x()'>&lt;"


def test_a_report_says_what_is_known_of_a_task() -> None:
    page = report_html(content("sharks", drawn=True))
    text = re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", "", page, flags=re.DOTALL))
    assert "sharks version 3" in text
    assert "The task is not complete: sharks." in text
    assert "7cases" in text
    assert "Cases by view_count" in text
    assert "precision (30.0% to 95.0%)" in text
    assert "sharks (below the threshold)" in text
    assert "80.0% (50.0% to 90.0%)" in text
    assert "exempt, not advised" in text
    assert "sharks: 1 case, 12.5%" in text
    assert "1 case, each counted once" in text
    assert '<td>t-1</td><td>1</td><td>–</td><td class="number">5</td><td class="number">1</td>' in page
    assert "The first 2 of 7 cases." in text
    assert "· 7 · marked right" in text
    assert page.count("<mark>shar</mark>ks") == 2
    assert problems_of(page) == []


@settings(max_examples=5)
@given(
    text=st.one_of(
        st.just(HOSTILE),
        st.text(min_size=1, max_size=20),
        st.sampled_from(["</style>", "]]>", "<!--", "\u202e", "\x00\x1b\ufffe", "{{ 7 * 7 }}"]),
    )
)
def test_no_text_becomes_an_element(text: str) -> None:
    page = report_html(content(text))
    assert problems_of(page) == []
    assert page.count("<style>") == page.count("</style>") == page.count("<meta http-equiv") == 1


@pytest.mark.parametrize(
    "planted",
    ["<script>1</script>", "<a href='x'>y</a>", "<img src='https://x/y'>", "<p onclick='x()'>", "<iframe></iframe>", "<svg></svg>"],
)
def test_what_a_report_must_not_have_is_found(planted: str) -> None:
    page = report_html(content("sharks"))
    assert problems_of(page.replace("</body>", f"{planted}</body>"))
    assert problems_of("<p>no policy</p>") == ["no Content-Security-Policy"]


def test_a_long_text_is_cut_around_its_first_hit() -> None:
    text = "a" * 5000 + "hit" + "b" * 5000
    shown = marked(text, [(5000, 5003), (9000, 9001)])
    assert f"<mark>hit</mark>{'b' * 10}" in shown
    assert shown.startswith("… " + "a" * BEFORE_HIT + "<mark>")
    assert shown.endswith(" …")
    assert len(re.sub("<[^>]+>|… | …", "", shown)) == TEXT_LENGTH
    assert marked("<b>", [(0, 1)]) == "<mark>&lt;</mark>b&gt;"
    assert marked("x" * 2000, []).startswith("xxx")


@pytest.mark.parametrize("text", [HOSTILE, "\x00\x1b\ufffe", "]]></svg>"])
def test_any_name_can_be_drawn(text: str) -> None:
    page = report_html(content(text, drawn=True))
    assert page.count("<img src=") > 8
    assert problems_of(page) == []


def test_charts_keep_words_as_text_and_tell_bars_of_one_label_apart() -> None:
    found = {picture.title: picture for picture in task_pictures(statistics("敏感词"))}
    assert "敏感词" in found["Cases by word"].svg
    assert found["Cases by word"].alternative == "Cases by word: 2 bars"
    assert found["Cases by view_count"].svg.count("below 100") >= 1
    assert found["Cases by view_count"].data_uri.startswith("data:image/svg+xml;base64,")
    same = [Line(("list", "w" * 80 + end), 1, 1) for end in "ab"]
    twice = statistics("x").__class__(**{**vars(statistics("x")), "words": tuple(same)})
    svg = next(picture.svg for picture in task_pictures(twice) if picture.title == "Cases by word")
    assert "… (2)" in svg


def test_runs_over_time_are_drawn_with_what_was_new() -> None:
    runs = [StrategyRun(f"t-{number}", 1, "b", None, ("aurora",), 5, 5, number or None, ()) for number in range(3)]
    picture = runs_picture(runs)
    assert picture is not None
    assert "t-2" in picture.svg
    assert runs_picture([]) is None
