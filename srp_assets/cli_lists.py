"""The commands about word lists: check those of files, try one on texts; `cli_recommend` recommends words."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import ERROR, OK, answer, json_option, open_home
from srp_assets.cli_recommend import recommend_command

if TYPE_CHECKING:
    from srp_assets.strategy.lists import CheckedFiles, CheckedList, Remark
    from srp_assets.wordlists.resolved import ResolvedList
    from srp_assets.wordlists.trial import TriedText, WordHit

SHOWN_REMARKS = 20
"""Wrong words of a list, and odd ones, that people are shown; `--json` has all."""


@click.group("lists")
def lists_command() -> None:
    """Check the word lists of files, try a list on texts, recommend words for those of a task; with --json for machines."""


lists_command.add_command(recommend_command)


@lists_command.command("check", epilog="Exit code 1 if anything is wrong. Warnings tell of words that may not mean what they seem to.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER")
@json_option
def check_command(path: Path, as_json: bool) -> int:
    """Tell all that is wrong with the word lists of FILE_OR_FOLDER, word by word; nothing is stored."""
    from srp_assets.strategy.lists import check_lists

    with open_home() as home, home.engine.connect() as connection:
        checked = check_lists(connection, home.catalogue, path)
    errors = checked.errors
    if as_json:
        told: dict[str, Any] = {
            "lists": [_list_summary(one) for one in checked.lists],
            "problems": [error.as_dict() for error in checked.problems],
        }
        answer(told | ({"error": _first(path, errors)} if errors else {}))
    else:
        _show(path, checked)
    return ERROR if errors else OK


def _first(path: Path, errors: list[Any]) -> dict[str, Any]:
    count = f"{len(errors):,} {'problem' if len(errors) == 1 else 'problems'}"
    return {
        "code": "invalid",
        "message": f"the word lists have {count}; the first: {errors[0]}",
        "where": str(path),
        "remedy": "correct them",
    }


def _list_summary(checked: "CheckedList") -> dict[str, Any]:
    return {
        "id": checked.id,
        "place": checked.place,
        "type": checked.type,
        "words": checked.words,
        "problems": [*(problem.as_dict() for problem in checked.problems), *map(_remark, checked.wrong)],
        "warnings": [_remark(remark) for remark in checked.odd],
    }


def _remark(remark: "Remark") -> dict[str, Any]:
    return remark.error.as_dict() | {"in": remark.word.place, "number": remark.word.number, "word": remark.word.word, "line": remark.line}


def _show(path: Path, checked: "CheckedFiles") -> None:
    from srp_assets.console import complain, hint, say, table

    for problem in checked.problems:
        complain(str(problem))
    for one in checked.lists:
        for error in (*one.problems, *(remark.error for remark in one.wrong[:SHOWN_REMARKS])):
            complain(str(error))
        for warning in one.odd[:SHOWN_REMARKS]:
            hint(f"warning: {warning.error}")
        left = max(0, len(one.wrong) - SHOWN_REMARKS), max(0, len(one.odd) - SHOWN_REMARKS)
        if any(left):
            hint(f"{one.place}: {left[0]:,} more errors and {left[1]:,} more warnings; --json tells all")
    rows = [(one.id, one.type, f"{one.words:,}", len(one.problems) + len(one.wrong), len(one.odd)) for one in checked.lists]
    table(str(path), ("list", "type", "words", "errors", "warnings"), rows, right=("words", "errors", "warnings"))
    if not checked.lists:
        say("there is no word list in it")


@lists_command.command(
    "try", epilog="LIST is the id of a stored list, or a file; of a file with several lists --list names the one that is meant."
)
@click.argument("name", metavar="LIST")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option("--list", "id_", metavar="ID", help="The list of the file that is meant.")
@json_option
def try_command(name: str, texts: tuple[str, ...], id_: str | None, as_json: bool) -> int:
    """Show what LIST would hit in each TEXT and where, and what its exemptions take back."""
    from srp_assets.strategy.lists import find_list

    with open_home() as home, home.engine.connect() as connection:
        words = find_list(connection, home.catalogue, name, id_)
    from srp_assets.wordlists.trial import try_list

    tried = try_list(words, [_readable(text) for text in texts])
    if as_json:
        answer({"list": words.id, "version": words.version or None, "texts": [_text_summary(one) for one in tried]})
    else:
        for one in tried:
            _show_text(words, one)
    return OK


def _readable(text: str) -> str:
    """A text of the command line, whose bytes may have been no UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _text_summary(tried: "TriedText") -> dict[str, Any]:
    from srp_assets.wordlists.marking import for_html

    return {
        "text": tried.text,
        "hits": [_hit_summary(hit) for hit in tried.hits],
        "silenced": [_hit_summary(hit) for hit in tried.silenced],
        "exempt": [_hit_summary(hit) for _, hit in tried.exempt],
        "html": for_html(tried.text, [(start, end) for hit in tried.hits for _, start, end in hit.spans]),
    }


def _hit_summary(hit: "WordHit") -> dict[str, Any]:
    return {"number": hit.number, "word": hit.word, "spans": [[start, end] for _, start, end in hit.spans]}


def _show_text(words: "ResolvedList", tried: "TriedText") -> None:
    from rich.text import Text

    from srp_assets.console import harmless, out
    from srp_assets.wordlists.marking import for_terminal

    shown = tried.hits or tried.silenced
    out.print(for_terminal(tried.text, [(start, end) for hit in tried.hits for _, start, end in hit.spans], harmless), soft_wrap=True)
    verdict = "silenced" if tried.silenced else "hit"
    for hit in shown:
        out.print(Text(f"  {verdict}: {harmless(hit.word)} (number {hit.number}) at {_places(hit)}"), soft_wrap=True)
    for _, hit in tried.exempt:
        out.print(Text(f"  exempt by: {harmless(hit.word)} at {_places(hit)}"), soft_wrap=True)
    if not shown:
        out.print(Text(f"  {words.id} does not hit", style="dim"), soft_wrap=True)


def _places(hit: "WordHit") -> str:
    return ", ".join(f"{start}-{end}" for _, start, end in hit.spans)
