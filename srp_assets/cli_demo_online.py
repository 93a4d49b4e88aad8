"""The demo's online half: the real twin answers some of the shop's requests, and what it served is landed and accounted for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srp_assets.cli_common import Home
from srp_assets.errors import Conflict

if TYPE_CHECKING:
    from srp_assets.console import Report


@dataclass(frozen=True)
class OnlineAnswer:
    """What was served: requests and rows, rows that landed and are in the log, and rows that are defaults for want of a store."""

    requests: int
    rows: int
    landed: int
    defaulted: int

    @property
    def good(self) -> bool:
        """Whether every row that was served is in the log, and none for want of a store."""
        return self.rows > 0 and self.landed == self.rows and not self.defaulted

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        return {**vars(self), "good": self.good}


def demo_online(home: Home, events: int, seed: int, report: "Report") -> OnlineAnswer:
    """Serves a sample of the shop's requests, and all of its last days, unless the home has what was served already; counts.

    One feature is skewed on one day, for the gate to find (`samples/demo.py`).

    Raises:
        Conflict: if the home declares no features, or not those of the sample world's attributes.
        Unavailable: if no Redis can be started.
    """
    import sqlalchemy as sa

    from resources import redis as redis_server
    from srp_assets.features.aggregation.layout import layout_of
    from srp_assets.features.assets import places_of
    from srp_assets.features.building.days import version_files
    from srp_assets.features.building.files import read_versions
    from srp_assets.features.declaration.definitions import resolve
    from srp_assets.features.declaration.loading import load_document
    from srp_assets.features.registry import record_definitions
    from srp_assets.logs.catalogue import load_log_catalogue
    from srp_assets.logs.landing import logs_storage
    from srp_assets.logs.registry import ingest
    from srp_assets.online.consuming.rebuilding import action_files
    from srp_assets.online.store import Store
    from srp_assets.samples.demo import LOGS, SERVED_REQUESTS, SKEWED_FEATURE, gate_days
    from srp_assets.samples.ranking.faults import SkewedFeature
    from srp_assets.samples.ranking.serving import END_OF_TIME, Online, land_served, sampled_requests, serve, served_source
    from srp_assets.samples.ranking.world import RankingWorld
    from srp_assets.warehouse.registry import last_ingest

    declared = home.settings.feature_declarations
    if declared is None:
        raise Conflict("the demo needs the features of the sample world", where="SRP_FEATURES", remedy="unset it")
    world, document = RankingWorld(events, seed), load_document(declared)
    days = gate_days(world)
    definitions = resolve(document)
    places, storage = places_of(home.settings, home.catalogue), logs_storage(home.settings.warehouse_location)
    catalogue = load_log_catalogue(Path(LOGS))
    with home.engine.connect() as connection:
        sources = connection.execute(sa.select(ingest.c.source).where(ingest.c.state == "committed")).scalars().all()
        versions = version_files(connection, places, layout_of(definitions), last_ingest(connection))
        files = action_files(connection, places)
    if served_source(world) not in sources:
        report("starting Redis", 0, 0)
        names = [name for source in definitions.attributes.values() for name in source.columns]
        tables = read_versions(definitions, versions, names)
        actions = files.read(definitions, sorted(files.paths), 0, END_OF_TIME)
        with redis_server.writing_client(home.settings) as client:
            online = Online(Store(client), document, tables, SkewedFeature(SKEWED_FEATURE, days.skewed_day))
            batches = serve(world, online, actions, SERVED_REQUESTS, days.judged_from)
            land_served(
                home.engine, storage, catalogue, world, batches, progress=lambda step, rows: report(f"serving requests: {step}", rows, 0)
            )
    with home.engine.begin() as connection:
        record_definitions(connection, definitions)
    asked = sampled_requests(world, SERVED_REQUESTS, days.judged_from)
    return _counted(home, sum(own.request.size for own in asked), len(asked))


def _counted(home: Home, rows: int, requests: int) -> OnlineAnswer:
    """What the log has of so many served rows."""
    import pyarrow.compute as pc

    from srp_assets.logs.landing import logs_storage
    from srp_assets.logs.tables import landed_log_files

    storage = logs_storage(home.settings.warehouse_location)
    with home.engine.connect() as connection:
        days = landed_log_files(connection, "served_features", "0001-01-01", "9999-12-31")
    landed = defaulted = 0
    for day in days.values():
        for path in day.rows:
            lengths = pc.list_value_length(storage.read(path, ["defaulted"])["defaulted"])
            landed += len(lengths)
            defaulted += pc.sum(pc.greater(lengths, 0)).as_py() or 0
    return OnlineAnswer(requests, rows, landed, defaulted)


def print_online(answer: OnlineAnswer) -> None:
    """Says what was served."""
    from srp_assets.console import number, say

    accounted = "all of them in the log" if answer.good else f"NOT as it should be: {number(answer.landed)} in the log"
    defaults = f", {number(answer.defaulted)} with defaults for want of a store" if answer.defaulted else ""
    say(f"online: {number(answer.requests)} requests answered, {number(answer.rows)} rows served, {accounted}{defaults}")
    say("")
