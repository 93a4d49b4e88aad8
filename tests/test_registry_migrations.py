"""The migrations give exactly the tables that the domains declare, on both databases."""

import importlib
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import MetaData, inspect

from resources.registry_database import MIGRATIONS, open_registry
from srp_assets.settings import PROJECT_ROOT, Settings


def registry_modules() -> list[ModuleType]:
    """Every domain's modules that declare tables."""
    files = sorted((PROJECT_ROOT / "srp_assets").rglob("registry*.py"))
    return [importlib.import_module(".".join(file.relative_to(PROJECT_ROOT).with_suffix("").parts)) for file in files]


def declared() -> MetaData:
    """The tables of all domains in one metadata."""
    merged = MetaData()
    for metadata in {id(module.metadata): module.metadata for module in registry_modules() if hasattr(module, "metadata")}.values():
        for table in metadata.sorted_tables:
            table.to_metadata(merged)
    return merged


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    if request.param == "sqlite":
        return settings
    return settings.model_copy(update={"database_url": SecretStr(request.getfixturevalue("postgres_database"))})


def test_the_migrated_schema_is_the_declared_one(database_settings: Settings) -> None:
    engine = open_registry(database_settings)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": "registry_version"})
            differences = compare_metadata(context, declared())
    finally:
        engine.dispose()
    assert differences == []


def test_every_domain_declares_tables_with_its_own_name(settings: Settings) -> None:
    modules = [module for module in registry_modules() if hasattr(module, "metadata")]
    assert modules
    for module in modules:
        domain = module.__name__.split(".")[1]
        assert all(name.startswith(f"{domain}_") for name in module.metadata.tables), module.__name__
    engine = open_registry(settings)
    assert set(inspect(engine).get_table_names()) == {*declared().tables, "registry_version"}
    engine.dispose()


def test_each_domain_has_one_line_of_migrations() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    domains = [revision.module.__name__ for revision in scripts.walk_revisions() if revision.is_base]
    assert len(scripts.get_heads()) == len(domains)
