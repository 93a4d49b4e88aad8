"""What a scan is pinned to: the builds that are current as of one instant, and what standing lists have found in them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from srp_assets.recall.batch import TaskSpec, entities_of
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, current_builds
from srp_assets.wordlists.registry import StandingHits, current_hits


class Pins(NamedTuple):
    """Builds by entity, and the kept hits of standing lists by build."""

    builds: dict[str, list[Build]]
    hits: dict[int, StandingHits]


def current_pins(connection: Connection, catalogue: Catalogue, specs: Sequence[TaskSpec]) -> Pins:
    """The current builds of everything that the tasks read."""
    used = sorted({product for spec in specs for product in spec.products})
    builds = {entity: current_builds(connection, entity=entity, products=used) for entity in entities_of(catalogue, specs)}
    pinned = {build.build_id for found in builds.values() for build in found}
    kept = {build_id: hits for entity in builds for build_id, hits in current_hits(connection, entity=entity, products=used).items()}
    return Pins(builds, {build_id: hits for build_id, hits in kept.items() if build_id in pinned})
