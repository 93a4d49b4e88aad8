"""Tasks that were answered, put straight into the registry."""

from typing import Any

from sqlalchemy import Engine

from srp_assets.recall import registry
from srp_assets.recall.batch import Cell, needed_cells
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import current_builds
from support.recall import add_task, later, popular


def finished(engine: Engine, catalogue: Catalogue, *, follow: bool = False, **limits: Any) -> str:
    """A task on posts and comments that was answered on what is built now."""
    with engine.begin() as connection:
        task_id = add_task(connection, catalogue, strategy=popular("post", "comment"), **limits)
        (spec,) = registry.task_specs(connection, [task_id])
        builds = {entity: current_builds(connection, entity=entity) for entity in catalogue.entities}
        for name, build in needed_cells(catalogue, spec, builds):
            marks = {"build_id": build.build_id, "through_ingest": build.through_ingest}
            cell = Cell(task_id, name, build.product, build.period, 5, 5, 1, **marks)
            connection.execute(registry.recall_cell.insert().values(**vars(cell)))
        connection.execute(
            registry.recall_task.update()
            .where(registry.recall_task.c.task_id == task_id)
            .values(state="done", follow=follow, cases=1, complete=True, cases_folder="cases/x", finished_at=later(9))
        )
    return task_id
