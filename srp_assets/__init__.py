"""SRP: the strategy recall platform and ranking pipeline, as Dagster data assets.

One folder a domain, in the order in which data flows: warehouse, wordlists, strategy, recall, samples. A domain imports only from
those before it; `definitions.py` assembles them for Dagster, `cli.py` is the `srp` command.
"""
