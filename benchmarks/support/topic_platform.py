"""A platform whose comments are texts with a planted topic, and a task on them that is sampled and marked, for `recommend.py`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from support.recall_platform import Platform

from srp_assets.insights.marks import Mark
from srp_assets.insights.recommend.recommending import control_rows
from srp_assets.insights.registry_marks import add_marks
from srp_assets.insights.sheets.keeping import draw_sheet, keep_sheet
from srp_assets.recall import registry
from srp_assets.recall.claims import claim_window
from srp_assets.recall.service import Workshop, run_batch_now
from srp_assets.recall.submission import submit
from srp_assets.samples.topics import TopicTexts, topic_texts
from srp_assets.strategy.apply import apply_documents
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.schema import TIMESTAMP, entity_schema

PRODUCT = "aurora"
AT_ONCE = 200_000
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 120
DAY = 86_400_000_000

DOCUMENTS = """
kind: word_list
id: topic
owner: bench
words: [{words}]
---
kind: strategy
id: topic
owner: bench
products: [aurora]
objects: {{comment: {{feature: text, match: matches, value: {{word_list: topic}}}}}}
recall: comment
"""


class TopicPlatform:
    """A platform with so many comments, landed and built, of which some are about the topic."""

    def __init__(self, platform: Platform, texts: int, folder: Path) -> None:
        settings = platform.settings.model_copy(update={"recall_window_seconds": 0})
        self.platform = replace(platform, settings=settings)
        self.planted: TopicTexts = topic_texts(PRODUCT, texts, seed=1)
        land_batches(
            platform.engine, platform.storage, platform.catalogue, product=PRODUCT, batches=self._batches(), source="topic", reader="topic"
        )
        platform.build()
        words = np.random.default_rng(1).choice(self.planted.words, len(self.planted.words) // 3, replace=False).tolist()
        self.missing = frozenset(self.planted.words) - frozenset(words)
        documents = folder / "documents.yaml"
        documents.write_text(DOCUMENTS.format(words=", ".join(words)), encoding="utf-8")
        with platform.engine.begin() as connection:
            apply_documents(connection, platform.catalogue, [documents])
        self.workshop = Workshop(platform.engine, platform.storage, platform.catalogue, settings, lambda: platform.spark)

    def _batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        schema = entity_schema(self.platform.catalogue.entities["comment"])
        first = int(FIRST_DAY.timestamp() * 1e6)
        for start in range(0, len(self.planted.texts), AT_ONCE):
            texts = self.planted.texts.slice(start, AT_ONCE)
            numbers = np.arange(start, start + len(texts))
            times = pa.array(first + numbers % DAYS * DAY, pa.int64()).cast(TIMESTAMP)
            columns = {
                "comment_id": pa.array(numbers),
                "post_id": pa.array(numbers % 50_000),
                "user_id": pa.array(numbers % 1_000),
                "text": texts,
                "created_at": times,
                "updated_at": times,
            }
            arrays = [columns[field.name] if field.name in columns else pa.nulls(len(texts), field.type) for field in schema]
            yield "comment", pa.RecordBatch.from_arrays(arrays, schema=schema)

    def run_task(self) -> registry.Task:
        """The task, done."""
        platform = self.platform
        now = datetime.now(UTC)
        with platform.engine.begin() as connection:
            task_id = submit(connection, platform.catalogue, "topic", now=now)
            (batch_id,) = claim_window(connection, platform.settings, now=now, at_once=True).batches
        run_batch_now(self.workshop, batch_id)
        with platform.engine.connect() as connection:
            return registry.task(connection, task_id)

    def mark(self, task: registry.Task, *, size: int, controls: int) -> None:
        """Draws a sheet and marks all of it with the truth."""
        platform, now = self.platform, datetime.now(UTC)
        drawn = control_rows(self.workshop, task, size=controls, seed=1)
        folder = str(task.cases_folder)
        sheet = draw_sheet(platform.storage, task, folder, size=size, seed=1, sheet_id="s-bench", author="bench", now=now, controls=drawn)
        marks = [
            Mark(
                task.task_id,
                row.case,
                "right" if self.planted.is_right[int(row.case.id)] else "wrong",
                None,
                "truth",
                now,
                sheet.sheet_id,
                row.causes,
            )
            for row in sheet.rows
        ]
        with platform.engine.begin() as connection:
            keep_sheet(connection, platform.storage, task, sheet)
            add_marks(connection, marks)
