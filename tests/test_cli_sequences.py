"""The commands for behaviour sequences: what is declared, what lands, what they say where nothing is, and building through Dagster."""

from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine

from srp_assets.features.assets import places_of
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.features.reference import first_arrivals
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.declaration import load_sequences
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from support.command_line import INCOMPLETE, srp
from support.drawn_sequences import asked, asked_table, kept_months
from support.feature_files import build_actions, day_of
from support.feature_logs import random_logs

ERROR = 1


def written_stages(settings: Settings, path: Path) -> pa.Table:
    """Stages of generated requests as a service writes them."""
    assert settings.feature_declarations is not None
    assert settings.sequence_declarations is not None
    definitions = load_definitions(settings.feature_declarations)
    document = load_sequences(settings.sequence_declarations, definitions)
    generated = random_logs(Random(4), 40, 5)
    inputs = Inputs(document, AttributeIndex(definitions, {}), None)
    stages = pa.concat_tables(computed_stages(inputs, kept_months(definitions, generated.events, 1_000), asked_table(asked(generated))))
    pq.write_table(stages, path)
    return stages


def test_what_is_declared_and_what_is_not_there(settings: Settings) -> None:
    found = srp("sequences", "list")
    assert [own["name"] for own in found["sequences"]] == ["similar_actions", "earlier_interest", "like_minded"]
    assert found["sequences"][0]["lengths"] == [10_000, 1_000, 100]
    assert found["sequences"][0]["owner"] == "ranking"
    assert found["days"] == []
    assert srp("sequences", "funnel", code=ERROR)["error"]["message"] == "no sequences are built"


def test_what_was_served_lands_once(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "served.parquet"
    stages = written_stages(settings, path)
    assert srp("sequences", "ingest", path) == {"rows": stages.num_rows, "traces": 5, "duplicates": 0}
    assert srp("sequences", "ingest", path, code=INCOMPLETE) == {"rows": 0, "traces": 0, "duplicates": stages.num_rows}
    path.write_text("no Parquet")
    assert srp("sequences", "ingest", path, code=ERROR)["error"]["message"] == "this is no Parquet file"


def test_a_home_without_declarations_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "features.yaml").write_text((Path(__file__).parent / "features" / "small.yaml").read_text())
    monkeypatch.setenv("SRP_FEATURES", str(tmp_path / "features.yaml"))
    error = srp("sequences", "list", code=ERROR)["error"]
    assert (error["message"], error["where"]) == ("this home declares no sequences", "SRP_SEQUENCES")


def test_days_are_built_through_dagster(settings_with_spark: Settings, engine: Engine) -> None:
    assert settings_with_spark.feature_declarations is not None
    definitions = load_definitions(settings_with_spark.feature_declarations)
    places = places_of(settings_with_spark, load_catalogue(settings_with_spark.catalogue))
    events = first_arrivals(random_logs(Random(4), 30, 1).events)
    days = sorted(set(map(day_of, events)))[:2]
    build_actions(engine, places.logs, definitions, [event for event in events if day_of(event) in days], days, 1)
    assert srp("sequences", "build")["built"] == days
    assert srp("sequences", "build")["built"] == []
    assert srp("sequences", "list")["days"] == days
    # Those that begin from logged portraits stand beside the others.
    found = srp("sequences", "build", "--portraits", "logged")
    assert (found["built"], found["logged"]) == (days, 0)
    assert srp("sequences", "build", "--portraits", "logged")["built"] == srp("sequences", "build")["built"] == []
