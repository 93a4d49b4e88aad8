"""What whole documents mean: their names looked up in the catalogue and among the other documents, everything wrong noted with its place.

Validating a document and resolving it are one thing: what comes out of a strategy without problems is what a task runs.
"""

from srp_assets.errors import InvalidInput, nearest
from srp_assets.strategy.features import HIT_LISTS, features_of, has_hit_lists
from srp_assets.strategy.library import Found
from srp_assets.strategy.logic import LogicReader
from srp_assets.strategy.model import AnyDocument, FeatureDocument, NoRules, RuleDocument, StrategyDocument, ValueDocument
from srp_assets.strategy.resolved import Node
from srp_assets.warehouse.catalogue import Pattern
from srp_assets.wordlists.checks import check_words
from srp_assets.wordlists.model import WordList

SHOWN_PATTERNS = 3
"""How many of the nearest patterns an error names."""


def check_document(reader: LogicReader, found: Found[AnyDocument]) -> list[str]:
    """Checks a document of any kind; what is wrong stands in the reader's problems.

    Returns:
        Warnings about what is accepted and may not mean what it seems to.
    """
    document, place = found.document, found.place
    if isinstance(document, StrategyDocument):
        resolve_strategy(reader, document, place)
    elif isinstance(document, RuleDocument):
        if _is_entity(reader, document.entity, place):
            reader.read(document.logic, document.entity, f"{place}: logic", (document.id,))
    elif isinstance(document, FeatureDocument):
        _check_feature(reader, document, place)
    elif isinstance(document, ValueDocument):
        if document.value == ():
            reader.problem(f"{place}: value", "the list is empty", "give it at least one value")
    else:
        return _check_word_list(reader, Found(document, place, found.version, found.is_archived, found.lines))
    return []


def resolve_strategy(reader: LogicReader, strategy: StrategyDocument, place: str) -> dict[str, Node | None]:
    """The logic of every object of a strategy, in the order of its pattern; what it holds is of no use if there are problems."""
    catalogue = reader.catalogue
    _check_products(reader, strategy, place)
    pattern = _pattern(reader, strategy, place)
    if strategy.recall not in strategy.objects:
        reader.problem(f"{place}: recall", f"{strategy.recall!r} is not among the objects", nearest(strategy.recall, strategy.objects))
    if all(isinstance(logic, NoRules) for logic in strategy.objects.values()):
        reader.problem(f"{place}: objects", "the strategy has no rule: it would recall every row", "give an object at least one rule")
    resolved: dict[str, Node | None] = {}
    for name in pattern.objects if pattern else strategy.objects:
        logic = strategy.objects[name]
        resolved[name] = None
        if not isinstance(logic, NoRules) and name in catalogue.objects:
            resolved[name] = reader.read(logic, catalogue.objects[name].entity, f"{place}: objects.{name}")
    return resolved


def _check_products(reader: LogicReader, strategy: StrategyDocument, place: str) -> None:
    products = strategy.products if isinstance(strategy.products, tuple) else ()
    for number, product in enumerate(products):
        where = f"{place}: products[{number}]"
        if not reader.catalogue.allows_product(product):
            reader.problem(where, f"there is no product {product!r}", nearest(product, reader.catalogue.products))
        if product in products[:number]:
            reader.problem(where, f"product {product!r} stands there twice", "remove one")


def _pattern(reader: LogicReader, strategy: StrategyDocument, place: str) -> Pattern | None:
    catalogue = reader.catalogue
    unknown = [name for name in strategy.objects if name not in catalogue.objects]
    for name in unknown:
        reader.problem(f"{place}: objects.{name}", f"there is no object {name!r}", nearest(name, catalogue.objects))
    wanted = frozenset(strategy.objects)
    pattern = catalogue.pattern_of(wanted)
    if pattern is None and not unknown:
        by_distance = sorted(catalogue.patterns, key=lambda pattern: (len(pattern.object_set ^ wanted), len(pattern.objects)))
        names = ", ".join("+".join(near.objects) for near in by_distance[:SHOWN_PATTERNS])
        reader.problem(f"{place}: objects", f"{'+'.join(strategy.objects)} is no declared pattern", f"the nearest are {names}")
    return pattern


def _check_feature(reader: LogicReader, document: FeatureDocument, place: str) -> None:
    if not _is_entity(reader, document.entity, place):
        return
    entity = reader.catalogue.entities[document.entity]
    if document.id in features_of(entity) or (document.id == HIT_LISTS and has_hit_lists(entity)):
        reader.problem(f"{place}: id", f"entity {document.entity} has a feature {document.id!r} already", "choose another id")
    texts = [name for name, column in entity.columns.items() if column.kind == "text"]
    for number, part in enumerate(document.concat):
        where = f"{place}: concat[{number}]"
        if part not in texts:
            kind = f"{part!r} is of kind {entity.columns[part].kind}" if part in entity.columns else f"there is no {part!r}"
            reader.problem(where, f"{kind}; only text columns of entity {document.entity} can be joined", nearest(part, texts))
        elif part in document.concat[:number]:
            reader.problem(where, f"{part!r} stands there twice", "remove one")


def _check_word_list(reader: LogicReader, found: Found[WordList]) -> list[str]:
    place = found.place
    try:
        warnings = check_words(found.document, found.lines)
    except InvalidInput as error:
        # The list names itself as the place of its errors; the file has to come before it.
        inside = (error.where or "").removeprefix(f"word_list {found.document.id}: ")
        reader.problem(f"{place}: {inside}", error.message, error.remedy)
        return []
    reader.resolve_list(found)
    kinds = {"words": "word", "exempt": "exempt word"}
    return [f"{kinds[warning.place]} {warning.number}, {warning.word!r}: {warning.message}" for warning in warnings]


def _is_entity(reader: LogicReader, name: str, place: str) -> bool:
    if name not in reader.catalogue.entities:
        reader.problem(f"{place}: entity", f"there is no entity {name!r}", nearest(name, reader.catalogue.entities))
    return name in reader.catalogue.entities
