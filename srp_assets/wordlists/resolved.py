"""A word list as a scanner takes it: plain data, JSON in and JSON out, nothing left to look up."""

from pydantic import BaseModel, ConfigDict


class ExemptGroup(BaseModel):
    """Words that take back the hits of a list, under one set of transforms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    case_sensitive: bool = False


class ResolvedList(BaseModel):
    """One version of a word list. `words` are as written; a hit names its word by its place among them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    version: int
    words: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    case_sensitive: bool = False
    exempt: tuple[ExemptGroup, ...] = ()
