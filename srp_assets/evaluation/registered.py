"""Candidates of all configured models as versions of one registered model, of which one is champion.

Every configured model registers its candidates under its own name. Whoever competes for champion is entered here as a version more: of the
same run, so that the model itself is kept once.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from resources.mlflow_versions import RegisteredVersions
from srp_assets.errors import InvalidInput
from srp_assets.evaluation.comparing import VersionedRanker
from srp_assets.evaluation.gate.evidence import ModelVersion
from srp_assets.evaluation.gate.keeping import keep_version, kept_version
from srp_assets.models.candidates import VERSIONS_FILE
from srp_assets.models.serving import load_ranker

CHAMPION_MODEL = "ranker"
"""Name of the registered model that has a champion."""

CONTENDER_TAG = "contender"
"""The tag that names the configured model and version that an entry is of."""


def made_of(model: str, version: str, versions: Mapping[str, Any]) -> ModelVersion:
    """What a version was made of, from what its run keeps (`models/candidates.py`).

    Args:
        model: name of the registered model.
        version: of it.
        versions: the content of the run's file of versions.

    Raises:
        InvalidInput: if the file does not say it.
    """
    try:
        days, stopped = ([date.fromisoformat(day) for day in versions["split"][part]] for part in ("train", "validation"))
        return ModelVersion(
            model=model,
            version=version,
            semantic_version=versions["semantic_version"],
            features=versions["features"],
            training_first=days[0],
            training_last=days[-1],
            training_data=versions["data"]["digest"],
            stopped_last=max(stopped, default=None),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        where = f"{model} version {version}"
        raise InvalidInput(f"{VERSIONS_FILE} of its run does not say what it was made of", where=where, remedy="train it again") from error


def enter(versions: RegisteredVersions, name: str, number: str) -> ModelVersion:
    """Makes a candidate of a configured model a version of the registered one; of one that is entered already, says which.

    Args:
        versions: of the registered model.
        name: of the configured model.
        number: of its version.

    Raises:
        InvalidInput: if there is no such candidate, or it does not say what it was made of.
    """
    tracking, contender = versions.tracking, f"{name}/{number}"
    found = [known for known in tracking.versions(name) if str(known.version) == number]
    if not found:
        raise InvalidInput(f"{name} has no version {number}", where=versions.model, remedy="see `srp models list`")
    run_id = found[0].run_id
    with TemporaryDirectory() as scratch:
        content = json.loads(tracking.artifact(run_id, VERSIONS_FILE, Path(scratch)).read_text(encoding="utf-8"))
    made_of(versions.model, "0", content)  # what cannot be judged is not entered
    with versions.alone():
        known = [entry for entry in tracking.versions(versions.model) if entry.tags.get(CONTENDER_TAG) == contender]
        version = str(known[0].version) if known else tracking.register(versions.model, run_id, {CONTENDER_TAG: contender})
        entered = made_of(versions.model, version, content)
        # Also of an entry that is there already: who made it may have died before it said this.
        keep_version(versions, entered)
    return entered


def load_version(versions: RegisteredVersions, version: str, folder: Path) -> VersionedRanker:
    """A version of the registered model, ready to score.

    Args:
        versions: of the registered model.
        version: which.
        folder: an empty folder for its files, which must stay while it scores.
    """
    run_id = next(known.run_id for known in versions.tracking.versions(versions.model) if str(known.version) == version)
    return VersionedRanker(kept_version(versions, version), load_ranker(versions.tracking.model_folder(run_id, folder)))
