"""Where embeddings are made from and to, in one home."""

from dataclasses import dataclass

from srp_assets.embeddings.declaration.model import Embeddings
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage


@dataclass(frozen=True)
class EmbeddingPlaces:
    """Where embeddings are made from and to.

    Args:
        embeddings: the storage that is written to.
        logs: the storage that the built logs are relative to.
        warehouse: the storage of the entity that attributes are taken from.
        log_catalogue: the declared logs.
        catalogue: that declares the entity.
        declared: what embeddings are.
    """

    embeddings: Storage
    logs: Storage
    warehouse: Storage
    log_catalogue: LogCatalogue
    catalogue: Catalogue
    declared: Embeddings
