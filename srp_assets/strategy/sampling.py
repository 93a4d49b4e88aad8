"""Which keys a sample holds: decided by a hash of the key, so that every process, and every table that has the key, decides alike.

A rule with the match `sampled` asks it. People cannot write such a rule: it is added to a task for an estimate of what the task would find.
"""

from hashlib import blake2b

from srp_assets.strategy.resolved import Feature, Rule
from srp_assets.warehouse.catalogue import Entity

HASH_BITS = 64


def sample_rule(entity: Entity, column: str, *, seed: int, share: float) -> Rule:
    """The rule that holds for the rows of an entity whose value of an id column is in the sample.

    Args:
        entity: whose rows are sampled.
        column: the column by which they are: rows with the same value stay together.
        seed: another seed is another sample, independent of this one.
        share: the probability that a key is in the sample.
    """
    feature = Feature(name=column, kind="id", type=entity.columns[column].value_type, parts=(column,))
    return Rule(feature=feature, match="sampled", value=(seed, share))


def is_sampled(rule: Rule, key: int | str) -> bool:
    """Whether a key is in the sample of a rule: its hash, a number below 2^64, lies in the lowest `share` of them."""
    seed, share = rule.value if isinstance(rule.value, tuple) else (0, 0.0)
    digest = blake2b(f"{seed} {key}".encode("utf-8", "surrogatepass"), digest_size=HASH_BITS // 8).digest()
    return int.from_bytes(digest, "big") < float(share) * 2**HASH_BITS
