"""Asks a cluster for the ids of topics (Metadata version 10): an id changes when a topic is deleted and made anew."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Schema, UnsignedVarInt32

_NO_TOPIC_ID = bytes(16)


@dataclass(slots=True)
class TopicIds:
    """The answer: topic → id in hexadecimal, for topics that exist."""

    ids: dict[str, str]


class _Response(Response):
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema()

    @classmethod
    def decode(cls, data: bytes | BytesIO) -> Any:
        """Read what the protocol guide lists for version 10, keeping names and ids."""
        reader = _Buffer(data if isinstance(data, BytesIO) else BytesIO(data))
        reader.skip(4)  # throttle time
        for _ in range(reader.count()):
            reader.skip(4)  # node id
            reader.text()
            reader.skip(4)  # port
            reader.text()  # rack
            reader.tags()
        reader.text()  # cluster id
        reader.skip(4)  # controller
        ids: dict[str, str] = {}
        for _ in range(reader.count()):
            error = reader.int16()
            name, topic_id = reader.text(), reader.raw(16)
            reader.skip(1)  # internal
            for _ in range(reader.count()):
                reader.skip(2 + 4 + 4 + 4)  # error, index, leader, leader epoch
                for _ in range(3):  # replicas, in sync, offline
                    reader.skip(4 * reader.count())
                reader.tags()
            reader.skip(4)  # authorized operations
            reader.tags()
            if not error and name and topic_id != _NO_TOPIC_ID:
                ids[name] = uuid.UUID(bytes=topic_id).hex
        return TopicIds(ids)


class _Request(RequestStruct):
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Response
    SCHEMA = Schema()

    def __init__(self, topics: list[str]) -> None:
        self.topics = topics

    def encode(self) -> bytes:
        """The request for these topics; none is created by asking."""
        parts = [UnsignedVarInt32.encode(len(self.topics) + 1)]
        for name in self.topics:
            text = name.encode()
            parts += [_NO_TOPIC_ID, UnsignedVarInt32.encode(len(text) + 1), text, b"\0"]
        return b"".join([*parts, b"\0\0\0", b"\0"])  # no auto-creation, no lists of operations, no tags

    def __repr__(self) -> str:
        return f"TopicIdsRequest({self.topics})"


class _TopicIds(Request[_Request]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Request]) -> _Request:
        """The request of the negotiated version, which is version 10 or none."""
        return request_struct_class(self._topics)


class _Buffer:
    def __init__(self, data: BytesIO) -> None:
        self._data = data

    def raw(self, size: int) -> bytes:
        found = self._data.read(size)
        if len(found) != size:
            raise ValueError("answer is too short")
        return found

    def skip(self, size: int) -> None:
        self.raw(size)

    def int16(self) -> int:
        number: int = struct.unpack(">h", self.raw(2))[0]
        return number

    def count(self) -> int:
        return max(0, UnsignedVarInt32.decode(self._data) - 1)

    def text(self) -> str:
        return self.raw(self.count()).decode()

    def tags(self) -> None:
        for _ in range(UnsignedVarInt32.decode(self._data)):
            UnsignedVarInt32.decode(self._data)
            self.skip(UnsignedVarInt32.decode(self._data))


async def topic_ids(consumer: AIOKafkaConsumer, topics: Iterable[str]) -> dict[str, str]:
    """Topic → id; "" where the cluster gives none (brokers before 2.8)."""
    names = sorted(topics)
    client = consumer._client
    found: dict[str, str] = {}
    try:
        answer = await client.send(client.get_random_node(), _TopicIds(names))
        found = answer.ids
    except (KafkaError, NotImplementedError, ValueError, OSError):
        pass  # an id only makes a recreated topic visible earlier
    return {name: found.get(name, "") for name in names}
