"""Word lists as people write them: the document, the checks when it is saved, and the list that a scanner takes.

A document that is valid YAML of the right shape may still hold words that could mean nothing: `check_words` finds those, and tells of
words that the list's transforms change. What a word means is said in `reference.py`, how it is written in `syntax.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.warehouse.catalogue import Strict
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.syntax import WordError, parse, rule_of
from srp_assets.wordlists.transforms import Fold, Transform, fold_of

ListId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]

LISTS_TO_COME = ("similar_char", "acrostic", "regex", "similar")
"""Types of lists that are designed and not built yet."""

READABLE_TRANSFORMS = frozenset({"emoji", "normalize", "simplify", "delete"})
"""Transforms whose result can be shown to people; the pinyin ones change every ideograph, which is what they are for."""


class ListReference(Strict):
    """Another list, whose words take hits back under its own transforms and case rule."""

    word_list: ListId


class WordList(Strict):
    """A word list. `transforms` may stand in any order; `standing` asks for its hits to be kept with every built period."""

    kind: Literal["word_list"]
    id: ListId
    topic: str | None = None
    owner: str | None = None
    type: Literal["simple"] = "simple"
    transforms: tuple[Transform, ...] = ()
    case_sensitive: bool = False
    words: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str | ListReference, ...] = ()
    standing: bool = False

    @field_validator("type", mode="before")
    @classmethod
    def _is_built(cls, type_: object) -> object:
        if type_ in LISTS_TO_COME:
            raise ValueError(f"type {type_} comes with the word engine; until then only simple lists are accepted")
        return type_

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.transforms)) != len(self.transforms):
            raise ValueError("transforms names a transform twice")
        if {"pinyin", "pinyin_char"} <= set(self.transforms):
            raise ValueError("transforms names pinyin and pinyin_char: choose whole syllables or their letters")
        if self.id in self.exempt_lists:
            raise ValueError("the list exempts from itself; it could never hit")
        return self

    @property
    def fold(self) -> Fold:
        """What the list's transforms and case rule do to a text."""
        return fold_of(self.transforms, self.case_sensitive)

    @property
    def exempt_words(self) -> tuple[str, ...]:
        """The exemptions that are words, read as the list's own words are."""
        return tuple(exemption for exemption in self.exempt if isinstance(exemption, str))

    @property
    def exempt_lists(self) -> tuple[str, ...]:
        """The ids of the lists that exempt."""
        return tuple(exemption.word_list for exemption in self.exempt if isinstance(exemption, ListReference))


class WordWarning(NamedTuple):
    """A word that is accepted and may not mean what it seems to: its number in the list (from 1), the word, and what is odd."""

    number: int
    word: str
    message: str


def check_words(word_list: WordList) -> tuple[WordWarning, ...]:
    """Checks every word and every exempt word of a list.

    Returns:
        Warnings for words that the transforms change, that can never hit, or that have blanks where these count.

    Raises:
        InvalidInput: for words that cannot be read, that the transforms empty, or that stand twice in the list; it names the first one, its
            number and the remedy, and says how many more there are.
    """
    warnings: list[WordWarning] = []
    errors: list[InvalidInput] = []
    for place, words in (("words", word_list.words), ("exempt", word_list.exempt_words)):
        first_number: dict[str, int] = {}
        for number, word in enumerate(words, 1):
            where = f"word_list {word_list.id}: {place}: number {number}, {word!r}"
            if word in first_number:
                message = f"the word stands there already as number {first_number[word]}"
                errors.append(InvalidInput(message, where=where, remedy="remove one of them"))
                continue
            first_number[word] = number
            try:
                warnings += (WordWarning(number, word, message) for message in _oddities(word, word_list.fold))
            except WordError as error:
                errors.append(InvalidInput(error.message, where=where, remedy=error.remedy))
    if errors:
        first = errors[0]
        more = f"; {len(errors) - 1} more words of the list are wrong" if len(errors) > 1 else ""
        raise InvalidInput(first.message + more, where=first.where, remedy=first.remedy)
    return tuple(warnings)


def _oddities(word: str, fold: Fold) -> Iterable[str]:
    """What is odd about a word.

    Raises:
        WordError: if the word cannot be read or is emptied.
    """
    parsed = parse(word)
    rule = rule_of(parsed, fold)
    readable = fold_of(fold.transforms & READABLE_TRANSFORMS, case_sensitive=True) if fold.transforms else None
    for text in parsed.texts:
        if readable and (shown := readable(text)) != text:
            yield f"the list's transforms read {text!r} as {shown!r}"
        if text != text.strip():
            yield f"the blanks of {text!r} count: they must stand in the text"
    for alternatives, _ in rule.required:
        for vetoing, limit in rule.forbidden:
            if any(min(alternative.count(veto) for alternative in alternatives) >= limit for veto in vetoing):
                yield "the word can never hit: what it forbids stands within what it requires"


def resolve(word_list: WordList, version: int, lists: Mapping[str, WordList]) -> ResolvedList:
    """A list with everything that a scanner needs.

    Args:
        word_list: the list.
        version: the version of it that this is.
        lists: the lists that it exempts by, by id.

    Raises:
        NotFound: if a list that it exempts by is missing.
        InvalidInput: if a list that it exempts by has exemptions of its own: what is taken back from an exemption would be anybody's guess.
    """
    own = [ExemptGroup(words=word_list.exempt_words, transforms=word_list.transforms, case_sensitive=word_list.case_sensitive)]
    groups = own if word_list.exempt_words else []
    for id_ in word_list.exempt_lists:
        where = f"word_list {word_list.id}: exempt"
        other = lists.get(id_)
        if other is None:
            raise NotFound(f"there is no word list {id_!r}", where=where, remedy="apply it first")
        if other.exempt:
            raise InvalidInput(f"word list {id_!r} has exemptions itself", where=where, remedy="exempt by a list that has none")
        groups.append(ExemptGroup(words=other.words, transforms=other.transforms, case_sensitive=other.case_sensitive))
    return ResolvedList(
        id=word_list.id,
        version=version,
        words=word_list.words,
        transforms=word_list.transforms,
        case_sensitive=word_list.case_sensitive,
        exempt=tuple(groups),
    )
