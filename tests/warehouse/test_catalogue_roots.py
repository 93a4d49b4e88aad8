"""A catalogue whose roots could not be looked up is refused where it is declared."""

from typing import Any

import pytest
from pydantic import ValidationError

from srp_assets.warehouse.catalogue import Catalogue


def declared(**changes: Any) -> dict[str, Any]:
    number = {"kind": "id", "type": "int64", "description": "a number"}
    time = {"kind": "time", "description": "a time"}
    post = {"description": "a post", "key": ["post_id"], "bucket_key": "post_id", "publish_time": "at"}
    post["columns"] = {"post_id": number, "author": number, "at": time}
    comment = {"description": "a comment", "key": ["comment_id"], "bucket_key": "post_id", "publish_time": "at"}
    comment["root"] = {"column": "on_id", "entities": ["post"], "keep": {"post": "kept"}}
    comment["columns"] = {"comment_id": number, "on_id": number, "post_id": number, "kept": number, "at": time}
    for path, value in changes.items():
        entity, *names = path.split("__")
        place = {"post": post, "comment": comment}[entity]
        for name in names[:-1]:
            place = place[name]
        place[names[-1]] = value
    return {
        "name": "small",
        "products": "open",
        "partition_unit": "day",
        "first_period": "2024-01-01",
        "entities": {"post": post, "comment": comment},
        "objects": {"post": {"entity": "post"}},
        "patterns": [{"objects": ["post"]}],
    }


def test_roots_of_fitting_types_are_accepted():
    assert Catalogue.model_validate(declared()).entities["comment"].root is not None


TEXT = {"kind": "id", "description": "a text"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"post__key": ["post_id", "author"]}, "key of several columns"),
        ({"comment__columns__on_id": TEXT}, "on_id and post.post_id have different types"),
        ({"comment__columns__post_id": TEXT}, "post_id and post.post_id have different types"),
        ({"comment__columns__kept": TEXT}, "kept and post.post_id have different types"),
        ({"comment__root__entities": ["pots"]}, "did you mean 'post'"),
    ],
)
def test_roots_that_cannot_be_looked_up_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        Catalogue.model_validate(declared(**changes))
