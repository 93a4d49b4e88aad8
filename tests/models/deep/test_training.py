"""Training: the order of rows, resuming to the bit, stopping early, seeds, two processes against one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import EncodedFiles, Order, RowFiles
from srp_assets.models.deep.training.together import SharedTraining, train_in_processes
from srp_assets.models.deep.training.trainer import Start, Trained, Training
from srp_assets.models.measures import log_loss
from srp_assets.models.training import train
from srp_assets.training.reader import SetReader
from srp_assets.training.schema import TrainingSchema
from srp_assets.warehouse.storage import Storage
from support.training_rows import VALUE_TYPES, document_of, rows_of, write_days

DROPPED: dict[str, Any] = {"kind": "deepfm", "hidden": [8, 4], "dropout": 0.2}
SETTINGS: dict[str, Any] = {"batch_rows": 32, "epochs": 3, "learning_rate": 0.02, "mixed_row_groups": 2, "memory_rows": 0, "patience": 5}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_days(tmp_path_factory.mktemp("days"), 3, 250)


@pytest.fixture
def files(paths: list[str]) -> RowFiles:
    return RowFiles(paths[:2])


@pytest.fixture
def validation(paths: list[str]) -> RowFiles:
    return RowFiles(paths[2:])


def weights_of(trained: Trained) -> dict[str, Tensor]:
    return trained.model.state_dict()


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_an_epoch_has_every_row_once_and_each_epoch_another_order(files: RowFiles) -> None:
    order = Order(mixed_row_groups=2, batch_rows=32, seed=4)
    first, second = order.chunks(files.groups, 0), order.chunks(files.groups, 1)
    assert sorted(group for chunk in first for group in chunk) == sorted(files.groups)
    assert first != second
    assert first == order.chunks(files.groups, 0)
    batches = order.batches(150, 0, 1)
    assert sorted(place for one in batches for place in one) == list(range(150))
    assert [len(one) for one in batches] == [30] * 5
    assert not np.array_equal(np.concatenate(batches), np.concatenate(order.batches(150, 0, 2)))


def test_days_are_mixed_within_a_batch(paths: list[str]) -> None:
    files = RowFiles(paths)
    chunks = Order(mixed_row_groups=4, batch_rows=32, seed=1).chunks(files.groups, 0)
    assert len({group.path for group in chunks[0]}) > 1


def test_in_the_order_of_events_nothing_is_shuffled(files: RowFiles) -> None:
    order = Order(mixed_row_groups=1, batch_rows=64, seed=None)
    assert [chunk[0] for chunk in order.chunks(files.groups, 0)] == list(files.groups)
    assert np.concatenate(order.batches(100, 0, 0)).tolist() == list(range(100))


def test_rows_kept_in_memory_are_the_rows_of_the_files(files: RowFiles) -> None:
    document = document_of(DROPPED, training={**SETTINGS, "memory_rows": 0})
    encoder = Training(document, files).encoder
    kept, read = EncodedFiles(files, encoder, 10_000), EncodedFiles(files, encoder, 0)
    for _ in range(2):
        for one, other in zip(kept.chunks([files.groups[:2]]), read.chunks([files.groups[:2]]), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one.inputs.arrays, other.inputs.arrays, strict=True))
            assert len(one) == 200


class Stopped(Exception):
    """What a test stops a training with."""


@pytest.mark.parametrize(
    ("architecture", "stop_after"),
    # In the first chunk, between two looks, in a later epoch; the last ones with layers that keep running means.
    [
        (DROPPED, 3),
        (DROPPED, 11),
        (DROPPED, 30),
        ({"kind": "din", "hidden": [8], "attention_hidden": [4]}, 17),
        ({"kind": "sim", "searched": ["found"], "hidden": [8], "attention_hidden": [4]}, 17),
    ],
)
def test_a_resumed_training_ends_as_if_it_had_never_stopped(
    architecture: dict[str, Any], stop_after: int, files: RowFiles, validation: RowFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Patient enough to see all epochs.
    document = document_of(architecture, training={**SETTINGS, "validate_rows": 200, "patience": 20})
    whole = Training(document, files, validation).run()
    steps = iter(range(10_000))
    step = Training.step

    def stopping(self: Training, *arguments: Any) -> Tensor:
        if next(steps) >= stop_after:
            raise Stopped
        return step(self, *arguments)

    monkeypatch.setattr(Training, "step", stopping)
    with pytest.raises(Stopped):
        Training(document, files, validation, folder=tmp_path, checkpoint_rows=64).run()
    monkeypatch.setattr(Training, "step", step)
    begun = Training(document, files, validation, folder=tmp_path, checkpoint_rows=64)
    resumed = begun.run()
    assert equal(weights_of(resumed), weights_of(whole))
    assert resumed.looks == whole.looks
    assert resumed.rows == whole.rows == 1500
    # Ended is ended.
    assert equal(weights_of(Training(document, files, validation, folder=tmp_path).run()), weights_of(whole))


def test_a_checkpoint_of_something_else_is_refused(files: RowFiles, tmp_path: Path) -> None:
    short = {**SETTINGS, "epochs": 1}
    Training(document_of({"kind": "lr"}, training=short), files, folder=tmp_path).run()
    with pytest.raises(InvalidInput, match="of another configuration or of other files"):
        Training(document_of({"kind": "lr"}, training={**short, "seed": 9}), files, folder=tmp_path).run()


def test_a_seed_decides_everything(files: RowFiles) -> None:
    def run(seed: int) -> dict[str, Tensor]:
        return weights_of(Training(document_of(DROPPED, training={**SETTINGS, "epochs": 1, "seed": seed}), files).run())

    before = torch.get_rng_state()
    assert equal(run(1), run(1))
    assert not equal(run(1), run(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_training_stops_when_looks_become_worse_and_keeps_the_best(files: RowFiles, validation: RowFiles) -> None:
    document = document_of({"kind": "fm"}, training={**SETTINGS, "epochs": 60, "learning_rate": 0.2, "patience": 2})
    training = Training(document, files, validation)
    trained = training.run()
    losses = [look.loss for look in trained.looks]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 60
    training.model.load_state_dict(trained.model.state_dict())
    assert training.look_at(training.validation).loss == pytest.approx(min(losses))
    assert trained.looks[best].auc["clicked"] > 0.6


def test_a_later_training_goes_on_from_the_weights_of_an_earlier_one(files: RowFiles, validation: RowFiles) -> None:
    document = document_of({"kind": "fm"}, training=SETTINGS)
    base = Training(document, files, validation).run()
    start = Start(base.encoder.state, base.model.state_dict())
    later = Training(document, validation, start=start)
    assert equal(later.model.state_dict(), weights_of(base))
    assert later.encoder.state == base.encoder.state
    assert not equal(weights_of(later.run()), weights_of(base))


def test_probabilities_are_right_again_after_negative_down_sampling(tmp_path: Path) -> None:
    paths = []
    for day in range(3):
        rows = rows_of(1_000, 40 + day)
        paths.append(str(tmp_path / f"{day}.parquet"))
        pq.write_table(rows.append_column("event_id", pa.array([f"{day}-{row}" for row in range(1_000)])), paths[-1], row_group_size=250)
    settings = {**SETTINGS, "epochs": 4, "negative_share": 0.25}
    document = document_of({"kind": "lr"}, bias=None, training=settings)
    sampled = Training(document, RowFiles(paths[:2]), RowFiles(paths[2:])).run()
    rows = pq.read_table(paths[2])
    clicked, ranker = rows["clicked"].to_numpy(), DeepRanker(document, sampled.encoder, sampled.model)
    clicks = sum(int(pq.read_table(path)["clicked"].to_numpy().sum()) for path in paths[:2])
    assert sampled.rows / 4 == pytest.approx(clicks + 0.25 * (2_000 - clicks), rel=0.1)
    assert ranker.score(rows)["clicked"].mean() == pytest.approx(clicked.mean(), abs=0.03)
    # Looks see all rows of the validation, and the probabilities that will be served.
    served = log_loss(clicked, ranker.score(rows)["clicked"], rows["weight"].to_numpy())
    assert min(look.log_loss["clicked"] for look in sampled.looks) == pytest.approx(served)
    ranker.save(tmp_path / "model")
    assert (DeepRanker.load(tmp_path / "model").score(rows)["clicked"] == ranker.score(rows)["clicked"]).all()
    with pytest.raises(InvalidInput, match="negative_share"):
        document_of({"kind": "esmm"}, training=settings)


def test_a_gradient_limit_bounds_a_step(files: RowFiles) -> None:
    settings = {**SETTINGS, "epochs": 1, "optimizer": "sgd", "learning_rate": 1.0, "batch_rows": 500, "mixed_row_groups": 256}
    document = document_of({"kind": "deepfm", "hidden": [8]}, training={**settings, "gradient_limit": 0.001})
    training = Training(document, files)
    before = {name: parameter.detach().clone() for name, parameter in training.model.named_parameters() if ".tables." not in name}
    trained = training.run()
    after = dict(trained.model.named_parameters())
    moved = sum(float((after[name].detach() - one).pow(2).sum()) for name, one in before.items()) ** 0.5
    assert moved == pytest.approx(0.001, rel=1e-3)


def test_two_processes_train_the_model_of_one(paths: list[str], tmp_path: Path) -> None:
    def trained(processes: int) -> DeepRanker:
        document = document_of({"kind": "deepfm", "hidden": [8, 4]}, training={**SETTINGS, "epochs": 2, "processes": processes})
        folder = Path(paths[0]).parent.parent
        by_day = {f"day={day}": (str(Path(path).relative_to(folder)),) for day, path in enumerate(paths)}
        schema = TrainingSchema(("order",), VALUE_TYPES, {})
        readers = [SetReader(Storage(str(folder)), schema, {day: by_day[day] for day in days}) for days in (list(by_day)[:2], ["day=2"])]
        found = train(document, readers[0], readers[1], tmp_path / str(processes))
        assert isinstance(found, DeepRanker)
        return found

    alone, together = trained(1), trained(2)
    wanted, found = alone.model.state_dict(), together.model.state_dict()
    assert set(found) == set(wanted)
    for name, one in wanted.items():
        # Adam turns the rounding of a gradient near zero into a step of its own: weights agree to a fraction of one step.
        assert found[name].numpy() == pytest.approx(one.numpy(), abs=2e-3), name
    rows = rows_of(100, 77)
    assert together.score(rows)["clicked"] == pytest.approx(alone.score(rows)["clicked"], abs=1e-3)


@pytest.mark.nightly
def test_processes_that_fail_are_told(tmp_path: Path) -> None:
    broken = SharedTraining(document_of(DROPPED), RowFiles([str(tmp_path / "none.parquet")]), None, tmp_path)
    with pytest.raises(Unavailable, match="processes of a training ended with"):
        train_in_processes(broken, 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no accelerator that torch knows")
def test_an_accelerator_trains_what_the_processor_trains(files: RowFiles) -> None:
    from srp_assets.models.deep.training.processes import Together

    document = document_of({"kind": "deepfm", "hidden": [8]}, training={**SETTINGS, "epochs": 1})
    there = Training(document, files, together=Together(0, 1, torch.device("cuda"))).run()
    here = Training(document, files, together=Together(0, 1, torch.device("cpu"))).run()
    for name, one in weights_of(here).items():
        assert weights_of(there)[name].numpy() == pytest.approx(one.numpy(), abs=2e-3), name
