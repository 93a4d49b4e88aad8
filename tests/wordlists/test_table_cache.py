"""Transform tables are derived once for a machine: found again, never believed when damaged, and not needed where nothing may be kept."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from srp_assets.wordlists import table_cache, transforms
from srp_assets.wordlists.transforms import TRANSFORMS

TABLE = {ord("a"): "b", ord("ß"): "ss", ord("-"): "", ord("\n"): "\0", 0x1F525: " fire "}

LONGEST_LOAD_SECONDS = 0.05


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which tables are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "srp" / "transforms"


def derived() -> dict[int, str]:
    return dict(TABLE)


def never() -> dict[int, str]:
    raise AssertionError("derived, though it is kept")


def test_a_table_is_derived_once(folder: Path) -> None:
    assert table_cache.kept("one", derived) == table_cache.kept("one", never) == TABLE
    assert table_cache.kept("none", dict) == table_cache.kept("none", never) == {}
    assert [path.name.partition("-")[0] for path in sorted(folder.iterdir())] == ["none", "one"]


@pytest.mark.parametrize(
    "damage", [lambda contents: b"", lambda contents: contents[:-1], lambda contents: contents[:40] + b"x" + contents[41:]]
)
def test_a_damaged_table_is_derived_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    table_cache.kept("one", derived)
    [path] = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert table_cache.kept("one", derived) == TABLE
    assert path.read_bytes() == whole


def test_other_sources_are_another_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table_cache.kept("one", derived)
    monkeypatch.setattr(table_cache, "_sources", lambda: "other")
    assert table_cache.kept("one", dict) == {}
    assert len(list(folder.iterdir())) == 2


def test_nothing_is_kept_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert table_cache.kept("one", derived) == TABLE
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert table_cache.kept("one", derived) == TABLE


def test_a_write_that_fails_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", full)
        assert table_cache.kept("one", derived) == TABLE
    assert list(folder.iterdir()) == []


def test_many_writers_leave_one_whole_table(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: table_cache.kept("one", derived), range(40))) == [TABLE] * 40
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("steps", [(name,) for name in (*TRANSFORMS, "case")] + [("emoji", "normalize", "simplify", "delete", "case")])
def test_a_kept_table_is_the_derived_one_and_loads_at_once(folder: Path, steps: tuple[str, ...]) -> None:
    table = transforms._derived(steps)
    name = "+".join(steps)
    table_cache.kept(name, lambda: table)
    seconds = []
    for _ in range(3):
        # The processor's time: what else the machine does must not decide.
        began = time.process_time()
        assert table_cache.kept(name, never) == table
        seconds.append(time.process_time() - began)
    assert min(seconds) < LONGEST_LOAD_SECONDS
