"""Lands a sample world as a platform's own exports would come: for each product a first ingest, a later one, and files with broken rows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from srp_assets.samples.batches import ENTITIES, INGESTS, batches, write_broken
from srp_assets.samples.world import World
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.landing import IngestSummary, ingest, land_batches
from srp_assets.warehouse.storage import Storage

Progress = Callable[[str, int], None]
"""Told which ingest is under way and how many rows of it were read."""


@dataclass(frozen=True)
class Landed:
    """What a world's ingests came to, in their order, and the rejects that were planted, by reason."""

    summaries: tuple[IngestSummary, ...]
    planted_rejects: dict[str, int]

    @property
    def rejected(self) -> dict[str, int]:
        """The rejects that landing found, by reason."""
        counted: Counter[str] = Counter()
        for summary in self.summaries:
            counted.update(summary.rejected)
        return dict(counted)


def land_world(
    engine: Engine, storage: Storage, catalogue: Catalogue, world: World, folder: Path, progress: Progress | None = None
) -> Landed:
    """Lands all of a world.

    Args:
        engine: of the registry.
        storage: the warehouse.
        catalogue: the sample world's catalogue.
        world: what to land.
        folder: where the files with broken rows are written; it stays, so that rejects can be compared with their source.
        progress: told how far it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summaries: list[IngestSummary] = []
    planted: Counter[str] = Counter()
    for product, part in world.products.items():
        for number in INGESTS:
            title = f"{product}, ingest {number}"
            source = f"sample world of {world.rows} rows, seed {world.seed}: {title}"
            summaries.append(
                land_batches(
                    engine,
                    storage,
                    catalogue,
                    product=product,
                    batches=batches(part, number),
                    source=source,
                    reader="samples",
                    progress=_titled(progress, title),
                )
            )
        for entity in ENTITIES:
            path = folder / f"{product}-{entity}-broken.jsonl"
            planted.update(write_broken(part, entity, path))
            summaries.append(
                ingest(
                    engine,
                    storage,
                    catalogue,
                    reader="jsonl",
                    source=path,
                    product=product,
                    entity=entity,
                    progress=_titled(progress, f"{product}, broken rows"),
                )
            )
    return Landed(tuple(summaries), dict(planted))


def _titled(progress: Progress | None, title: str) -> Progress | None:
    return None if progress is None else lambda step, rows: progress(f"{title}: {step}", rows)
