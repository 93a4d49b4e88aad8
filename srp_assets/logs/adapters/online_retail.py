"""Online Retail and Online Retail II (UCI): each line of each invoice is a step of a funnel that begins and ends with the purchase.

Invoices that begin with C are cancellations; of the others, a line with a positive quantity and price is a purchase; the rest (write-offs,
samples, bad debt) are adjustments. What the two editions call differently, the log catalogue's `sources` and `formats` tell
(examples/online_retail/logs.yaml).
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.logs.adapters.base import parquet_batches, require_logs, rows_of_log
from srp_assets.warehouse.readers.base import UNREADABLE, Readable, Reject, Request

LOGS = ("purchase", "cancellation", "adjustment")
EDITIONS = (("Invoice", "Price"), ("InvoiceNo", "UnitPrice"))
"""What the two editions call the invoice and the price of one."""


def read(request: Request) -> Iterator[Readable]:
    """Reads a Parquet file of either edition, or all of a folder."""
    require_logs(request, LOGS, "examples/online_retail/logs.yaml")
    for path in request.files(".parquet"):
        for found in parquet_batches(path, LOGS[0]):
            if isinstance(found, Reject):
                yield found
                continue
            first, batch = found
            columns = {name: batch.column(place) for place, name in enumerate(batch.schema.names)}
            edition = next((names for names in EDITIONS if all(name in columns for name in (*names, "Quantity"))), None)
            if edition is None:
                yield Reject(LOGS[0], UNREADABLE, str(path), None, f"no edition has these columns: {', '.join(columns)}")
                break
            kinds = _kinds(columns[edition[0]], columns["Quantity"], columns[edition[1]])
            columns["amount"] = pc.multiply(pc.cast(columns["Quantity"], pa.float64()), columns[edition[1]])
            for kind, log in enumerate(LOGS):
                chosen = np.flatnonzero(kinds == kind)
                if len(chosen):
                    yield rows_of_log(log, columns, chosen, path, first)


def _kinds(invoice: pa.Array, quantity: pa.Array, price: pa.Array) -> np.ndarray:
    """The place in `LOGS` of each line."""
    cancelled = pc.fill_null(pc.starts_with(invoice, "C"), False).to_numpy(zero_copy_only=False)
    bought = pc.fill_null(pc.and_(pc.greater(quantity, 0), pc.greater(price, 0.0)), False).to_numpy(zero_copy_only=False)
    return np.where(cancelled, 1, np.where(bought, 0, 2))
