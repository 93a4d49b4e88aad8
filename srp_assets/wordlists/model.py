"""Word lists as people write them: the document, and the list that a scanner takes.

A document that is valid YAML of the right shape may still hold words that could mean nothing: `checks.py` finds those. What a word
means is said in `reference.py`, how it is written in `syntax.py` for simple lists and in `patterns/entries.py` for patterns.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from srp_assets.errors import InvalidInput, NotFound
from srp_assets.warehouse.catalogue import Strict
from srp_assets.wordlists.resolved import ExemptGroup, ListType, ResolvedList
from srp_assets.wordlists.transforms import Fold, Transform, fold_of

ListId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class ListReference(Strict):
    """Another list, whose words take hits back under its own transforms and case rule."""

    word_list: ListId


class WordList(Strict):
    """A word list.

    `transforms` may stand in any order; `threshold` is the least similarity of a similar list; `standing` asks for its hits to be kept with
    every built period. The exemptions that are words are simple words, whatever the type of the list.
    """

    kind: Literal["word_list"]
    id: ListId
    topic: str | None = None
    owner: str | None = None
    type: ListType = "simple"
    transforms: tuple[Transform, ...] = ()
    case_sensitive: bool = False
    threshold: float | None = None
    words: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str | ListReference, ...] = ()
    standing: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.transforms)) != len(self.transforms):
            raise ValueError("transforms names a transform twice")
        if {"pinyin", "pinyin_char"} <= set(self.transforms):
            raise ValueError("transforms names pinyin and pinyin_char: choose whole syllables or their letters")
        if self.type == "regex" and "pinyin" in self.transforms:
            raise ValueError("a regex cannot be written in whole syllables; use pinyin_char, which gives their letters")
        if self.type == "acrostic" and "delete" in self.transforms:
            raise ValueError("delete takes away the punctuation and blanks behind which an acrostic begins; leave it out")
        if self.id in self.exempt_lists:
            raise ValueError("the list exempts from itself; it could never hit")
        return self

    @model_validator(mode="after")
    def _has_its_threshold(self) -> Self:
        if self.type != "similar" and self.threshold is not None:
            raise ValueError(f"threshold belongs to lists of type similar, not {self.type}")
        if self.type == "similar" and (self.threshold is None or not 0 < self.threshold <= 1):
            raise ValueError(
                "a list of type similar needs a threshold above 0, at which every text would hit, up to 1, like threshold: 0.8"
            )
        return self

    @property
    def fold(self) -> Fold:
        """What the list's transforms and case rule do to a text."""
        return fold_of(self.transforms, self.case_sensitive)

    @property
    def exempt_words(self) -> tuple[str, ...]:
        """The exemptions that are words, under the transforms and the case rule of the list."""
        return tuple(exemption for exemption in self.exempt if isinstance(exemption, str))

    @property
    def exempt_lists(self) -> tuple[str, ...]:
        """The ids of the lists that exempt."""
        return tuple(exemption.word_list for exemption in self.exempt if isinstance(exemption, ListReference))


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
        groups.append(
            ExemptGroup(
                type=other.type,
                words=other.words,
                transforms=other.transforms,
                case_sensitive=other.case_sensitive,
                threshold=other.threshold,
            )
        )
    return ResolvedList(
        id=word_list.id,
        version=version,
        type=word_list.type,
        words=word_list.words,
        transforms=word_list.transforms,
        case_sensitive=word_list.case_sensitive,
        threshold=word_list.threshold,
        exempt=tuple(groups),
    )
