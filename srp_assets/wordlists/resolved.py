"""A word list as a scanner takes it: plain data, JSON in and JSON out, nothing left to look up.

Every field that a later version added has a default, so that lists stored before it stay readable.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ListType = Literal["simple", "similar_char", "acrostic", "regex", "similar"]
"""What the words of a list are; `reference.py` says what each means."""


class ExemptGroup(BaseModel):
    """Words that take back the hits of a list, under one type and one set of transforms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: ListType = "simple"
    words: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    case_sensitive: bool = False
    threshold: float | None = None


class ResolvedList(BaseModel):
    """One version of a word list. `words` are as written; a hit names its word by its place among them.

    The words of a similar_char list are the places of one pattern, one after the other: what hits is the list, named by word 0.
    `threshold` is the least similarity of a similar list, above 0 and at most 1; other types have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    version: int
    type: ListType = "simple"
    words: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    case_sensitive: bool = False
    threshold: float | None = None
    exempt: tuple[ExemptGroup, ...] = ()

    def shown(self, word: int) -> str:
        """What a hit of this word is called for people: the word as written; of a similar_char list all its places."""
        return " ".join(self.words) if self.type == "similar_char" else self.words[word]
