"""What is recorded of a day of differences: figures of causes, of what comes together, of repeats and of scalar features."""

from collections.abc import Mapping

from srp_assets.warehouse.catalogue import Strict


class FeatureFigures(Strict):
    """What one scalar feature has of a day.

    Args:
        feature: its name.
        rows: sampled.
        differing: of these, rows that differ, were served without it, or under another version.
        causes: rows by cause.
        together_with: rows without a cause, by the causes of the sequences of their traces.
    """

    feature: str
    rows: int
    differing: int
    causes: Mapping[str, int]
    together_with: Mapping[str, int]


class CauseFigures(Strict):
    """What one cause has of a day.

    Args:
        cause: its name.
        is_leak: whether a side knew what was not known at the time.
        traces: that it was found in, alone or with others.
        rate: of all compared traces; what was not tried is taken to be like what was.
        overlap: of what was served with what is computed, in the stage that broke, on average.
        stages: in which it shows first, with the number of traces.
        columns: that differ.
        users: different ones.
        hours: of the requests (UTC).
        versions: that the online side named.
    """

    cause: str
    is_leak: bool
    traces: int
    rate: float
    overlap: float
    stages: Mapping[str, int]
    columns: Mapping[str, int]
    users: int
    hours: Mapping[str, int]
    versions: Mapping[str, int]


class Cluster(Strict):
    """Differences that come together.

    Args:
        causes: of each trace.
        sequence: that broke; null for the portrait.
        stage: that broke.
        columns: that differ.
        context: what is more frequent here than elsewhere, and how many times as frequent.
        traces: how many.
        impact: traces times the share of their actions that is not the same, at least a tenth for wrong values.
        owner: who is asked, from the declaration.
        examples: traces to look at.
    """

    causes: tuple[str, ...]
    sequence: str | None
    stage: str
    columns: tuple[str, ...]
    context: Mapping[str, float]
    traces: int
    impact: float
    owner: str
    examples: tuple[str, ...]


class RepeatFigures(Strict):
    """How much of a stage is the same: the overlap of all its rows, and the share of the same actions by band of positions."""

    overlap: float
    by_band: Mapping[str, float]


class DayFigures(Strict):
    """What a day of differences says.

    Args:
        day: of the requests, as 2024-03-09.
        traces: that were compared, of either side.
        differing: of these, traces that differ anywhere.
        tried: of those, traces on which hypotheses were tried.
        explained: of those, traces that some causes make equal.
        unreproduced: of those, traces whose offline side the hypotheses' own flow does not give: none can be believed there.
        stages: traces by the first stage that differs.
        causes: what each of them has, the most frequent first.
        sequences: by sequence the rate of each cause, `unexplained` among them; what breaks in the portrait breaks every sequence.
        repeats: by stage.
        clusters: the largest impact first.
        features: scalar features that differ, where parity kept a sample.
    """

    day: str
    traces: int
    differing: int
    tried: int
    explained: int
    unreproduced: int
    stages: Mapping[str, int]
    causes: tuple[CauseFigures, ...]
    sequences: Mapping[str, Mapping[str, float]]
    repeats: Mapping[str, RepeatFigures]
    clusters: tuple[Cluster, ...]
    features: tuple[FeatureFigures, ...] = ()

    @property
    def unexplained(self) -> int:
        """Traces that no cause makes equal."""
        return self.tried - self.explained

    @property
    def share_explained(self) -> float:
        """Of the traces that hypotheses were tried on."""
        return self.explained / self.tried if self.tried else 1.0
