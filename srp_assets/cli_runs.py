"""Dagster runs in the process of a command: the jobs that the daemon would launch, on the home's instance, so that the UI shows them."""

import logging
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import dagster as dg

from jobs.embeddings import BUILD_SEQUENCES_JOB, TRAIN_EMBEDDINGS_JOB
from jobs.evaluation import EVALUATE_JOB
from jobs.features import BUILD_FEATURES_JOB
from jobs.insights import insights_job
from jobs.local_runs import fail_runs_of_dead_processes, worker_tags
from jobs.logs import BUILD_LOGS_JOB, STITCHED_LOGS
from jobs.models import training_job
from jobs.parity import CHECK_PARITY_JOB
from jobs.recall import RECALL_SENSOR, recall_job, release_batches_of_ended_runs, requests_for_claimed
from jobs.recall_refill import REFILL_JOB, refill_config
from jobs.reopening import FIRST_TAG, LAST_TAG
from jobs.sequences import BUILD_STAGES_JOB
from jobs.training import BUILD_SETS_JOB
from jobs.warehouse import BUILD_JOB
from resources.dagster_home import prepare_dagster_home
from resources.registry_database import RegistryResource
from srp_assets.cli_common import Home
from srp_assets.cli_interrupts import Interrupts
from srp_assets.console import Report
from srp_assets.definitions import build_definitions
from srp_assets.embeddings.assets import ITEMS, SEQUENCES, SequencesBuildConfig, VersionConfig
from srp_assets.errors import SrpError, Unavailable
from srp_assets.evaluation.assets import CHALLENGER, QUALITY, REPLAY, JudgedConfig, QualityConfig
from srp_assets.evaluation.registry import DecisionRecord, decisions_of_run
from srp_assets.features.assets import FeaturesBuildConfig, feature_key
from srp_assets.logs.assets import LogsBuildConfig
from srp_assets.online.parity.assets import PARITY, ParityConfig
from srp_assets.online.parity.registry import ParityRecord, records_of_run
from srp_assets.partitions import RECALL_BATCHES
from srp_assets.recall.claims import claim_window, waiting_tasks
from srp_assets.sequences.assets import STAGES, StagesBuildConfig
from srp_assets.sequences.places import Portraits
from srp_assets.strategy.standing import periods_to_look_into, periods_without_hits
from srp_assets.training.assets import SETS, SetsBuildConfig
from srp_assets.warehouse.assets import BuildConfig, table_key
from srp_assets.warehouse.registry_builds import PeriodKey, stale_periods
from srp_assets.wordlists.assets import hits_key

QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's log goes to its event storage alone: the terminal shows progress."""


class LocalRuns:
    """Runs on the instance of a home; to be used in a `with` block.

    Args:
        home: the opened home.
        progress: told how far the work is.
    """

    def __init__(self, home: Home, *, progress: Report) -> None:
        self._home = home
        self._interrupts = Interrupts()
        progress("preparing", 0, 0)
        # Beta parameters and lost connections are for whoever writes definitions or reads a run's log; a command says how it ended.
        warnings.simplefilter("ignore")
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        # pyspark disables its logger, but Dagster's logging configuration enables all of them again.
        os.environ.setdefault("SPARK_CONNECT_LOG_LEVEL", "CRITICAL")

        def report(step: str, done: int, total: int) -> None:
            self._interrupts.stop_if_any()
            progress(step, done, total)

        self.definitions = build_definitions(settings=home.settings, progress=report)
        self.instance = dg.DagsterInstance.from_config(str(prepare_dagster_home(home.settings)))

    def __enter__(self) -> Self:
        self._interrupts.__enter__()
        self.instance.__enter__()
        fail_runs_of_dead_processes(self.instance)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.instance.__exit__(kind, error, trace)
        self._interrupts.__exit__(kind, error, trace)

    def build(self, keys: Iterable[PeriodKey], hits: Iterable[PeriodKey] = ()) -> None:
        """Builds periods in one run over the range that they span, as a single-run backfill does; what is built in between is left alone.

        Args:
            keys: the periods whose tables are built.
            hits: the periods in which standing word lists are looked for, after their tables are built.

        Raises:
            SrpError: if the run fails; what was built before stays.
        """
        built, looked_into = set(keys), set(hits)
        wanted = sorted(built | looked_into, key=lambda key: key.period)
        if not wanted:
            return
        assets = [table_key(entity) for entity in sorted({key.entity for key in built})]
        assets += [hits_key(entity) for entity in sorted({key.entity for key in looked_into})]
        config = BuildConfig(products=sorted({key.product for key in wanted}), only_changed=True)
        result = self._execute(
            BUILD_JOB,
            asset_selection=assets,
            tags={FIRST_TAG: wanted[0].period, LAST_TAG: wanted[-1].period},
            run_config={"ops": {key.to_python_identifier(): {"config": config.model_dump()} for key in assets}},
        )
        if not result.success:
            raise _failure(result)

    def build_logs(self, days: Sequence[str]) -> None:
        """Stitches days of the logs in one run over the range that they span; what is built in between is left alone.

        Raises:
            SrpError: if the run fails; what was built before stays.
        """
        if not days:
            return
        result = self._execute(
            BUILD_LOGS_JOB,
            tags={FIRST_TAG: min(days), LAST_TAG: max(days)},
            run_config={"ops": {STITCHED_LOGS: {"config": LogsBuildConfig(only_changed=True).model_dump()}}},
        )
        if not result.success:
            raise _failure(result)

    def build_features(self, table: str, days: Sequence[str]) -> None:
        """Builds a table of features for some days in one run over the range that they span; what is built in between is left alone.

        Raises:
            SrpError: if the run fails; what was built before stays.
        """
        if not days:
            return
        key = feature_key(table)
        result = self._execute(
            BUILD_FEATURES_JOB,
            asset_selection=[key],
            tags={FIRST_TAG: min(days), LAST_TAG: max(days)},
            run_config={"ops": {key.to_python_identifier(): {"config": FeaturesBuildConfig(only_changed=True).model_dump()}}},
        )
        if not result.success:
            raise _failure(result)

    def build_stages(self, days: Sequence[str], portraits: Portraits = "computed") -> None:
        """Builds the sequences of requests of some days in one run over the range that they span; what is built in between is left alone.

        Args:
            days: of the requests.
            portraits: what the sequences begin from.

        Raises:
            SrpError: if the run fails; what was built before stays.
        """
        if not days:
            return
        config = StagesBuildConfig(only_changed=True, portraits=portraits)
        result = self._execute(
            BUILD_STAGES_JOB,
            asset_selection=[STAGES],
            tags={FIRST_TAG: min(days), LAST_TAG: max(days)},
            run_config={"ops": {STAGES.to_python_identifier(): {"config": config.model_dump()}}},
        )
        if not result.success:
            raise _failure(result)

    def check_parity(self, day: str, sample: int) -> ParityRecord:
        """Checks a day as the daily run does; returns the record, which may say no.

        Raises:
            SrpError: if the run fails before it has recorded anything.
        """
        result = self._execute(
            CHECK_PARITY_JOB,
            asset_selection=[PARITY],
            tags={FIRST_TAG: day, LAST_TAG: day},
            run_config={"ops": {PARITY.to_python_identifier(): {"config": ParityConfig(sample=sample).model_dump()}}},
        )
        with self._home.engine.connect() as connection:
            records = records_of_run(connection, result.run_id)
        if day not in records:
            raise _failure(result)
        return records[day]

    def build_training_sets(self, days: Sequence[str]) -> None:
        """Builds the training sets of some days in one run over the range that they span; what is built in between is left alone.

        Raises:
            SrpError: if the run fails, or a feature knows what came of its impression; what was built before stays.
        """
        if not days:
            return
        result = self._execute(
            BUILD_SETS_JOB,
            tags={FIRST_TAG: min(days), LAST_TAG: max(days)},
            run_config={"ops": {SETS.to_python_identifier(): {"config": SetsBuildConfig(only_changed=True).model_dump()}}},
        )
        if not result.success:
            raise _failure(result)

    def build_session_sequences(self, days: Sequence[str]) -> None:
        """Builds the session sequences of some days in one run over the range that they span; what is built in between is left alone.

        Raises:
            SrpError: if the run fails, or a session is not accounted for; what was built before stays.
        """
        if not days:
            return
        result = self._execute(
            BUILD_SEQUENCES_JOB,
            tags={FIRST_TAG: min(days), LAST_TAG: max(days)},
            run_config={"ops": {SEQUENCES.to_python_identifier(): {"config": SequencesBuildConfig(only_changed=True).model_dump()}}},
        )
        if not result.success:
            raise _failure(result)

    def train_embeddings(self, week: str, *, warm: bool) -> None:
        """Makes the version of vectors of a week, given by its Monday.

        Raises:
            SrpError: if the run fails, or the version may not be used; the version before stays current.
        """
        config = {"ops": {ITEMS.to_python_identifier(): {"config": VersionConfig(warm=warm).model_dump()}}}
        result = self._execute(TRAIN_EMBEDDINGS_JOB, partition_key=week, run_config=config)
        if not result.success:
            raise _failure(result)

    def train_model(self, name: str, day: str) -> None:
        """Trains a configured model that is judged by a day, and registers it as a candidate.

        Raises:
            SrpError: if the run fails, or the model orders rows no better than chance.
        """
        result = self._execute(training_job(name), partition_key=day)
        if not result.success:
            raise _failure(result)

    def evaluate_models(self, day: str, names: Sequence[str] = (), *, again: bool = False) -> list[DecisionRecord]:
        """Judges the newest fitting version of some configured models by the days that end with one, as the daily run does.

        Args:
            day: the last one that they are judged by.
            names: of the models; all if empty.
            again: evaluates anew what is evaluated already.

        Returns:
            What was decided, in order; of the one that became champion twice.

        Raises:
            SrpError: if the run fails before it has decided anything; a refusal is a decision.
        """
        config = JudgedConfig(models=[*names]).model_dump()
        of_assets = {REPLAY: config, CHALLENGER: config, QUALITY: QualityConfig(models=[*names], again=again).model_dump()}
        run_config = {"ops": {key.to_python_identifier(): {"config": own} for key, own in of_assets.items()}}
        result = self._execute(EVALUATE_JOB, partition_key=day, run_config=run_config)
        with self._home.engine.connect() as connection:
            decisions = decisions_of_run(connection, result.run_id)
        if not decisions and not result.success:
            raise _failure(result)
        return decisions

    def build_everything(self) -> None:
        """Builds everything that landed and is not built, and looks for the standing word lists wherever they were not looked for."""
        with self._home.engine.connect() as connection:
            keys = stale_periods(connection)
            hits = periods_to_look_into(connection, self._home.catalogue, keys)
        self.build(keys, hits)

    def keep_hits(self) -> SrpError | None:
        """Looks for the standing word lists wherever they were not looked for, as the daemon's sensor would; why that failed, if it did.

        Answers never wait for this: it comes after them, for the next ones.
        """
        with self._home.engine.connect() as connection:
            hits = periods_without_hits(connection, self._home.catalogue)
        try:
            self.build((), hits)
        except SrpError as error:
            return error
        return None

    def tick(self) -> Sequence[dg.RunRequest]:
        """Evaluates the sensor as the daemon does; returns the runs that it asks for."""
        sensor = self.definitions.resolve_sensor_def(RECALL_SENSOR)
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            resources={"registry": RegistryResource()},
            definitions=self.definitions,
        ) as context:
            return list(sensor.evaluate_tick(context).run_requests or ())

    def recall_now(self) -> list[str]:
        """Builds what waiting tasks need, closes the window and runs every claimed batch to its end; returns their ids."""
        with self._home.engine.connect() as connection:
            needed = {key: None for entry in waiting_tasks(connection) for key in entry.unbuilt}
        self.build(needed)
        with self._home.engine.begin() as connection:
            claim_window(connection, self._home.settings, now=datetime.now(UTC), at_once=True)
        return self.run_claimed()

    def run_claimed(self) -> list[str]:
        """Runs every claimed batch, also those that a dead run left behind, until each is done or has failed; returns their ids."""
        release_batches_of_ended_runs(self._home.engine, self._home.settings, self.instance)
        ran: dict[str, None] = {}
        while requests := requests_for_claimed(self._home.engine, self._home.settings, self.instance):
            for request in requests:
                self.run_request(request)
                ran[str(request.partition_key)] = None
        return list(ran)

    def run_request(self, request: dg.RunRequest) -> bool:
        """Executes what the sensor would have the daemon launch; whether the run succeeded. The run itself records why not."""
        self.instance.add_dynamic_partitions(RECALL_BATCHES.name or "", [str(request.partition_key)])
        return bool(self._execute(recall_job.name, partition_key=str(request.partition_key), tags=request.tags).success)

    def count(self, batch_ids: Iterable[str]) -> None:
        """Counts batches and writes the reports of their tasks, each in a run of its own; what is up to date is left as it is.

        Raises:
            SrpError: if a run fails.
        """
        for batch_id in batch_ids:
            self.instance.add_dynamic_partitions(RECALL_BATCHES.name or "", [batch_id])
            result = self._execute(insights_job.name, partition_key=batch_id)
            if not result.success:
                raise _failure(result)

    def refill(self, task_ids: Sequence[str]) -> None:
        """Refills finished tasks in one run.

        Raises:
            SrpError: if the run fails; the tasks stay as they were then.
        """
        result = self._execute(
            REFILL_JOB,
            run_config=refill_config(list(task_ids)).to_config_dict(),
        )
        if not result.success:
            raise _failure(result)

    def _execute(
        self, job: str, *, tags: Mapping[str, str] | None = None, run_config: Mapping[str, Any] | None = None, **selected: Any
    ) -> dg.ExecuteInProcessResult:
        """Runs a job, or the selected part of it. Dagster turns Ctrl-C into a failure of the run; here it is the end.

        Raises:
            KeyboardInterrupt: if the process was told to end.
        """
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**(tags or {}), **worker_tags()},
            run_config={**QUIET, **(run_config or {})},
            raise_on_error=False,
            **selected,
        )
        self._interrupts.stop_if_any()
        return result


def _failure(result: Any) -> SrpError:
    """Why a run in this process failed, as its first failed step says it."""
    where = f"run {result.run_id}"
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            cause = (error.cause or error).message
            # The text of an exception begins with its class.
            text = " ".join(cause.split(": ", 1)[-1].split())
            return Unavailable(f"{event.step_key} failed: {text}", where=where, remedy="see the run in the Dagster UI")
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    if failed:
        return Unavailable(f"the check failed: {', '.join(failed)}", where=where, remedy="see the run in the Dagster UI")
    return Unavailable("the run failed", where=where, remedy="see the run in the Dagster UI")
