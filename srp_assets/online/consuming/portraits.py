"""What a batch of events adds to the portraits of its users (`online/portrait.py` says what an action of a portrait is)."""

from collections.abc import Iterator

import numpy as np

from srp_assets.online.consuming.batch import EventBatch
from srp_assets.online.consuming.counting import slices
from srp_assets.online.portrait import KINDS_COLUMN, NUMBERS, TEXTS
from srp_assets.online.store import portrait_key


def portrait_entries(batch: EventBatch) -> Iterator[tuple[str, bytes]]:
    """The actions of each user by the keys of portraits, as `portrait_entry` has them; those of nobody are left out."""
    from srp_assets.online.records import counting_kernels as kernels  # numba takes a second to import

    of_user, users = batch.coded("user_id")
    ids = batch.ids
    kind, *texts = (batch.digests(name) for name in (KINDS_COLUMN, *TEXTS))
    numbers = (batch.words(name, "number") for name in NUMBERS)
    fixed = np.stack(
        [np.zeros(batch.size, np.int64), kind, batch.time, batch.words("arrival_time", "time"), *numbers, *texts, ids.sizes], axis=1
    )
    words, bounds = kernels.pack_rows(of_user, len(users), fixed, (ids.words, ids.bounds))
    return zip(map(portrait_key, users), slices(words, bounds), strict=True)


def portrait_texts(batch: EventBatch) -> dict[int, str]:
    """The texts that digests in portraits stand for."""
    return {digest: text for name in (KINDS_COLUMN, *TEXTS) for digest, text in batch.texts(name).items()}
