"""Which columns of actions, and which of the context of requests, some sequences need."""

from srp_assets.features.declaration.columns import COMPUTED_COLUMNS
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.declaration import Document, HardSearch
from srp_assets.sequences.search.attributes import ITEM
from srp_assets.sequences.search.tables import COLUMN_OF, OWN_LISTS

USER = "user_id"


def kept_columns(document: Document, definitions: Definitions) -> list[str]:
    """The columns of actions that are kept of months: what stage tables list, what searches test, and the keys of attributes."""
    attributes = {name: source.key for source in definitions.attributes.values() for name in source.columns}
    needed = {USER, ITEM, *(COLUMN_OF.get(name, name) for name in OWN_LISTS)}
    for sequence in document.sequences:
        needed |= {condition.column for condition in sequence.general.where}
        needed |= {preference.column for preference in sequence.general.order}
        if isinstance(sequence.final, HardSearch):
            needed |= set(sequence.final.attributes)
    needed |= {attributes[name] for name in needed if name in attributes}
    return sorted(name for name in needed if name not in attributes and name not in COMPUTED_COLUMNS)


def context_columns(definitions: Definitions) -> list[str]:
    """The columns of requests that candidates may be compared by: texts that hold for all candidates of a request."""
    attributes = {name for source in definitions.attributes.values() for name in source.columns}
    left_out = {*attributes, *COMPUTED_COLUMNS, ITEM}
    return [name for name, type_ in definitions.request_columns.items() if type_ == "text" and name not in left_out]
