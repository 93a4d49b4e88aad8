"""What is checked when a word list is saved: words that could mean nothing are errors, words that may mean something else are warnings.

Lists of a hundred thousand words are common and nearly all of their words are plain, so plain words are checked all at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from srp_assets.errors import InvalidInput
from srp_assets.wordlists.model import ListReference, WordList
from srp_assets.wordlists.patterns.entries import PatternEntry, check_entry, entries_of, split_word
from srp_assets.wordlists.patterns.sets import CodePoints, size
from srp_assets.wordlists.patterns.tree import Atomic, Chars, Concat, Either, Group, Look, Node, Pattern, Repeat
from srp_assets.wordlists.resolved import ExemptGroup, ListType
from srp_assets.wordlists.syntax import MAX_SEGMENTS, SPECIAL, WordError, emptied, parse, require_word, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

READABLE_TRANSFORMS = frozenset({"emoji", "normalize", "simplify", "delete"})
"""Transforms whose result can be shown to people; the pinyin ones change every ideograph, which is what they are for."""

_REGULAR = re.compile(r"[^&~|\\]*[^&~|\\\s][^&~|\\]*(?:[&~][^&~|\\]+)*")
_JOINED_BY = re.compile("[&~]")
"""A word of segments joined by & and ~, without alternatives and escapes, and what joins them."""

MAX_CASES = 4
"""A set of so few characters in a regex is one letter in all its cases."""

Lines = Mapping[str, Sequence[int]]
"""The lines of the file on which the words stand, for `words` and `exempt`, where they are known."""


class WordProblem(NamedTuple):
    """A word that is refused: where it stands (`words` or `exempt`), its number there from 1, the word, what is wrong, what to do."""

    place: str
    number: int
    word: str
    message: str
    remedy: str


class WordWarning(NamedTuple):
    """A word that is accepted and may not mean what it seems to, and what is odd about it."""

    number: int
    word: str
    message: str
    place: str = "words"


class Checked(NamedTuple):
    """All that is to be said about the words of a list, in their order."""

    problems: tuple[WordProblem, ...]
    warnings: tuple[WordWarning, ...]


def examine(word_list: WordList) -> Checked:
    """Checks every word and every exempt word of a list."""
    exempt = [(number, word) for number, word in enumerate(word_list.exempt, 1) if not isinstance(word, ListReference)]
    own = _Words("words", word_list.type, list(enumerate(word_list.words, 1)), word_list)
    taken_back = _Words("exempt", "simple", exempt, word_list)
    own.check()
    taken_back.check()
    return Checked((*own.problems, *taken_back.problems), (*own.warnings, *taken_back.warnings))


def check_words(word_list: WordList, lines: Lines | None = None) -> tuple[WordWarning, ...]:
    """Checks every word and every exempt word of a list.

    Args:
        word_list: the list.
        lines: the lines on which its words stand in their file; errors name them.

    Returns:
        Warnings for words that the transforms change, that can never hit, or that have blanks where these count.

    Raises:
        InvalidInput: for words that cannot be read, that the transforms empty, that stand twice in the list or that would hit everything;
            it names the first one, its number and the remedy, and says how many more there are.
    """
    checked = examine(word_list)
    if checked.problems:
        first, more = checked.problems[0], len(checked.problems) - 1
        counted = f"; {more:,} more words of the list are wrong" if more else ""
        where = f"word_list {word_list.id}: {where_of(first, lines)}"
        raise InvalidInput(first.message + counted, where=where, remedy=first.remedy)
    return checked.warnings


def where_of(problem: WordProblem | WordWarning, lines: Lines | None = None) -> str:
    """Where a word stands, for people: `words: number 2, 'b&', line 17`."""
    known = (lines or {}).get(problem.place, ())
    line = f", line {known[problem.number - 1]}" if problem.number <= len(known) else ""
    return f"{problem.place}: number {problem.number}, {problem.word!r}{line}"


class _Words:
    """The words of a list, or its exempt words, while they are checked."""

    def __init__(self, place: str, type_: ListType, words: Sequence[tuple[int, str]], word_list: WordList) -> None:
        self.problems: list[WordProblem] = []
        self.warnings: list[WordWarning] = []
        self._place = place
        self._type = type_
        self._words = words
        self._list = word_list
        readable = word_list.fold.transforms & READABLE_TRANSFORMS
        self._readable = fold_of(readable, case_sensitive=True) if readable else None

    def check(self) -> None:
        """Checks all words."""
        words = self._words if self._type == "similar_char" else self._without_repetitions()
        plain, others = self._plain(words)
        for number, word in plain:
            self._note(number, word, _blanks(word))
        if self._type == "simple":
            self._check_logical(others)
        else:
            for number, word in others:
                try:
                    require_word(word)
                    self._note(number, word, self._oddities(word))
                except WordError as error:
                    self._refuse(number, word, error)
        if self._type == "similar_char" and not self.problems:
            self._check_whole_pattern()
        self.problems.sort(key=lambda problem: problem.number)
        self.warnings.sort(key=lambda warning: warning.number)

    def _refuse(self, number: int, word: str, error: WordError) -> None:
        self.problems.append(WordProblem(self._place, number, word, error.message, error.remedy))

    def _note(self, number: int, word: str, messages: Iterable[str]) -> None:
        self.warnings += [WordWarning(number, word, message, self._place) for message in messages]

    def _without_repetitions(self) -> list[tuple[int, str]]:
        first: dict[str, int] = {}
        for number, word in self._words:
            if first.setdefault(word, number) != number:
                self._refuse(number, word, WordError(f"the word stands there already as number {first[word]}", "remove one of them"))
        return [(number, word) for word, number in first.items()]

    def _plain(self, words: Sequence[tuple[int, str]]) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        """Words that are their own only segment and of whose transforms nothing need be told; and all others."""
        if self._type not in ("simple", "similar"):
            return [], list(words)
        without_operators: list[tuple[int, str]] = []
        plain: list[tuple[int, str]] = []
        others: list[tuple[int, str]] = []
        for one in words:
            (without_operators if self._type == "similar" or SPECIAL.isdisjoint(one[1]) else others).append(one)
        texts = [word for _, word in without_operators]
        folded = self._list.fold.many(texts)
        shown = self._readable.many(texts) if self._readable else texts
        for one, becomes, reading in zip(without_operators, folded, shown, strict=True):
            word = one[1]
            (plain if becomes and reading == word and word.strip() and _is_text(word) else others).append(one)
        return plain, others

    def _check_logical(self, words: Sequence[tuple[int, str]]) -> None:
        """Words of a simple list with operators, or which the transforms change, empty or leave with blanks."""
        texts: set[str] = set()
        good: list[tuple[int, str]] = []
        for number, word in words:
            try:
                texts.update(_texts(word))
                good.append((number, word))
            except WordError as error:
                self._refuse(number, word, error)
        some = list(texts)
        folded = dict(zip(some, self._list.fold.many(some), strict=True))
        shown = dict(zip(some, self._readable.many(some), strict=True)) if self._readable else {}
        odd = {text for text in some if not folded[text] or shown.get(text, text) != text or text != text.strip()}
        for number, word in good:
            if odd and not odd.isdisjoint(of_word := _texts(word)):
                nothing_left = [text for text in of_word if not folded[text]]
                if nothing_left:
                    self._refuse(number, word, emptied(nothing_left[0]))
                    continue
                for text in of_word:
                    self._note(number, word, (*_changes([text], self._readable), *_blanks(text)))
            if "~" in word and _vetoes_itself(word, folded):
                self._note(number, word, ["the word can never hit: what it forbids stands within what it requires"])

    def _oddities(self, word: str) -> Iterator[str]:
        """What is odd about a word of another list than a simple one.

        Raises:
            WordError: if the word cannot be read, is emptied, or would take a time without bound.
        """
        if self._type == "similar":
            if not self._list.fold(word):
                raise emptied(word)
            yield from (*_changes([word], self._readable), *_blanks(word))
            return
        pattern = check_entry(self._entry([word]))
        if self._type == "regex":
            yield from _vain_letters(pattern, self._entry([word]).fold)
        else:
            yield from _changes(split_word(word), self._readable)

    def _check_whole_pattern(self) -> None:
        """The places of a similar_char list, which are good one by one, as the one pattern that they make."""
        try:
            check_entry(self._entry([word for _, word in self._words]))
        except WordError as error:
            number, word = self._words[0]
            self._refuse(number, word, error)

    def _entry(self, words: Sequence[str]) -> PatternEntry:
        group = ExemptGroup(type=self._type, words=tuple(words), transforms=self._list.transforms, case_sensitive=self._list.case_sensitive)
        return entries_of(group)[0]


def _is_text(word: str) -> bool:
    return word.isascii() or not any("\ud800" <= character <= "\udfff" for character in word)


def _texts(word: str) -> Sequence[str]:
    """Every alternative of every segment of a word; nearly all words are regular, and `parse` takes five times as long.

    Raises:
        WordError: if the word cannot be read.
    """
    if _REGULAR.fullmatch(word) and word.isprintable():
        texts = _JOINED_BY.split(word)
        if len(texts) <= MAX_SEGMENTS:
            return texts
    return parse(word).texts


def _vetoes_itself(word: str, folded: Mapping[str, str]) -> bool:
    """Whether what a word forbids stands in any text that holds what it requires."""
    texts = [folded[text] for text in _texts(word)]
    together = "\n".join(texts)
    if all(together.count(text) == 1 for text in texts):
        return False
    read = parse(word)
    rule = rule_of(read, folded.__getitem__)
    return any(
        min(alternative.count(veto) for alternative in alternatives) >= limit
        for alternatives, _ in rule.required
        for vetoing, limit in rule.forbidden
        for veto in vetoing
    )


def _blanks(text: str) -> Iterator[str]:
    if text != text.strip():
        yield f"the blanks of {text!r} count: they must stand in the text"


def _changes(texts: Iterable[str], readable: Fold | None) -> Iterator[str]:
    for text in texts:
        if readable and (shown := readable(text)) != text:
            yield f"the list's transforms read {text!r} as {shown!r}"


def _vain_letters(pattern: Pattern, fold: Fold) -> Iterator[str]:
    """Letters of a regex that stand in no transformed text."""
    seen: set[CodePoints] = set()
    for chars in _letters(pattern.node):
        if chars in seen or size(chars) > MAX_CASES:
            continue
        seen.add(chars)
        letters = [chr(code) for low, high in chars for code in range(low, high + 1)]
        if all(fold(letter) != letter for letter in letters):
            yield f"{letters[0]!r} stands in no text as the list's transforms read it; they do not apply to the regex itself"


def _letters(node: Node) -> Iterator[CodePoints]:
    if isinstance(node, Chars):
        yield node.chars
    elif isinstance(node, Concat | Either):
        for child in node.items if isinstance(node, Concat) else node.branches:
            yield from _letters(child)
    elif isinstance(node, Repeat | Group | Atomic | Look):
        yield from _letters(node.body)
