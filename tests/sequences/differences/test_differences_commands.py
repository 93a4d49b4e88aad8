"""The command and the asset: what they say where nothing is, what they record, and the page that they write."""

from pathlib import Path
from random import Random

import dagster as dg
import pyarrow as pa
from sqlalchemy import Engine

from resources.registry_database import RegistryResource
from srp_assets.features.declaration.loading import load_definitions
from srp_assets.logs.catalogue import load_log_catalogue
from srp_assets.sequences.assets import sequence_places
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.differences.assets import difference_assets, difference_checks
from srp_assets.sequences.differences.registry import newest_differences
from srp_assets.sequences.landing import land_stages
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import SequenceBuild, record_builds, served_files
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage
from support.command_line import INCOMPLETE, srp
from support.drawn_sequences import asked, asked_table, kept_months
from support.feature_logs import random_logs

ERROR = 1


def places_of_home(settings: Settings) -> SequencePlaces:
    assert settings.feature_declarations is not None
    assert settings.sequence_declarations is not None
    assert settings.log_catalogue is not None
    catalogue, logs = load_catalogue(settings.catalogue), load_log_catalogue(settings.log_catalogue)
    return sequence_places(settings, catalogue, logs, settings.feature_declarations, settings.sequence_declarations)


def served_in(settings: Settings, engine: Engine, *, built: bool) -> str:
    """Lands what was served of generated requests, builds the same as their stages, and returns the newest day."""
    assert settings.feature_declarations is not None
    places, definitions = places_of_home(settings), load_definitions(settings.feature_declarations)
    generated = random_logs(Random(4), 40, 5)
    inputs = Inputs(places.document, AttributeIndex(definitions, {}), None)
    stages = pa.concat_tables(computed_stages(inputs, kept_months(definitions, generated.events, 1_000), asked_table(asked(generated))))
    land_stages(engine, places.sequences, stages, "test")
    with engine.begin() as connection:
        days = served_files(connection)
        if built:
            size = places.sequences.write("stages/all.parquet", stages)
            identity, now = places.identity("stages"), days[max(days)][0].landed_at
            files = ("stages/all.parquet",)
            record_builds(
                connection,
                [SequenceBuild(0, "stages", identity, day, "x", 1, "stages", files, stages.num_rows, size, {}, now, None) for day in days],
            )
    return max(days)


def test_the_command_compares_tells_and_writes_the_page(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    assert srp("sequences", "differences", code=ERROR)["error"]["message"] == "nothing is recorded"
    assert srp("sequences", "differences", "--compare", code=ERROR)["error"]["message"] == "nothing was served"
    day = served_in(settings, engine, built=True)
    page = tmp_path / "page.html"
    found = srp("sequences", "differences", "--compare", "--report", page, code=INCOMPLETE)
    assert found["day"] == day
    assert found["figures"]["differing"] == 0
    assert all("too few to judge by" in problems[0] for problems in found["problems"].values())
    assert day in page.read_text(encoding="utf-8")
    assert srp("sequences", "differences", "--day", day, code=INCOMPLETE) == found
    assert srp("sequences", "differences", "--day", "2001-01-01", code=ERROR)["error"]["message"] == "nothing is recorded"


def test_the_asset_records_a_day_and_its_check_blocks(settings: Settings, engine: Engine) -> None:
    day = served_in(settings, engine, built=False)
    places = places_of_home(settings)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*difference_assets(places, Storage(settings.warehouse_location)), *difference_checks(places)],
            instance=instance,
            resources={"registry": RegistryResource()},
            partition_key=day,
            raise_on_error=False,
        )
    with engine.connect() as connection:
        record = newest_differences(connection)[day]
    assert record.reasons == ("the stages of the day are not built",)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert (Path(settings.warehouse_location) / "sequences" / "differences" / f"{day}.html").is_file()
