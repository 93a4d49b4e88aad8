"""Base classes of Dagster configuration and resources that refuse unknown arguments.

`dg.Config` and `dg.ConfigurableResource` drop an argument that they do not know when they are built in Python, so a misspelt
name silently leaves a default. These do not; both still launch, take `dg.EnvVar` and can be configured at launch.
"""

import dagster as dg
from pydantic import ConfigDict


class StrictConfig(dg.Config):
    """Configuration of an asset or job, immutable, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StrictResource(dg.ConfigurableResource):
    """A resource, immutable, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
