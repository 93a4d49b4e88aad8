"""The store of the online side in Redis: the only file of the domain that speaks to it.

All keys of a *generation* have its name in them, and `srp:current` names the generation that counts. A generation is filled aside and then
made current in one step, so a reader never sees half of one; what it replaces is deleted afterwards.

A generation has: records (`records/layout.py`) and portraits by their keys, the texts that digests in them stand for, the attributes that
events and requests are described by, the digests of the events that were counted (for duplicates), and the *position*: how far the stream
was read. Events are counted by a script that writes everything they add together with the new position, and only if the position is still
the one that the writer began from. So each event counts exactly once, whatever stops when, and of two writers one is told.

One Redis, or a primary with replicas, holds everything: a request reads many keys in one round trip, which a Redis Cluster does not allow.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from srp_assets.errors import Conflict, Unavailable

if TYPE_CHECKING:
    import redis

POINTER = "srp:current"

SEEN_SHARDS = 1 << 17
"""Sets that the digests of counted events are spread over: with a million events a day for two months each stays below 512 integers, which
Redis packs into 8 bytes each."""

DELETED_AT_ONCE = 1_000

COUNT_SCRIPT = """
if redis.call('GET', ARGV[1] .. 'position') ~= ARGV[2] then return {err = 'TAKEN by another writer'} end
local place, lengths = 6, {}
for number = 1, tonumber(ARGV[5]) do
  local key = ARGV[1] .. ARGV[place]
  lengths[number] = redis.call('APPEND', key, ARGV[place + 1])
  redis.call('EXPIRE', key, ARGV[4])
  place = place + 2
end
local epoch = ARGV[1] .. 'seen:' .. ARGV[place] .. ':'
place = place + 1
for number = 1, tonumber(ARGV[place]) do
  local key = epoch .. ARGV[place + 1]
  redis.call('SADD', key, ARGV[place + 2])
  redis.call('EXPIRE', key, ARGV[4])
  place = place + 2
end
place = place + 1
for number = 1, tonumber(ARGV[place]) do
  redis.call('HSET', ARGV[1] .. 'texts', ARGV[place + 1], ARGV[place + 2])
  place = place + 2
end
redis.call('SET', ARGV[1] .. 'position', ARGV[3])
return lengths
"""
"""Arguments: prefix, position before and after, seconds to live; then, each with their number before them, records with what is appended,
(after their epoch) sets of seen events with digests, and texts by their digests."""

REPLACE_SCRIPT = """
if redis.call('GET', ARGV[1] .. 'position') ~= ARGV[2] then return {err = 'TAKEN by another writer'} end
for place = 4, #ARGV, 2 do
  local key = ARGV[1] .. ARGV[place]
  if #ARGV[place + 1] == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, ARGV[place + 1], 'EX', ARGV[3])
  end
end
return 'OK'
"""
"""Arguments: prefix, position, seconds to live, and records with what they become."""

SEEN_SCRIPT = """
local found = {}
local epoch, last = ARGV[1] .. 'seen:' .. ARGV[2] .. ':', ARGV[1] .. 'seen:' .. ARGV[3] .. ':'
for place = 4, #ARGV, 2 do
  found[#found + 1] = redis.call('SISMEMBER', epoch .. ARGV[place], ARGV[place + 1])
    + redis.call('SISMEMBER', last .. ARGV[place], ARGV[place + 1])
end
return found
"""
"""Arguments: prefix, this and the last epoch, and of each event its set and its digest."""


@dataclass(frozen=True)
class Position:
    """How far the stream was read.

    Args:
        known_time: when the newest counted event was known, microseconds since 1970.
        consumed_to: every event that was known before this time has been counted, as far as it had come.
        events: counted so far.
        duplicates: left out so far.
        late: counted so far after the stream had been read beyond them.
    """

    known_time: int = 0
    consumed_to: int = 0
    events: int = 0
    duplicates: int = 0
    late: int = 0


@dataclass(frozen=True)
class Pointer:
    """The generation that counts, and what it is of.

    Args:
        generation: its name.
        records: identity of the layout of its records.
        day: whose beginning it was loaded for, as 2024-03-09; empty if it began with nothing.
        attributes: identity of the attributes; they may be replaced within a generation.
    """

    generation: str
    records: str
    day: str
    attributes: str

    @property
    def prefix(self) -> str:
        """What the keys of the generation begin with."""
        return f"srp:{self.generation}:"


@dataclass(frozen=True)
class Addition:
    """What a batch of events adds.

    Args:
        entries: to append to records and portraits, by key.
        epoch: in which the events are remembered.
        seen: the digests of their ids.
        texts: by digest.
    """

    entries: Mapping[str, bytes]
    epoch: int
    seen: Sequence[int]
    texts: Mapping[int, str]


@dataclass(frozen=True)
class Found:
    """What one round trip has found: the pointer and the position as they were then, and the values asked for, None where there is none."""

    pointer: Pointer | None
    position: Position | None
    values: list[bytes | None]


class Store:
    """The store on one connection pool.

    Args:
        client: with short time-outs; answers are bytes.
    """

    def __init__(self, client: "redis.Redis") -> None:
        # Its types know no client that answers in bytes alone.
        self._client: Any = client
        self._count = client.register_script(COUNT_SCRIPT)
        self._replace = client.register_script(REPLACE_SCRIPT)
        self._seen = client.register_script(SEEN_SCRIPT)

    def pointer(self) -> Pointer | None:
        """The generation that counts; None before there is one."""
        with _reported():
            return _pointer(self._client.get(POINTER))

    def position(self, pointer: Pointer) -> Position:
        """How far a generation was read."""
        with _reported():
            return _position(self._client.get(f"{pointer.prefix}position")) or Position()

    def read(self, pointer: Pointer, keys: Sequence[str]) -> Found:
        """The values of keys of a generation, and what counts now, in one round trip."""
        prefix = pointer.prefix
        with _reported():
            current, position, *values = self._client.mget([POINTER, f"{prefix}position", *(prefix + key for key in keys)])
            return Found(_pointer(current), _position(position), values)

    def texts(self, pointer: Pointer, digests: Sequence[int]) -> dict[int, str]:
        """The texts of digests, those that the store knows."""
        if not digests:
            return {}
        with _reported():
            found = self._client.hmget(f"{pointer.prefix}texts", [str(digest) for digest in digests])
        return {digest: text.decode() for digest, text in zip(digests, found, strict=True) if text is not None}

    def count(self, pointer: Pointer, before: Position, after: Position, addition: Addition, seconds: int) -> list[int]:
        """Counts a batch; the lengths of its records afterwards.

        Raises:
            Conflict: if another writer was faster: nothing was counted then.
        """
        arguments: list[Any] = [pointer.prefix, _written(before), _written(after), seconds, len(addition.entries)]
        for key, entries in addition.entries.items():
            arguments += (key, entries)
        arguments += (addition.epoch, len(addition.seen))
        for digest in addition.seen:
            arguments += (digest % SEEN_SHARDS, digest)
        arguments.append(len(addition.texts))
        for digest, text in addition.texts.items():
            arguments += (digest, text)
        with _reported():
            lengths: list[int] = self._count(args=arguments)
        return lengths

    def replace(self, pointer: Pointer, position: Position, records: Mapping[str, bytes], seconds: int) -> None:
        """Writes records anew; empty ones are deleted.

        Raises:
            Conflict: if somebody has counted events since they were read.
        """
        arguments: list[Any] = [pointer.prefix, _written(position), seconds]
        for key, value in records.items():
            arguments += (key, value)
        with _reported():
            self._replace(args=arguments)

    def seen(self, pointer: Pointer, epoch: int, digests: Sequence[int]) -> list[bool]:
        """Which events were counted before, in this or in the last epoch, by the digests of their ids."""
        if not digests:
            return []
        with _reported():
            found = self._seen(
                args=[pointer.prefix, epoch, epoch - 1, *(part for digest in digests for part in (digest % SEEN_SHARDS, digest))]
            )
        return [bool(count) for count in found]

    def begin(self, records: str, day: str, position: Position) -> Pointer:
        """A new generation, empty, which nobody reads yet."""
        pointer = Pointer(uuid4().hex[:12], records, day, "")
        with _reported():
            self._client.set(f"{pointer.prefix}position", _written(position))
        return pointer

    def write_attributes(self, pointer: Pointer, sources: Mapping[str, bytes]) -> Pointer:
        """Keeps the attributes of sources; the pointer that names them."""
        identity = uuid4().hex[:12]
        with _reported(), self._client.pipeline() as pipeline:
            for name, data in sources.items():
                pipeline.set(f"{pointer.prefix}attributes:{identity}:{name}", data)
            pipeline.execute()
        return replace(pointer, attributes=identity)

    def attributes(self, pointer: Pointer, sources: Sequence[str]) -> dict[str, bytes]:
        """The attributes of sources, those that there are."""
        if not sources or not pointer.attributes:
            return {}
        with _reported():
            found = self._client.mget([f"{pointer.prefix}attributes:{pointer.attributes}:{name}" for name in sources])
        return {name: data for name, data in zip(sources, found, strict=True) if data is not None}

    def make_current(self, pointer: Pointer) -> None:
        """Lets a generation, or its new attributes, count from now on; what they replace is deleted."""
        with _reported():
            replaced = _pointer(self._client.getset(POINTER, json.dumps(asdict(pointer))))
        if replaced is not None and replaced.generation != pointer.generation:
            self.delete(replaced)
        elif replaced is not None and replaced.attributes and replaced.attributes != pointer.attributes:
            self._delete(f"{replaced.prefix}attributes:{replaced.attributes}:")

    def delete(self, pointer: Pointer) -> None:
        """Deletes all of a generation that is not current."""
        self._delete(pointer.prefix)

    def _delete(self, prefix: str) -> None:
        with _reported():
            keys = []
            for key in self._client.scan_iter(match=f"{prefix}*", count=DELETED_AT_ONCE):
                keys.append(key)
                if len(keys) == DELETED_AT_ONCE:
                    self._client.unlink(*keys)
                    keys = []
            if keys:
                self._client.unlink(*keys)

    def sizes(self, pointer: Pointer) -> dict[str, tuple[int, int]]:
        """Keys and bytes of memory of a generation, by the part of the key before its value; reads every key."""
        found: dict[str, tuple[int, int]] = {}
        with _reported():
            keys = list(self._client.scan_iter(match=f"{pointer.prefix}*", count=DELETED_AT_ONCE))
            for start in range(0, len(keys), DELETED_AT_ONCE):
                with self._client.pipeline(transaction=False) as pipeline:
                    for key in keys[start : start + DELETED_AT_ONCE]:
                        pipeline.memory_usage(key)
                    sizes = pipeline.execute()
                for key, size in zip(keys[start : start + DELETED_AT_ONCE], sizes, strict=True):
                    own = key.decode().removeprefix(pointer.prefix)
                    part = group_of(own) if own.startswith(RECORD) else own.split(":")[0]
                    count, total = found.get(part, (0, 0))
                    found[part] = (count + 1, total + (size or 0))
        return found


RECORD, PORTRAIT = "record:", "portrait:"


def record_key(group: str, value: str, *further: int) -> str:
    """The key of a record in its generation: of a value of the first key, and of the words of further keys where they lie apart."""
    # A request asks for hundreds, of none or one further key nearly always.
    if not further:
        return f"{RECORD}{group}:{value}"
    if len(further) == 1:
        return f"{RECORD}{group}:{further[0]}:{value}"
    return f"{RECORD}{group}:{':'.join(map(str, further))}:{value}"


def group_of(key: str) -> str:
    """The group of a record (`FamilyRecords.group`), by its key."""
    return key.split(":", 2)[1]


def portrait_key(user_id: str) -> str:
    """The key of a portrait in its generation."""
    return f"{PORTRAIT}{user_id}"


@contextmanager
def _reported() -> Iterator[None]:
    """Says in the product's words what went wrong with Redis; the address may hold a password and is not repeated."""
    # 0.3 s of imports that only those who have a client pay.
    import redis

    try:
        yield
    except redis.ResponseError as error:
        if "TAKEN" in str(error):
            remedy = "let one process consume the stream"
            raise Conflict("somebody else counts events of this stream", where="the online store", remedy=remedy) from error
        raise Unavailable(f"Redis refused: {error}", where="the online store", remedy="srp online status") from error
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"Redis does not answer: {type(error).__name__}", where="the online store", remedy="srp online status") from error
    except (ValueError, TypeError) as error:
        raise Unavailable("what the store holds is unreadable", where="the online store", remedy="srp online rebuild") from error


def _written(position: Position) -> str:
    return json.dumps(asdict(position))


def _position(data: bytes | None) -> Position | None:
    return None if data is None else Position(**json.loads(data))


def _pointer(data: bytes | None) -> Pointer | None:
    return None if data is None else Pointer(**json.loads(data))
