"""Draws rows that are no cases, to be marked with a sheet: most of them near the topic, some from all the rest. No framework but numpy.

*Near* rows have a word that retrieved texts have more often than others (`terms/candidates.py`): each is of the stratum of the first such
word, so that the words which are likely to be recommended are judged by rows that they would really bring. The others say what no word
would have found. Every row has a known probability, so together they stand for all that the task evaluated and did not find.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from srp_assets.insights.recommend.evidence import is_hit, trial_list
from srp_assets.insights.recommend.lowest import hashes_of
from srp_assets.insights.recommend.trial_rows import FoundRow, TrialFindings
from srp_assets.insights.sheets.keeping import Controls
from srp_assets.insights.sheets.model import SheetRow, Stratum
from srp_assets.insights.sheets.sample_sheet import LEAST_DRAWN, allocate
from srp_assets.wordlists.resolved import ResolvedList

NEAR_SHARE = 0.75
"""Of the control rows; the rest is drawn from rows without any such word."""

FAR = "no near word"


def near_words(size: int) -> int:
    """How many words get a stratum of their own in so many control rows."""
    return max(1, int(size * NEAR_SHARE) // LEAST_DRAWN)


def draw_controls(words: ResolvedList, terms: Sequence[str], findings: TrialFindings, *, size: int, share: float, seed: int) -> Controls:
    """Draws control rows.

    Args:
        words: the list whose words are near.
        terms: the words that were tried.
        findings: what was found of them.
        size: how many rows are drawn.
        share: the share of all evaluated rows that the background holds.
        seed: another seed draws others.
    """
    strata: list[Stratum] = []
    rows: list[SheetRow] = []
    present = [number for number in sorted(findings.sampled) if findings.strata[number]]
    near_size = size if share <= 0 else int(size * NEAR_SHARE)
    drawn = allocate([min(int(findings.strata[number]), len(findings.sampled[number])) for number in present], near_size)
    for number, count in zip(present, drawn, strict=True):
        rows += [SheetRow(row.case, len(strata), (), row.texts) for row in findings.sampled[number][:count]]
        strata.append(Stratum("control", f"{words.id}: {terms[number]} (near)", int(findings.strata[number]), count))
    far = _far_rows(words, terms, findings.background)
    count = min(len(far), size - sum(drawn))
    if count > 0:
        hashes = hashes_of([str(row.case) for row in far], seed)
        chosen = [far[place] for place in np.argsort(hashes, kind="stable")[:count].tolist()]
        rows += [SheetRow(row.case, len(strata), (), row.texts) for row in chosen]
        # How many rows there are in all follows from the share that was looked at, to within a percent for ten thousand rows of it.
        strata.append(Stratum("control", FAR, max(count, round(len(far) / share)), count))
    return Controls(tuple(strata), tuple(rows))


def _far_rows(words: ResolvedList, terms: Sequence[str], background: Sequence[FoundRow]) -> list[FoundRow]:
    texts = pa.array(["\n".join(text for _, text in row.texts) for row in background], pa.string())
    is_near = is_hit(texts, trial_list(words, terms))
    return [background[place] for place in np.flatnonzero(~is_near).tolist()]
