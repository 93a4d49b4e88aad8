"""All faults of sequences, by name."""

from srp_assets.errors import InvalidInput, nearest
from srp_assets.samples.ranking.sequences import form_faults, search_faults, stream_faults
from srp_assets.samples.ranking.sequences.serving import SequenceFault

FAULTS: dict[str, type[SequenceFault]] = {
    fault.name: fault
    for fault in (
        stream_faults.TieOrder,
        stream_faults.OrderByArrival,
        stream_faults.LateStreamOfSequences,
        stream_faults.TimeZoneSlipOfSequences,
        stream_faults.DoubleCountingOfSequences,
        stream_faults.DroppedEventsOfSequences,
        stream_faults.UnitSlipOfSequences,
        stream_faults.LaggingStream,
        stream_faults.StaleSnapshot,
        stream_faults.SnapshotMissing,
        stream_faults.LateEventExcluded,
        stream_faults.LateEventIncluded,
        stream_faults.LeakedFuture,
        stream_faults.TruncatedHistoryOfSequences,
        stream_faults.DayBoundary,
        stream_faults.WrongUser,
        search_faults.OtherLength,
        search_faults.FilterByKind,
        search_faults.HiddenItemKept,
        search_faults.SessionBoundary,
        search_faults.DecayLeftOut,
        search_faults.ApproximateSearchMiss,
        search_faults.SoftSearchTie,
        search_faults.AttributeChanged,
        search_faults.OldDictionary,
        search_faults.OldVectors,
        form_faults.FloatWidth,
        form_faults.NullAgainstDefault,
        form_faults.DefaultInsteadOfValue,
        form_faults.HashSeed,
        form_faults.HashCollision,
        form_faults.PaddingSide,
        form_faults.Sampling,
        form_faults.VersionSkew,
        form_faults.TraceMissing,
    )
}
"""Each is made anew for a run: some remember what they changed."""


def sequence_fault(name: str) -> SequenceFault:
    """A fault by its name.

    Raises:
        InvalidInput: if there is none of this name.
    """
    if name not in FAULTS:
        raise InvalidInput(f"there is no fault {name!r}", where="fault", remedy=nearest(name, FAULTS))
    return FAULTS[name]()
