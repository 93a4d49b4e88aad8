import numpy as np
import pyarrow as pa
import pytest

from srp_assets.embeddings.vectors import ItemVectors, read_vectors, write_vectors
from srp_assets.errors import InvalidInput
from srp_assets.warehouse.storage import Storage

VECTORS = np.array([[3, 4], [0, 0], [-4, 3]], np.float32)


def three() -> ItemVectors:
    return ItemVectors("w-2024-03-04-7", pa.array(["a", "b", "c"]), VECTORS)


def test_vectors_come_back_as_they_were_written(storage: Storage) -> None:
    assert write_vectors(storage, "vectors/one.parquet", three(), {"market": pa.array(["de", None, "fr"])}) > 0
    found = read_vectors(storage, "vectors/one.parquet")
    assert (found.version, found.ids.to_pylist()) == ("w-2024-03-04-7", ["a", "b", "c"])
    np.testing.assert_array_equal(found.vectors, VECTORS)
    assert found.vectors.dtype == np.float32


def test_a_file_of_something_else_is_refused(storage: Storage) -> None:
    storage.write("other.parquet", pa.table({"item_id": ["a"]}))
    with pytest.raises(InvalidInput, match="names no version"):
        read_vectors(storage, "other.parquet")


def test_similarity_is_the_cosine_and_unknown_items_have_none() -> None:
    found = three().similarity(["a", "a", "a", "z"], ["a", "c", "b", "a"])
    np.testing.assert_allclose(found, [1, 0, 0, np.nan], atol=1e-7)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (["a"], VECTORS, "have vectors of shape"),
        (["a", "b", "c"], VECTORS[:, 0], "have vectors of shape"),
        (["a", "b", "a"], VECTORS, "there twice"),
        (["a", None, "b"], VECTORS, "is missing"),
    ],
)
def test_ids_that_do_not_fit_are_refused(ids: list[str | None], vectors: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ItemVectors("v", pa.array(ids, pa.string()), vectors)
