"""Decides what a client has seen: position vectors, cursors (sign, open, match, cover) and gaps.

A *vector* maps each source (`topic/partition`, or an input's label) to the first offset a client has not had completely. A *cursor*
is a vector plus `parts`: of the next message of a source the client already has `k` frames. As text a cursor is

    version 1 · topics n · n x (name hash 3 bytes, epoch hash 3 bytes, form, offset of each partition) ·
    [m x (source index, k) · pipeline fingerprint 2 bytes] · MAC 8 bytes

in base64url without padding; numbers are varints. `form` is 0 for a label (one offset), 2n + 1 for the partitions 0..n-1 in order, 2n
for n pairs of partition and offset. The MAC is keyed by API and stream, so a cursor of another stream is refused. Hashes keep four
partitions within 64 characters (offsets below 2^42); names are matched against what the outlet knows now.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from penstock_gateway.errors import PenstockError

_VERSION = 1
_MAC = 8
_MOST_CHARACTERS = 65_536
_DENSE = 1
_FINGERPRINT = 2

Vector = Mapping[str, int]


class CursorError(PenstockError):
    """A cursor cannot be used here; `reason` is one of malformed, old, foreign."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


NO_PARTS: Mapping[str, int] = MappingProxyType({})


class Cursor(NamedTuple):
    """What a client has: everything before `vector`, and `parts[source]` frames of the next message of a source."""

    vector: Vector
    parts: Mapping[str, int] = NO_PARTS

    def covers(self, source: str, offset: int, k: int = 0) -> bool:
        """Whether frame `k` of the message at `offset` was delivered."""
        have = self.vector.get(source, 0)
        return offset < have or (offset == have and k < self.parts.get(source, 0))


def topic_of(source: str) -> str:
    """The topic of a source (`orders/3` → `orders`), or the label itself."""
    topic, slash, partition = source.rpartition("/")
    return topic if slash and partition.isdecimal() else source


def behind(position: Vector, base: Vector) -> dict[str, tuple[int, int]]:
    """The gap between what a client has and what is still held: source → (first missing, first held)."""
    return {source: (position[source], held) for source, held in base.items() if position.get(source, held) < held}


def ahead(position: Vector, other: Vector) -> bool:
    """Whether `position` has anything that `other` has not."""
    return any(offset > other.get(source, 0) for source, offset in position.items())


def merged(one: Vector, other: Vector) -> dict[str, int]:
    """The vector that covers what either covers."""
    both = dict(one)
    for source, offset in other.items():
        if offset > both.get(source, -1):
            both[source] = offset
    return both


# --- numbers and hashes -------------------------------------------------------------------------------------------------


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


class _Reader:
    """Takes a payload apart; every fault is a malformed cursor."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        if len(part) != count:
            raise CursorError("malformed", "the cursor is cut short")
        self.at += count
        return part

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise CursorError("malformed", "the cursor holds a number that is too large")

    @property
    def rest(self) -> int:
        return len(self.data) - self.at


def _hash3(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=3).digest()


def fingerprint(text: str) -> bytes:
    """Two bytes that name a pipeline's configuration: parts count only under the same one."""
    return hashlib.blake2b(text.encode(), digest_size=_FINGERPRINT).digest()


class Seal:
    """Signs and checks cursors of one stream. `keys`: the current signing key first, then the previous one."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes], api: str, stream: str) -> None:
        bound = f"{api}\0{stream}".encode()
        self._keys = [hashlib.blake2b(hashlib.sha256(key).digest() + bound).digest()[:32] for key in keys]

    def _mac(self, key: bytes, payload: bytes) -> bytes:
        return hashlib.blake2b(payload, key=key, digest_size=_MAC).digest()

    def text(self, payload: bytes) -> str:
        """The payload with its MAC, as clients hold it."""
        return base64.urlsafe_b64encode(payload + self._mac(self._keys[0], payload)).rstrip(b"=").decode()

    def open(self, text: str) -> Claim:
        """What a cursor claims; raises CursorError."""
        if len(text) > _MOST_CHARACTERS:
            raise CursorError("malformed", "the cursor is too long")
        try:
            data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raise CursorError("malformed", "the cursor is not base64url text") from None
        payload, mac = data[:-_MAC], data[-_MAC:]
        if not payload:
            raise CursorError("malformed", "the cursor is cut short")
        if not any(hmac.compare_digest(mac, self._mac(key, payload)) for key in self._keys):
            raise CursorError("foreign", "the cursor was not issued for this stream")
        if payload[0] != _VERSION:
            raise CursorError("old", "the cursor has a form that is no longer read")
        return _claim(_Reader(payload[1:]))


# --- what clients bring -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """A cursor whose MAC is good, before its hashes are matched with the sources an outlet knows."""

    topics: Mapping[bytes, tuple[bytes, Mapping[int, int]]]
    """Name hash → epoch hash and offsets by partition (-1 for a label)."""
    parts: Mapping[tuple[bytes, int], int] = field(default_factory=dict)
    """Name hash and partition → k."""
    fingerprint: bytes = b""

    def match(self, layout: Layout, pipeline: bytes = b"") -> Match:
        """The claim in the terms of `layout`. A partition the cursor does not list is new: all of it is still to come."""
        vector: dict[str, int] = {}
        renewed: set[str] = set()
        parts: dict[str, int] = {}
        for source, (name, epoch, partition) in layout.places.items():
            found = self.topics.get(name)
            if found is None:
                continue
            if found[0] != epoch:
                renewed.add(topic_of(source))
                continue
            vector[source] = found[1].get(partition, 0)
            k = self.parts.get((name, partition))
            if k is not None and self.fingerprint == pipeline:
                parts[source] = k
        return Match(Cursor(vector, parts), frozenset(renewed), bool(layout.places) and not vector and not renewed)


@dataclass(frozen=True, slots=True)
class Match:
    """A claim as an outlet understands it."""

    cursor: Cursor
    renewed: frozenset[str] = frozenset()
    """Topics that were made anew since: what the old ones still held is lost."""
    strange: bool = False
    """None of the cursor's topics is known here any more."""


def _claim(reader: _Reader) -> Claim:
    topics: dict[bytes, tuple[bytes, Mapping[int, int]]] = {}
    order: list[tuple[bytes, int]] = []
    for _ in range(reader.number()):
        name, epoch = reader.take(3), reader.take(3)
        offsets = _offsets(reader)
        topics[name] = (epoch, offsets)
        order += [(name, partition) for partition in offsets]
    if not reader.rest:
        return Claim(topics)
    parts: dict[tuple[bytes, int], int] = {}
    while reader.rest > _FINGERPRINT:
        index, k = reader.number(), reader.number()
        if index >= len(order):
            raise CursorError("malformed", "the cursor does not add up")
        parts[order[index]] = k
    return Claim(topics, parts, reader.take(_FINGERPRINT))


def _offsets(reader: _Reader) -> dict[int, int]:
    form = reader.number()
    if form == 0:
        return {-1: reader.number()}
    count, dense = form >> 1, form & _DENSE
    if count > reader.rest:
        raise CursorError("malformed", "the cursor is cut short")
    offsets: dict[int, int] = {}
    for index in range(count):
        partition = index if dense else reader.number()
        offsets[partition] = reader.number()
    return offsets


# --- what clients get ---------------------------------------------------------------------------------------------------


class Layout:
    """The order in which the sources of an outlet stand in its cursors. Made anew when sources or epochs change."""

    __slots__ = ("frames", "order", "places")

    def __init__(self, sources: Iterable[str] = (), epochs: Mapping[str, str] | None = None) -> None:
        topics: dict[str, list[tuple[int, str]]] = {}
        for source in sources:
            topic = topic_of(source)
            partition = -1 if topic == source else int(source[len(topic) + 1 :])
            topics.setdefault(topic, []).append((partition, source))
        self.order: list[str] = []
        self.frames: list[bytes] = []
        """What stands before the offset of each source in a payload."""
        self.places: dict[str, tuple[bytes, bytes, int]] = {}
        lead = bytes((_VERSION,)) + _varint(len(topics))
        for topic in sorted(topics):
            name, epoch = _hash3(topic), _hash3((epochs or {}).get(topic, ""))
            members = sorted(topics[topic])
            dense = [partition for partition, _ in members] == list(range(len(members)))
            label = members[0][0] < 0
            lead += name + epoch + _varint(0 if label else len(members) * 2 + (_DENSE if dense else 0))
            for partition, source in members:
                self.order.append(source)
                self.frames.append(lead if dense or label else lead + _varint(partition))
                self.places[source] = (name, epoch, partition)
                lead = b""
        if not topics:
            self.frames.append(lead)


@dataclass(slots=True)
class Pen:
    """Writes the cursors of frames one after another; keeps the encoded parts, so a step costs one part and one MAC."""

    seal: Seal
    layout: Layout
    fingerprint: bytes = b"\0\0"
    _pieces: list[bytes] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index = {source: index for index, source in enumerate(self.layout.order)}

    def start(self, vector: Vector) -> None:
        """Stand at a vector; sources the layout does not know are left out."""
        frames = self.layout.frames
        self._pieces = [frames[i] + _varint(vector.get(source, 0)) for i, source in enumerate(self.layout.order)]
        if not self._pieces:
            self._pieces = list(frames)

    def move(self, source: str, offset: int) -> None:
        """One source has moved on."""
        index = self._index.get(source)
        if index is not None:
            self._pieces[index] = self.layout.frames[index] + _varint(offset)

    def text(self, parts: Mapping[str, int] = NO_PARTS) -> str:
        """The cursor that stands here."""
        payload = b"".join(self._pieces)
        if parts:
            known = [(self._index[source], k) for source, k in parts.items() if source in self._index]
            payload += b"".join([_varint(index) + _varint(k) for index, k in known]) + self.fingerprint
        return self.seal.text(payload)

    def write(self, cursor: Cursor) -> str:
        """A whole cursor as text."""
        self.start(cursor.vector)
        return self.text(cursor.parts)
