"""What a data engineer would write in the place of a task of `recall.py`: two ways that are common, over the same built files."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import ahocorasick
import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType
from support.recall_platform import PRODUCT, Platform

from srp_assets.recall.batch import TaskSpec

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

Holds = Callable[[list[str], "Column"], "Column"]


def rlike(words: list[str], text: "Column") -> "Column":
    """One regular expression with all words as alternatives."""
    return text.rlike("(?i)" + "|".join(re.escape(word) for word in words))


def pandas_udf(words: list[str], text: "Column") -> "Column":
    """A pandas UDF with pyahocorasick, built once in each worker process."""

    @F.pandas_udf(BooleanType())
    def has_word(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        automaton = ahocorasick.Automaton()
        for word in words:
            automaton.add_word(word.lower(), word)
        automaton.make_automaton()
        for batch in batches:
            yield batch.map(lambda value: value is not None and next(automaton.iter(value.lower()), None) is not None)

    return has_word(text)


def cases(platform: Platform, spec: TaskSpec, holds: Holds) -> set[int]:
    """The comments that a task recalls."""
    lists = [list(spec.strategy.lists[f"{kind}-{spec.task_id.split('-')[1]}@1"].words) for kind in ("post", "comment")]
    posts = table(platform, "post").filter(
        F.coalesce(holds(lists[0], F.col("title")), F.lit(False)) | F.coalesce(holds(lists[0], F.col("body")), F.lit(False))
    )
    comments = table(platform, "comment").filter(F.col("parent_id").isNull()).filter(holds(lists[1], F.col("text")))
    return {row["comment_id"] for row in comments.join(posts.select("post_id"), "post_id").select("comment_id").distinct().collect()}


def table(platform: Platform, entity: str) -> "DataFrame":
    """The visible rows of an entity as plain Parquet files."""
    files = [file for build in platform.builds()[entity] if build.product == PRODUCT for file in build.files if file.visible]
    return platform.spark.read.parquet(*[platform.storage.address(file.path) for file in files])
