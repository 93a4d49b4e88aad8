"""The demo's last part: features of the sample shop's impressions, training sets of them, and a model of each configured kind."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from srp_assets.cli_common import Home

if TYPE_CHECKING:
    from srp_assets.console import Report

LEAST_AUC = 0.6
"""Of every model on the sample shop: its clicks follow from quality, taste, query and place, which features know of."""


@dataclass(frozen=True)
class ModelsAnswer:
    """What was trained.

    Args:
        days: training sets.
        rows: in all of them.
        models: the newest version of each configured model, in the shape of `srp models list`.
    """

    days: int
    rows: int
    models: list[dict[str, Any]]

    @property
    def good(self) -> bool:
        """Whether every model tells clicks from what was not clicked."""
        return bool(self.models) and all(found["metrics"].get("auc_clicked", 0) >= LEAST_AUC for found in self.models)

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        return {"training_days": self.days, "training_rows": self.rows, "models": self.models, "good": self.good}


def demo_models(home: Home, newest: str, report: "Report") -> ModelsAnswer:
    """Builds what is stale of features and training sets through Dagster, and trains every configured model that this home has not yet.

    Args:
        home: of the demo.
        newest: the day by which training ends.
        report: told how far it is.
    """
    from srp_assets.cli_models import versions_of
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.cli_training import home_training
    from srp_assets.features.building.days import stale_days as stale_features
    from srp_assets.models.assets import load_models
    from srp_assets.training.building import stale_days
    from srp_assets.training.registry import current_sets

    places = home_training(home)
    buckets = home.settings.features_buckets
    with LocalRuns(home, progress=report) as runs:
        for table in ("partials", "impressions"):
            with home.engine.connect() as connection:
                days = stale_features(connection, table, places.layout, buckets)
            runs.build_features(table, days)
        with home.engine.connect() as connection:
            days = stale_days(connection, places)
        runs.build_training_sets(days)
        folder = home.settings.model_configurations
        documents = [] if folder is None else load_models(folder, places)
        for document in documents:
            if not any(found["judged_to"] == newest for found in versions_of(home, document.name)):
                runs.train_model(document.name, newest)
    with home.engine.connect() as connection:
        sets = current_sets(connection, places.identity)
    models = [next(found for found in versions_of(home, document.name) if found["judged_to"] == newest) for document in documents]
    return ModelsAnswer(len(sets), sum(build.rows for build in sets.values()), models)


def print_models(answer: ModelsAnswer) -> None:
    """Shows the measures of each model."""
    from srp_assets.console import number, say, table

    rows = [
        (
            found["name"],
            found["semantic_version"],
            f"{found['trained_from']} to {found['trained_to']}",
            found["judged_to"],
            f"{found['metrics']['auc_clicked']:.4f}",
            f"{found['metrics']['log_loss_clicked']:.4f}",
        )
        for found in answer.models
    ]
    table("models", ("model", "version", "trained on", "judged by", "AUC of clicks", "log loss"), rows, right=("AUC of clicks", "log loss"))
    say(f"training sets: {number(answer.rows)} impressions of {answer.days} days, no leaks found")
    say(f"models: {'all tell what is clicked' if answer.good else 'NOT all tell what is clicked'}")
    say("")
