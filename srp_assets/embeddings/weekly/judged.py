"""The ablation of a week: what each part of the recipe brings on the home's own sessions."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from srp_assets.embeddings.attributes import item_attributes
from srp_assets.embeddings.evaluation.ablation import AblationRow, ablation
from srp_assets.embeddings.evaluation.judging import figures_of
from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.registry import version_before
from srp_assets.embeddings.sessions.building import read_sequences, window
from srp_assets.embeddings.training.model_files import read_model
from srp_assets.embeddings.training.trainer import Trained
from srp_assets.embeddings.weekly.files import MODEL
from srp_assets.embeddings.weekly.inputs import corpus_of_table, inputs_of_week, labels_of
from srp_assets.errors import Conflict


def ablation_of_week(
    engine: Engine, places: EmbeddingPlaces, week: str, seeds: Sequence[int], told: Callable[[str, int], None] | None = None
) -> list[AblationRow]:
    """Trains every variant on the window of a week and judges it by the sessions that are held out.

    Args:
        engine: of the registry.
        places: where to read.
        week: its Monday.
        seeds: of the trainings.
        told: is told of each variant and seed.

    Raises:
        Conflict: if no item of the window is there often enough.
    """
    declared, last = places.declared, date.fromisoformat(week) + timedelta(days=6)
    with engine.connect() as connection:
        builds = window(connection, places, last.isoformat(), declared.window_days)
        attributes = item_attributes(connection, places, datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC))
        base = version_before(connection, declared.name, week)
    inputs = inputs_of_week(read_sequences(places, builds), attributes, declared)
    vocabulary = inputs.vocabulary
    if not len(vocabulary.ids):
        raise Conflict("no item was clicked often enough", where=f"embeddings of {week}", remedy="srp embeddings build")
    held_out = corpus_of_table(vocabulary, inputs.held_out)
    labels = labels_of(vocabulary, attributes, declared.items.price_bounds) if attributes.num_rows else None

    def judge(trained: Trained) -> Mapping[str, float]:
        return figures_of(trained.vectors, held_out, vocabulary.markets, labels)

    start = None if base is None else read_model(places.embeddings, f"{base.folder}/{MODEL}")
    return ablation(
        corpus_of_table(vocabulary, inputs.trained_on), vocabulary, declared.training, judge, seeds=seeds, start=start, told=told
    )
