"""What the commands say and do about standing word lists."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from srp_assets.cli import run
from srp_assets.cli_runs import LocalRuns
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings
from srp_assets.warehouse.registry_builds import PeriodKey
from support.documents import write
from support.recall import built, land

STANDING = "{kind: word_list, id: thanks, owner: ops, words: [thanks], standing: true}"
OTHER = "{kind: word_list, id: other, owner: ops, words: [other]}"

Srp = Callable[..., str]


@pytest.fixture
def srp(settings: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]) -> Srp:
    """Runs a command on a home with two built periods; what it says."""
    with engine.begin() as connection:
        for month in (1, 3):
            built(connection, "comment", f"2024-0{month}")

    def call(*arguments: object) -> str:
        run([str(argument) for argument in arguments])
        return "".join(capsys.readouterr())

    return call


def test_apply_and_archive_say_which_hits_are_stale(srp: Srp, tmp_path: Path) -> None:
    """Only where a list is stored that changes what is to be looked for."""
    assert "stale" not in srp("apply", write(tmp_path, OTHER))
    assert "stale" not in srp("apply", write(tmp_path, STANDING), "--dry-run")
    assert "stale in 2 built periods; the daemon finds them anew, or: srp build" in " ".join(
        srp("apply", write(tmp_path, STANDING)).split()
    )
    assert "stale" not in srp("apply", write(tmp_path, STANDING))
    changed = write(tmp_path, STANDING.replace("[thanks]", "[merci]"))
    assert json.loads(srp("apply", changed, "--json"))["stale_hits"] == 2
    assert "stale" not in srp("archive", "word_list", "thanks")


def test_build_looks_for_standing_lists(srp: Srp, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what it builds, and in built periods in which they were not looked for; all within the limits that it is given."""
    asked: list[tuple[list[PeriodKey], list[PeriodKey]]] = []

    def build(self: LocalRuns, keys: Any, hits: Any) -> None:
        asked.append((list(keys), list(hits)))

    monkeypatch.setattr(LocalRuns, "build", build)
    january, february, march = (PeriodKey("comment", "aurora", f"2024-0{month}") for month in (1, 2, 3))
    assert "everything that landed is built" in srp("build")
    assert asked == []
    srp("apply", write(tmp_path, STANDING))
    assert "looked for in 2 periods" in srp("build")
    with engine.begin() as connection:
        land(connection, "comment", february.period)
    srp("build")
    srp("build", "--from", "2024-02", "--to", "2024-03")
    srp("build", "--entity", "post")
    assert asked == [([], [january, march]), ([february], [january, february, march]), ([february], [february])]


def test_recall_looks_for_standing_lists_once_it_has_answered(srp: Srp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they were not looked for; that this fails takes nothing from the answers."""
    done: list[object] = []

    def build(self: LocalRuns, keys: Any, hits: Any = ()) -> None:
        done.append((list(keys), list(hits)))
        if hits:
            raise Unavailable("the disk is full")

    def run_claimed(self: LocalRuns) -> list[str]:
        done.append("answered")
        return []

    monkeypatch.setattr(LocalRuns, "build", build)
    monkeypatch.setattr(LocalRuns, "run_claimed", run_claimed)
    assert "standing" not in srp("recall", "--now")
    assert done == [([], []), "answered", ([], [])]
    srp("apply", write(tmp_path, STANDING))
    done.clear()
    said = srp("recall", "--now")
    assert "the standing word lists could not be looked for: the disk is full" in " ".join(said.split())
    assert done == [([], []), "answered", ([], [PeriodKey("comment", "aurora", f"2024-0{month}") for month in (1, 3)])]
