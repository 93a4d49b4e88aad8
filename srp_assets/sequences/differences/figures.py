"""What a day of differences says: how many traces differ and why, whom it concerns, and which differences come together."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from srp_assets.sequences.declaration import Document
from srp_assets.sequences.differences.attributing import Compared, Difference
from srp_assets.sequences.differences.explaining import Alternative
from srp_assets.sequences.differences.hypotheses.catalogue import CAUSES, TRACE_MISSING, UNEXPLAINED
from srp_assets.sequences.differences.model import CauseFigures, Cluster, DayFigures, FeatureFigures, RepeatFigures
from srp_assets.sequences.differences.pooling import chosen
from srp_assets.sequences.differences.repeating import together

MISSING = frozenset(cause.name for cause in TRACE_MISSING)

SHOWN = 10
"""Hours, versions and columns of a cause that are told, the most frequent first."""

MOST_CLUSTERS = 20
EXAMPLES = 3
LEAST_LIFT, LEAST_TRACES = 1.5, 3
"""A context belongs to a cluster if it is so many times as frequent there as among all traces that differ, in so many traces; arbitrary."""

FeaturesOfTraces = Callable[[Mapping[str, tuple[str, ...]]], Iterable[FeatureFigures]]

Explained = tuple[Difference, tuple[str, ...]]
"""A trace that differs and was tried, with its causes."""


def explained_traces(compared: Iterable[Compared]) -> list[Explained]:
    """The causes of all traces of a day that were tried, decided together; (`unexplained`,) where nothing makes them equal."""
    differences = [difference for part in compared for difference in part.differences if difference.tried]
    alternatives: dict[str, Sequence[Alternative]] = {own.trace_id: own.alternatives for own in differences}
    found = chosen(alternatives)
    explained = []
    for own in differences:
        if own.missing is not None:
            causes: tuple[str, ...] = (own.missing,)
        else:
            causes = tuple(sorted(found[own.trace_id].causes)) if own.trace_id in found else (UNEXPLAINED,)
        explained.append((own, causes))
    return explained


def day_figures(day: str, document: Document, compared: Sequence[Compared], features: FeaturesOfTraces | None = None) -> DayFigures:
    """The figures of a day.

    Args:
        day: of the requests.
        document: the declaration, which names the owners.
        compared: its chunks.
        features: the figures of scalar features, given the causes of traces; None where parity kept nothing.
    """
    explained = explained_traces(compared)
    traces = sum(part.traces for part in compared)
    differing = sum(len(part.differences) for part in compared)
    # What keys alone say is known of all traces; of the others, those that were tried stand for those that were not.
    missing = sum(own.missing is not None for own, _ in explained)
    scale = (differing - missing) / max(1, len(explained) - missing)
    counted: dict[str, list[Difference]] = defaultdict(list)
    for own, causes in explained:
        for cause in causes:
            counted[cause].append(own)
    ordered = sorted(counted.items(), key=lambda item: (-len(item[1]), item[0]))
    return DayFigures(
        day=day,
        traces=traces,
        differing=differing,
        tried=len(explained),
        explained=sum(causes != (UNEXPLAINED,) for _, causes in explained),
        unreproduced=sum(not own.reproduced for own, _ in explained),
        stages=_counts(own.stage for part in compared for own in part.differences),
        causes=tuple(_of_cause(cause, found, (1.0 if cause in MISSING else scale) / max(traces, 1)) for cause, found in ordered),
        sequences=_of_sequences(document, explained, scale, max(traces, 1)),
        repeats={
            stage: RepeatFigures(overlap=found.rate, by_band=found.by_band)
            for stage, found in together([part.repeats for part in compared]).items()
        },
        clusters=tuple(_clusters(document, explained)),
        features=tuple(features({own.trace_id: causes for own, causes in explained})) if features else (),
    )


def _counts(values: Iterable[Any]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).most_common(SHOWN), key=lambda item: (-item[1], str(item[0])))}


def _of_cause(cause: str, found: Sequence[Difference], scale: float) -> CauseFigures:
    return CauseFigures(
        cause=cause,
        is_leak=cause in CAUSES and CAUSES[cause].is_leak,
        traces=len(found),
        rate=min(1.0, len(found) * scale),
        overlap=sum(own.overlap for own in found) / len(found),
        stages=_counts(own.stage for own in found),
        columns=_counts(column for own in found for column in own.columns),
        users=len({own.user_id for own in found}),
        hours=_counts(f"{datetime.fromtimestamp(own.as_of / 1e6, UTC):%H}" for own in found),
        versions=_counts(f"{name} {version}" for own in found for name, version in own.versions.items() if version is not None),
    )


def _of_sequences(document: Document, explained: Sequence[Explained], scale: float, traces: int) -> dict[str, dict[str, float]]:
    """By sequence the rate of each cause."""
    found: dict[str, dict[str, float]] = {}
    for sequence in document.sequences:
        counted = Counter(cause for own, causes in explained if own.sequence in (None, sequence.name) for cause in causes)
        found[sequence.name] = {
            cause: min(1.0, count * (1.0 if cause in MISSING else scale) / traces) for cause, count in sorted(counted.items())
        }
    return found


def _clusters(document: Document, explained: Sequence[Explained]) -> list[Cluster]:
    groups: dict[tuple[Any, ...], list[Difference]] = defaultdict(list)
    for own, causes in explained:
        groups[causes, own.sequence or "", own.stage, own.columns].append(own)
    everywhere = Counter(context for own, _ in explained for context in _contexts(own))
    clusters = []
    for (causes, sequence, stage, columns), found in groups.items():
        here = Counter(context for own in found for context in _contexts(own))
        lifts = {name: count / len(found) / (everywhere[name] / len(explained)) for name, count in here.items() if count >= LEAST_TRACES}
        shown = sorted(((name, lift) for name, lift in lifts.items() if lift >= LEAST_LIFT), key=lambda item: (-item[1], item[0]))[
            :EXAMPLES
        ]
        clusters.append(
            Cluster(
                causes=causes,
                sequence=sequence or None,
                stage=stage,
                columns=columns,
                context={name: round(lift, 2) for name, lift in shown},
                traces=len(found),
                impact=round(sum(max(1 - own.overlap, 0.1) for own in found), 3),
                owner=document.owner_of(document.named(sequence)) if sequence else document.owner,
                examples=tuple(sorted(own.trace_id for own in found)[:EXAMPLES]),
            )
        )
    return sorted(clusters, key=lambda own: (-own.impact, own.causes, own.stage))[:MOST_CLUSTERS]


def _contexts(own: Difference) -> list[str]:
    """What the request was like, each as one text."""
    found = [f"{name}={value}" for name, value in sorted(own.context.items()) if value is not None]
    return [*found, f"hour={datetime.fromtimestamp(own.as_of / 1e6, UTC):%H}", f"user={own.user_id}"]


def recurrence(days: Sequence[DayFigures]) -> dict[str, float]:
    """The share of some days on which each cause was found: what comes every day is worth mending first."""
    found = Counter(cause.cause for day in days for cause in day.causes)
    return {cause: count / len(days) for cause, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))}
