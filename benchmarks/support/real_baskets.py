"""Real baskets and sets of items for `embeddings_quality.py`: what is trained on, and what is to be found from what.

Online Retail (UCI, CC BY 4.0): a basket is a session, its lines are its items in order, its country the market, its last item the booking.
XMRec (WSDM Cup 2022, Apache 2.0): a user's items are a session without an order, the booking is unknown; the held-out item is to be found.

Whoever chooses a recipe by its figures does so within what is trained on (`choosing`): what is asked then was not held out by the input.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from srp_assets.embeddings.evaluation.ranks import Queries, next_clicks
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary, corpus_of, vocabulary_of

LEAST_COUNT = 5
TEST_SHARE = 0.1
MOST_ITEMS = 200
"""A basket with more lines is a wholesaler's stock."""


@dataclass(frozen=True)
class RealData:
    """What is trained on and what is asked."""

    vocabulary: Vocabulary
    corpus: Corpus
    queries: Queries

    @property
    def sentences(self) -> list[list[str]]:
        """The same sessions as gensim wants them."""
        names = [str(item) for item in range(len(self.vocabulary.ids))]
        borders = zip(self.corpus.offsets[:-1], self.corpus.offsets[1:], strict=True)
        return [[names[item] for item in self.corpus.items[start:end]] for start, end in borders]


def online_retail(folder: Path, *, choosing: bool = False) -> RealData:
    """The edition of 2010 and 2011: the earliest nine tenths of its baskets are trained on, the last item of each later one is asked.

    To choose by, the same is made of those nine tenths alone.
    """
    table = pq.read_table(folder / "year_2010_2011_partial_with_invoice_stockcode.parquet")
    bought = pc.and_(pc.greater(table["Quantity"], 0), pc.greater(table["UnitPrice"], 0))
    product = pc.match_substring_regex(table["StockCode"], r"^\d{5}")
    lines = table.filter(pc.and_(pc.and_(bought, product), pc.invert(pc.starts_with(table["InvoiceNo"], "C"))))
    baskets: dict[str, tuple[str, list[str]]] = {}
    # Invoices are numbered as time goes on, and lines are in their order.
    for invoice, item, country in zip(*(lines[name].to_pylist() for name in ("InvoiceNo", "StockCode", "Country")), strict=True):
        own = baskets.setdefault(invoice, (country, []))[1]
        if item.upper() not in own:
            own.append(item.upper())
    ordered = [baskets[invoice] for invoice in sorted(baskets) if 2 <= len(baskets[invoice][1]) <= MOST_ITEMS]
    border = round(len(ordered) * (1 - TEST_SHARE))
    if choosing:
        ordered = ordered[:border]
        border = round(border * (1 - TEST_SHARE))
    lists = [items for _, items in ordered]
    vocabulary = vocabulary_of(pa.array([item for items in lists[:border] for item in items]), LEAST_COUNT, _markets(ordered[:border]))
    trained_on = corpus_of(vocabulary, pa.array(lists[:border]), pa.array([items[-1] for items in lists[:border]]))
    return RealData(vocabulary, trained_on, next_clicks(corpus_of(vocabulary, pa.array(lists[border:]))))


def xmrec(folder: Path, seed: int = 1, *, choosing: bool = False) -> RealData:
    """Both markets: users' items in an order that chance gives, and the held-out item of each user.

    To choose by, the last one of that order is held out of each user who has more than two, and the others are asked nothing.
    """
    options = pacsv.ParseOptions(delimiter="\t")
    trains = [pacsv.read_csv(folder / name, parse_options=options) for name in ("s1_train_5core.tsv", "t1_train.tsv")]
    held = [pacsv.read_csv(folder / f"{market}_valid_qrel.tsv", parse_options=options) for market in ("s1", "t1")]
    users: dict[str, list[str]] = {}
    for table in trains:
        for user, item in zip(table["userId"].to_pylist(), table["itemId"].to_pylist(), strict=True):
            own = users.setdefault(user, [])
            if item not in own:
                own.append(item)
    random = np.random.default_rng(seed)
    lists = {user: random.permutation(np.array(items)).tolist() for user, items in users.items()}
    if choosing:
        wanted = {user: items.pop() for user, items in lists.items() if len(items) > 2}
    else:
        wanted = {user: item for table in held for user, item in zip(table["userId"].to_pylist(), table["itemId"].to_pylist(), strict=True)}
    markets = _markets([(user[:2], items) for user, items in lists.items()])
    vocabulary = vocabulary_of(pa.array([item for items in lists.values() for item in items]), LEAST_COUNT, markets)
    corpus = corpus_of(vocabulary, pa.array(list(lists.values())))
    asked = [[*lists[user], item] for user, item in wanted.items() if user in lists]
    known = vocabulary.codes(pa.array([items[-1] for items in asked])) >= 0
    return RealData(
        vocabulary,
        corpus,
        next_clicks(corpus_of(vocabulary, pa.array([own for own, is_known in zip(asked, known, strict=True) if is_known]))),
    )


def _markets(sessions: list[tuple[str, list[str]]]) -> pa.Table:
    """The market in which each item is met most often; of equal ones the first by name."""
    counts: dict[str, dict[str, int]] = {}
    for market, items in sessions:
        for item in items:
            own = counts.setdefault(item, {})
            own[market] = own.get(market, 0) + 1
    most = {item: min(own, key=lambda market: (-own[market], market)) for item, own in counts.items()}
    return pa.table({"item_id": list(most), "market": list(most.values())})
