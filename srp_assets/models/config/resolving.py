"""Whether the names in a model's configuration mean something, and how features that are written as names alone are encoded."""

from collections.abc import Mapping

from srp_assets.errors import InvalidInput, nearest
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.inputs import Bucketed, Crossed, Encoded, Hashed, Listed, Number, Plain, Vocabulary
from srp_assets.training.schema import SetType

ALLOWED: Mapping[type, tuple[SetType, ...]] = {
    Hashed: ("text", "number"),
    Vocabulary: ("text", "number"),
    Bucketed: ("number", "time"),
    Number: ("number", "time"),
    Crossed: ("text", "number"),
    Listed: ("texts",),
}
"""The types of values that each encoding takes."""


def resolve_inputs(document: ModelDocument, value_types: Mapping[str, SetType]) -> ModelDocument:
    """The configuration with every input's encoding written out.

    Args:
        document: the configuration as it was written.
        value_types: what the values of each feature or context column are (`Definitions.features`, columns of the training set).

    Raises:
        InvalidInput: if a feature is not declared, or its values are not what its encoding takes.
    """
    groups = {
        group: tuple(_resolved(written, value_types, f"{document.name}: groups.{group}") for written in inputs)
        for group, inputs in document.groups.items()
    }
    for sequence in document.sequences:
        where = f"{document.name}: sequences ({sequence.name})"
        if sequence.mask is not None and sequence.mask not in value_types:
            remedy = "name a declared one in SRP_TRAINING_SEQUENCES, and in `of`"
            raise InvalidInput(f"training sets carry no sequence {sequence.of!r}", where=where, remedy=remedy)
        for column in sequence.columns:
            _checked(sequence.read(column), ("numbers",) if column.edges else ("texts",), value_types, where)
    changed: dict[str, object] = {"groups": groups}
    if document.bias is not None:
        inputs = tuple(_resolved(written, value_types, f"{document.name}: bias") for written in document.bias.inputs)
        changed["bias"] = document.bias.model_copy(update={"inputs": inputs})
    # Validated anew: a feature that was written as its name alone may turn out to have no rows that others could share.
    return ModelDocument.model_validate({**{name: getattr(document, name) for name in type(document).model_fields}, **changed})


def _resolved(written: Encoded | Plain, value_types: Mapping[str, SetType], where: str) -> Encoded:
    """An input with its encoding."""
    if not isinstance(written, Plain):
        for name in written.reads:
            _checked(name, ALLOWED[type(written)], value_types, where)
        return written
    found = _checked(written.feature, ("text", "number", "time", "texts"), value_types, where)
    if found == "text":
        return Hashed(encode="hash", feature=written.feature)
    if found == "texts":
        return Listed(encode="list", feature=written.feature)
    return Number(encode="number", feature=written.feature)


def _checked(name: str, allowed: tuple[SetType, ...], value_types: Mapping[str, SetType], where: str) -> SetType:
    """The type of a feature's values."""
    if name not in value_types:
        raise InvalidInput(f"there is no feature {name!r}", where=where, remedy=nearest(name, value_types))
    found = value_types[name]
    if found not in allowed:
        raise InvalidInput(
            f"{name!r} holds values of type {found}, and its encoding takes {' or '.join(allowed)}",
            where=where,
            remedy="choose another encoding, or another feature",
        )
    return found
