"""What a data engineer would write in the place of `sequences`: a join of requests and actions, a window over each request, a collect."""

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from srp_assets.sequences.declaration import Portrait

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def plain_portraits(requests: "DataFrame", actions: "DataFrame", portrait: Portrait, folder: str) -> None:
    """Writes the newest actions of each request as a list of structs, the newest first."""
    asked = requests.select("trace_id", "user_id", "as_of")
    first = F.date_sub(F.to_date("as_of"), portrait.days).cast("timestamp")
    known = (F.col("event_time") < F.col("as_of")) & (F.col("arrival_time") < F.col("as_of")) & (F.col("event_time") >= first)
    pairs = actions.join(asked, "user_id").where(known)
    newest = Window.partitionBy("trace_id").orderBy(F.col("event_time").desc(), F.col("event_id").desc())
    ranked = pairs.withColumn("place", F.row_number().over(newest)).where(F.col("place") <= portrait.length)
    row = F.struct("place", *[name for name in actions.columns if name != "user_id"])
    ranked.groupBy("trace_id").agg(F.sort_array(F.collect_list(row)).alias("actions")).write.parquet(folder, mode="overwrite")
