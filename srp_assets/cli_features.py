"""The command for what is declared about features."""

from typing import Any

import click

from srp_assets.cli_common import OK, answer, json_option, read_settings
from srp_assets.errors import NotFound


@click.command(
    "features", epilog="The declarations are those of features.yaml beside the catalogue, or of the file that SRP_FEATURES names."
)
@click.argument("name", required=False)
@json_option
def features_command(name: str | None, as_json: bool) -> int:
    """List all features with their definitions, defaults and versions, or show the feature NAME with what it is derived from."""
    from srp_assets.console import table
    from srp_assets.features.declaration.documentation import documentation
    from srp_assets.features.declaration.loading import load_definitions

    declared = read_settings().feature_declarations
    if declared is None:
        raise NotFound("this home declares no features", where="SRP_FEATURES", remedy="write features.yaml beside the catalogue")
    definitions = load_definitions(declared)
    found = documentation(definitions.selected([name]) if name else definitions)
    if as_json:
        answer({"name": definitions.name, "digest": definitions.digest, "features": [vars(feature) for feature in found]})
        return OK
    rows = [
        (
            feature.name,
            feature.about,
            _definition(feature.definition, feature.inputs),
            feature.window,
            _shown(feature.default),
            feature.unit,
        )
        for feature in found
    ]
    table(f"{definitions.name}: {len(rows)} features", ("feature", "about", "definition", "window", "default", "unit"), rows)
    return OK


def _definition(definition: str, inputs: tuple[str, ...]) -> str:
    return f"{definition} ({', '.join(inputs)})" if inputs else definition


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ", ".join(default) or "none"
    return "null" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
