"""What every trained model can do, whatever library made it: the interface between models and all that uses them."""

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import pyarrow as pa

from srp_assets.models.config.document import ModelDocument


class Ranker(Protocol):
    """A trained model.

    A folder that `save` filled holds all that `load` needs, and nothing that names another file of this machine. The class is found again
    by `document.architecture.kind` (`serving.py`).
    """

    @property
    def document(self) -> ModelDocument:
        """The configuration that it was trained with, every input's encoding written out."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that `score` reads; other columns may be there and do not count."""

    def score(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The probability of each label for each row, without what its bias tower knows of how rows were shown.

        Args:
            table: the columns of a training set that `columns` names; null is a missing value.

        Returns:
            By label a float64 array, shape (rows,). A lambdarank model gives a score by which to order instead.

        Raises:
            InvalidInput: if a column is missing or of another type.
        """

    def save(self, folder: Path) -> None:
        """Writes the model into an empty or new folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a model that `save` wrote.

        Raises:
            InvalidInput: if the folder holds no such model, or one of a form that this version cannot read.
        """
