"""The card of a training set: what stands in some days of it, and which versions of everything upstream it was made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from srp_assets.training.figures import Figures, merged
from srp_assets.training.inputs import SetOptions
from srp_assets.training.registry import SetBuild
from srp_assets.training.schema import TrainingSchema

FIGURES = frozenset(Figures().as_dict())
"""What of a build's figures is added up; the rest stands beside it."""


UPSTREAM = ("logs_build", "features_build")
"""The builds that a day was made from; None for features that were served."""

SEQUENCES_BUILDS = "sequences_builds"
"""Those of the sequences that a day carries, if it carries any."""


@dataclass(frozen=True)
class SetCard:
    """What a card tells.

    Args:
        name: of the declared features.
        identity: of the sets.
        definitions: digest of the declared features.
        options: of the sets.
        days: each day with its build, rows, and the builds that it was made from.
        figures: of all days together.
        weights: how the newest day's rows are weighed.
        versions: of each feature.
        lists: by source of attributes and word list, the versions that features know, each with the digest of its words.
        sequences: of each behaviour sequence that sets carry, the version of its declaration.
    """

    name: str
    identity: str
    definitions: str
    options: SetOptions
    days: Mapping[str, dict[str, Any]]
    figures: Figures
    weights: Mapping[str, Any]
    versions: Mapping[str, str]
    lists: Mapping[str, Mapping[str, Mapping[str, str]]]
    sequences: Mapping[str, str]

    @property
    def rates(self) -> dict[str, float]:
        """The share of rows that have each label."""
        rows = max(1, self.figures.rows)
        return {label: found.positives / rows for label, found in self.figures.labels.items()}

    @property
    def coverage(self) -> dict[str, float]:
        """The share of rows in which each feature has a value."""
        rows = max(1, self.figures.rows)
        return {name: self.figures.features[name].known / rows if name in self.figures.features else 0.0 for name in self.versions}

    def as_dict(self) -> dict[str, Any]:
        """The card as JSON: what runs log and checks compare."""
        return {
            "name": self.name,
            "identity": self.identity,
            "definitions": self.definitions,
            "options": self.options.as_dict(),
            "days": dict(self.days),
            "rows": self.figures.rows,
            "without_features": self.figures.without_features,
            "explored": self.figures.explored,
            "final": self.figures.final,
            "rates": self.rates,
            "weights": {**self.weights, "effective_rows": self.figures.effective_rows, "largest": self.figures.largest_weight},
            "coverage": self.coverage,
            "versions": dict(self.versions),
            "lists": {source: dict(lists) for source, lists in self.lists.items()},
            "sequences": dict(self.sequences),
        }


def card_of(name: str, schema: TrainingSchema, definitions: str, options: SetOptions, builds: Mapping[str, SetBuild]) -> SetCard:
    """The card of some days.

    Args:
        name: of the declared features.
        schema: of the sets.
        definitions: digest of the declared features.
        options: of the sets.
        builds: by day, at least one.
    """
    newest = builds[max(builds)]
    return SetCard(
        name=name,
        identity=newest.identity,
        definitions=definitions,
        options=options,
        days={day: _day(build) for day, build in sorted(builds.items())},
        figures=merged({key: value for key, value in build.figures.items() if key in FIGURES} for build in builds.values()),
        weights=newest.figures["weights"],
        versions=dict(schema.versions),
        lists=_lists_of(builds.values()),
        sequences={own.declared.name: own.version for own in schema.sequences},
    )


def _day(build: SetBuild) -> dict[str, Any]:
    upstream = {name: build.figures.get(name) for name in UPSTREAM}
    if SEQUENCES_BUILDS in build.figures:
        upstream[SEQUENCES_BUILDS] = build.figures[SEQUENCES_BUILDS]
    return {"set": build.set_id, "rows": build.rows, "reads": build.reads, **upstream}


def _lists_of(builds: Iterable[SetBuild]) -> dict[str, dict[str, dict[str, str]]]:
    """The word lists of several days together."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for build in builds:
        for source, lists in build.figures.get("lists", {}).items():
            for name, versions in lists.items():
                known = found.setdefault(source, {}).setdefault(name, {})
                known.update({str(version): digest for version, digest in versions.items()})
    return found
