"""Runs Great Expectations over a frame and says in plain data what was found. Importing this module imports them: 3 to 5 s."""

import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

import great_expectations as gx
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.core.result_format import ResultFormat
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations.expectation import Expectation

from expectations.report import Outcome, Report

REPORTED = ("observed_value", "details", "element_count", "unexpected_count", "unexpected_percent", "partial_unexpected_list")


class ExpectationCrashed(Exception):
    """An expectation could not be evaluated: a mistake in a suite or a missing column, never to be read as bad data."""


def validate(frame: Any, expectations: Sequence[Expectation], engine: Literal["spark", "pandas"]) -> Report:
    """Validates a frame.

    Args:
        frame: a Spark or pandas frame.
        expectations: what is expected of it.
        engine: which of the two it is.

    Raises:
        ExpectationCrashed: if an expectation could not be evaluated.
    """
    context = gx.get_context(mode="ephemeral")
    batch = _batch_definition(context, engine).get_batch(batch_parameters={"dataframe": frame})
    of_rows = [expectation for expectation in expectations if hasattr(expectation, "map_metric")]
    others = [expectation for expectation in expectations if not hasattr(expectation, "map_metric")]
    # Whether rows hold what is expected of each is one query for all of them; which of their values do not is one more query for each.
    results = _results(batch, of_rows, ResultFormat.BOOLEAN_ONLY)
    if not all(result.success for result in results):
        results = _results(batch, of_rows, ResultFormat.SUMMARY)
    return _report([*results, *_results(batch, others, ResultFormat.SUMMARY)])


def validate_with_documents(
    frame: Any, expectations: Sequence[Expectation], engine: Literal["spark", "pandas"], folder: Path, *, suite: str, run: str
) -> tuple[Report, Path]:
    """Validates a frame in a stored context and builds its Data Docs; what the folder held before is replaced.

    Args:
        frame: a Spark or pandas frame.
        expectations: what is expected of it.
        engine: which of the two it is.
        folder: of the context, on a local disk.
        suite: name of what is expected.
        run: name of this validation.

    Returns:
        What was found, and the page of the documents that begins with it.

    Raises:
        ExpectationCrashed: if an expectation could not be evaluated.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    context = gx.get_context(mode="file", project_root_dir=folder)
    batch_definition = _batch_definition(context, engine)
    stored = context.suites.add(gx.ExpectationSuite(suite, expectations=list(expectations)))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=suite, data=batch_definition, suite=stored))
    identity = RunIdentifier(run_name=run, run_time=datetime.now(UTC))
    results = definition.run(batch_parameters={"dataframe": frame}, run_id=identity).results
    site = context.build_data_docs()
    return _report(results), Path(unquote(urlsplit(next(iter(site.values()))).path))


def _batch_definition(context: Any, engine: Literal["spark", "pandas"]) -> Any:
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    # By default the frame would be cached in Spark.
    source = context.data_sources.add_spark("frame", persist=False) if engine == "spark" else context.data_sources.add_pandas("frame")
    return source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")


def _results(batch: Any, expectations: list[Expectation], result_format: ResultFormat) -> list[ExpectationValidationResult]:
    if not expectations:
        return []
    return list(batch.validate(gx.ExpectationSuite("suite", expectations=expectations), result_format=result_format).results)


def _report(results: Sequence[ExpectationValidationResult]) -> Report:
    crashed = [f"{_title(result)}: {message}" for result in results for message in _crashes(result)]
    if crashed:
        raise ExpectationCrashed("; ".join(sorted(crashed)))
    return Report(tuple(sorted((_outcome(result) for result in results), key=lambda outcome: outcome.expectation)))


def _crashes(result: ExpectationValidationResult) -> Iterable[str]:
    # The information about an exception is flat, or keyed by the metric that raised it.
    info: Any = result.exception_info or {}
    parts = [info] if "raised_exception" in info else info.values()
    return {" ".join(str(part["exception_message"]).split())[:500] for part in parts if part["raised_exception"]}


def _title(result: ExpectationValidationResult) -> str:
    configuration = result.expectation_config
    if configuration is None:
        raise ExpectationCrashed("a result does not say what was expected")
    about = [configuration.kwargs.get(name) for name in ("column", "column_A", "column_list", "feature")]
    named = ", ".join(str(value) for value in about if value is not None)
    return f"{configuration.type}({named})"


def _outcome(result: ExpectationValidationResult) -> Outcome:
    details = result.result or {}
    found = {name: details[name] for name in REPORTED if details.get(name) not in (None, [])}
    severity: Any = result.expectation_config.severity if result.expectation_config else None
    return Outcome(_title(result), bool(result.success), getattr(severity, "value", severity) or "critical", found)
