"""Settings, read from the environment (prefix `SRP_`) when they are asked for, never at import.

The default is everything embedded under one home folder; each setting moves one part to a server.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """All settings of the product; README.md lists them with their meaning for a user."""

    model_config = SettingsConfigDict(env_prefix="SRP_", frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    home: Path = Field(Path(".srp"), description="folder of everything that the embedded default keeps")
    catalogue: Path = Field(
        PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml", description="YAML file that declares products and entities"
    )
    features: Path | None = Field(
        None, description="YAML file that declares features; `features.yaml` beside the file of logs if unset and there is one"
    )
    logs: Path | None = Field(None, description="YAML file that declares logs; `logs.yaml` beside the catalogue if unset and there is one")
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy address of the registry and of Dagster's storage (PostgreSQL); SQLite in the home if unset"
    )
    warehouse_url: str | None = Field(
        None, description="folder or object-store address of landing, builds and cases; the home's folder `warehouse` if unset"
    )
    spark_remote: str | None = Field(
        None, validation_alias="SPARK_REMOTE", description="address of a Spark Connect server; a local one is started if unset"
    )
    spark_master: str = Field("local[*]", description="master of the local Spark server")
    spark_memory: str = Field("2g", description="memory of the local Spark server's JVM")
    spark_port: int = Field(0, ge=0, le=65535, description="port of the local Spark server; 0 takes a free one")
    recall_window_seconds: float = Field(300, ge=0, description="a batch closes when its oldest waiting task is this old")
    recall_window_tasks: int = Field(50, ge=1, description="a batch closes at once when this many tasks wait")
    recall_retention_days: float = Field(30, gt=0, description="batches older than this lose their partition, scratch and cases")
    recall_attempts: int = Field(3, ge=1, description="how often a task is tried before it has failed; the last time alone")
    recall_lease_seconds: float = Field(60, gt=0, description="a batch whose run gave no sign of life for so long is tried anew")
    recall_merge_ratio: float = Field(10, ge=1, description="a batch reads at most so many times the rows that each of its tasks reads")
    recall_batch_cost: float = Field(1e11, gt=0, description="a batch is split where its rows times its tasks exceed this")
    recall_slo_minutes: float = Field(30, gt=0, description="a task should have ended so long after its submission")
    recall_refill_roots: int = Field(
        10_000, ge=0, description="a refill evaluates up to so many touched join keys alone; where more are touched, the whole task"
    )
    notify_url: SecretStr | None = Field(None, description="http or https address that is told of every task that ends")
    notify_secret: SecretStr | None = Field(None, description="key that signs what is told")
    broadcast_rows: int = Field(1_000_000, ge=0, description="join keys up to this number are broadcast; more go through the bucketed join")
    worker_rows: int = Field(
        100_000, ge=0, description="tasks whose objects have up to so many candidates are joined in one worker's memory; others by Spark"
    )
    estimate_share: float = Field(0.01, gt=0, le=1, description="share of the roots that an estimate before submission looks at")
    estimate_whole_rows: int = Field(100_000, ge=0, description="a task that reads at most so many rows is estimated on all of them")
    recall_share_limit: float = Field(
        0.2, gt=0, le=1, description="a task that would return more than this share of its table asks for --yes"
    )
    statistics_exemptions: bool = Field(
        True, description="statistics of a batch also scan for what the exemptions of word lists silence; it costs another merged scan"
    )
    precision_threshold: float = Field(
        0.5, ge=0, le=1, description="words, and all else, whose precision lies under this share with confidence are flagged"
    )
    features_buckets: int = Field(8, ge=1, le=4096, description="buckets of partial sums of features; another number builds them anew")
    sequences: Path | None = Field(
        None, description="YAML file that declares behaviour sequences; `sequences.yaml` beside the file of features if unset"
    )
    sequences_buckets: int = Field(8, ge=1, le=4096, description="buckets of what is kept of users' months; another number keeps them anew")
    sequences_slack: float = Field(1.25, ge=1, description="how many times the length of a portrait is kept of a user's month")
    sequences_split_rows: int = Field(5_000, ge=1, description="requests whose sequences one task computes at once")
    redis_url: SecretStr | None = Field(
        None, description="address of the Redis of the online side (redis://, rediss:// or unix://); one in the home is started if unset"
    )
    redis_password: SecretStr | None = Field(None, description="password of that Redis, where its address has none")
    redis_timeout_ms: float = Field(100, gt=0, description="a request waits so long for Redis before it is answered by defaults")
    training_features: Literal["recomputed", "served"] = Field(
        "recomputed", description="whether training sets take features as they are recomputed from the logs, or as they were served"
    )
    training_weighting: Literal["given", "randomised", "regression_em", "none"] = Field(
        "given",
        description="what rows of training sets are weighed by: logged propensities, how likely their places are looked at (estimated from "
        "what chance chose, or by regression EM), or nothing",
    )
    training_weight_limit: float = Field(20, ge=1, description="largest weight of a row of a training set before weights are normalised")
    training_window_days: int = Field(13, ge=0, description="days before its own by which a training set estimates examination")
    training_sequences: tuple[str, ...] = Field(
        (), description="names of the declared behaviour sequences that training sets carry, each for its row's request and item"
    )
    training_days: int = Field(90, ge=1, description="dates that a model is trained on, before the gap for late labels")
    models: Path | None = Field(
        None, description="folder of YAML files that configure models; `models` beside the file of features if unset"
    )
    models_cluster_folder: Path | None = Field(
        None,
        description="folder that all Spark executors reach under this path; where it is set, deep models of several processes train as "
        "tasks of Spark, else as processes of this machine",
    )
    embeddings: Path | None = Field(
        None, description="YAML file that declares embeddings; `embeddings.yaml` beside the file of logs if unset and there is one"
    )
    mlflow_url: SecretStr | None = Field(None, description="address of MLflow's tracking server or database; SQLite in the home if unset")
    mlflow_artifacts: str | None = Field(None, description="where MLflow keeps files of new experiments; the home if both are unset")
    gate_step: str = Field("clicked", description="the label by which models are judged: clicked, or a step of the funnel")
    gate_days: int = Field(3, ge=1, description="days by which a model is judged, all of them after those that its training used")
    gate_metric: str = Field("auc", description="the metric that a candidate must be better in")
    gate_least_gain: float = Field(0.0, description="the interval of its gain over the champion must lie above this")
    gate_too_good: float = Field(0.02, gt=0, description="a gain above it is held until a person has looked for a leak")
    gate_tolerances: dict[str, float] = Field(
        {"gauc": 0.002, "log_loss": 0.002}, description="by how much each of these metrics may certainly be worse than the champion's"
    )
    gate_slice_tolerance: float = Field(0.01, ge=0, description="by how much the metric may certainly be worse in a slice or another step")
    gate_least_labelled: int = Field(100, ge=1, description="rows with the label that an evaluation needs")
    gate_floors: dict[str, float] = Field(
        {"auc": 0.55, "gauc": 0.52}, description="what the lower bounds of a first model's metrics must reach"
    )
    gate_calibration: tuple[float, float] = Field(
        (0.8, 1.25), description="bounds of predicted over observed that a first model's interval must touch"
    )
    gate_parity_days: int = Field(3, ge=1, description="days up to the end of training that must have a passing parity record")
    gate_oldest_days: int = Field(7, ge=1, description="records older than so many days count no more")
    gate_replay_tolerance: float = Field(
        0.02, ge=0, description="by how much, as a share of its value, a policy may certainly be worse than the one that it replaces"
    )
    gate_least_effective_rows: float = Field(1_000, ge=1, description="choices that a replay must rest on")
    gate_needs_experiment: bool = Field(False, description="a champion needs the verdict of an online experiment")
    gate_estimator: Literal["ips", "snips", "dr", "switch_dr"] = Field("dr", description="the estimator by which a policy's value is told")
    gate_temperature: float = Field(0.5, gt=0, description="how surely a replayed policy chooses its best candidate, in log-odds")
    gate_exploration: float = Field(0.05, ge=0, le=1, description="share of the choices that a replayed policy leaves to chance")
    gate_replay_requests: int = Field(50_000, ge=1, description="requests that are replayed at most")
    build_retention_hours: float = Field(24, gt=0, description="a replaced build is kept this long for the scans that read it")

    @field_validator("notify_url")
    @classmethod
    def _is_a_web_address(cls, value: SecretStr | None) -> SecretStr | None:
        # It may hold a password: the error does not repeat it.
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("this is no web address; write http://host/path or https://host/path")
        return value

    @property
    def home_folder(self) -> Path:
        """The home as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def log_catalogue(self) -> Path | None:
        """The file that declares logs; None where this home has none."""
        beside = self.catalogue.parent / "logs.yaml"
        return self.logs or (beside if beside.is_file() else None)

    @property
    def feature_declarations(self) -> Path | None:
        """The file that declares features; None where this home has none."""
        beside = (self.log_catalogue or self.catalogue).parent / "features.yaml"
        return self.features or (beside if beside.is_file() else None)

    @property
    def embedding_declarations(self) -> Path | None:
        """The file that declares embeddings; None where this home has none."""
        beside = (self.log_catalogue or self.catalogue).parent / "embeddings.yaml"
        return self.embeddings or (beside if beside.is_file() else None)

    @property
    def sequence_declarations(self) -> Path | None:
        """The file that declares behaviour sequences; None where this home has none."""
        beside = (self.feature_declarations or self.catalogue).parent / "sequences.yaml"
        return self.sequences or (beside if beside.is_file() else None)

    @property
    def model_configurations(self) -> Path | None:
        """The folder of files that configure models; None where this home has none."""
        beside = (self.feature_declarations or self.catalogue).parent / "models"
        return self.models or (beside if beside.is_dir() else None)

    @property
    def warehouse_location(self) -> str:
        """Where landing, builds and cases are kept: an absolute path or an object-store address."""
        return self.warehouse_url or str(self.home_folder / "warehouse")

    @property
    def registry_url(self) -> str:
        """SQLAlchemy address of the registry database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home_folder / 'registry.sqlite'}"
