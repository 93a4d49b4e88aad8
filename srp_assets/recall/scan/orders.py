"""The plan of a batch, and what is to be done with its groups, as its workers read them. No framework."""

from srp_assets.recall.scan.candidates import CandidateSource
from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.strategy.resolved import Frozen
from srp_assets.warehouse.orders import read_order


class GroupOrder(Frozen):
    """One group, or a piece of one: where the candidates of its objects lie, and where its cases, or what is left of the candidates, go.

    All are relative to the warehouse. `tasks` are those of the piece, as bits of the group; all where none is named.
    """

    group: int
    sources: dict[str, CandidateSource]
    target: str
    tasks: tuple[int, ...] = ()


class GroupOrders(Frozen):
    """The groups and pieces that are joined or reduced, and those of each slot (one Spark task)."""

    groups: tuple[GroupOrder, ...]
    slots: tuple[tuple[int, ...], ...]


def read_plan(storage_location: str, path: str) -> BatchPlan:
    """The plan of a batch."""
    return read_order(BatchPlan, storage_location, path)
