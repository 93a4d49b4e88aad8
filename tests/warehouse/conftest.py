"""Fixtures of the warehouse's tests: a small catalogue in which everything can happen."""

from pathlib import Path

import pytest

from srp_assets.warehouse.catalogue import Catalogue, load_catalogue

TOWN = """
name: town
products: open
partition_unit: month
first_period: 2024-01
entities:
  post:
    description: the root of a thread; tells when it changed
    key: [post_id]
    bucket_key: post_id
    publish_time: created_at
    updated_at: updated_at
    visible: {column: hidden, test: not_equals, value: true}
    columns:
      post_id: {kind: id, type: int64, required: true, sources: [Id], description: key}
      title: {kind: text, description: a text}
      level: {kind: enum, values: [low, high], description: an enum}
      tags: {kind: array, description: a list}
      scores: {kind: map, type: "map<string,float64>", description: a map}
      hidden: {kind: flag, description: a flag}
      created_at: {kind: time, required: true, formats: ["%d/%m/%Y %H:%M"], description: when it was published}
      updated_at: {kind: time, description: when it was changed}
  answer:
    description: hangs on a post that it names, and does not tell when it changed
    key: [answer_id]
    bucket_key: post_id
    publish_time: created_at
    columns:
      answer_id: {kind: id, type: int64, required: true, description: key}
      post_id: {kind: id, type: int64, required: true, description: its post}
      likes: {kind: metric, description: a number}
      created_at: {kind: time, required: true, description: when it was published}
  comment:
    description: hangs on a post, an answer or another comment, and must find its post
    key: [comment_id]
    bucket_key: post_id
    publish_time: created_at
    root: {column: on_id, entities: [post, answer, comment], keep: {answer: answer_id, comment: parent_id}}
    columns:
      comment_id: {kind: id, type: int64, required: true, description: key}
      on_id: {kind: id, type: int64, description: what it hangs on}
      post_id: {kind: id, type: int64, required: true, description: the post at the root}
      answer_id: {kind: id, type: int64, description: the answer it hangs on}
      parent_id: {kind: id, type: int64, description: the comment it hangs on}
      text: {kind: text, description: a text}
      created_at: {kind: time, required: true, description: when it was published}
  member:
    description: has a key of two texts
    key: [town, name]
    bucket_key: town
    publish_time: joined_at
    columns:
      town: {kind: id, required: true, description: first half of the key}
      name: {kind: id, required: true, description: second half of the key}
      age: {kind: metric, type: float64, description: a number}
      joined_at: {kind: time, required: true, description: when they came}
objects:
  post: {entity: post}
patterns:
  - objects: [post]
"""


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    path: Path = tmp_path_factory.mktemp("catalogue") / "town.yaml"
    path.write_text(TOWN, encoding="utf-8")
    return load_catalogue(path)
