"""Turns a batch of messages into records in lanes: topic, key, partition, headers, size. One loop without calls for the common case."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from penstock_gateway.components.kafka.lanes import Ticket
from penstock_gateway.components.kafka.partitioners import Partitioner
from penstock_gateway.components.kafka.records import BARE_SIZE, Headers, header_value, is_tombstone, size_of
from penstock_gateway.components.kafka.topic_lanes import Lanes
from penstock_gateway.errors import WriteError
from penstock_gateway.language.errors import EvaluationError
from penstock_gateway.message import Batch
from penstock_gateway.registry import Context

_META_ONLY = re.compile(r"""\$\{!\s*(?:(?:meta|metadata)\("([^"\\]+)"\)|@([A-Za-z_][A-Za-z0-9_]*))\s*\}""")
NO_HEADERS: Headers = []
_MOST_NAMES = 1000
"""Names of metadata whose fate is remembered."""


class Text:
    """A field that may be computed: its text when it is constant, the metadata it names when it is nothing else."""

    __slots__ = ("constant", "evaluate", "name")

    def __init__(self, context: Context, text: str, field: str) -> None:
        compiled = context.interpolation(text, field)
        self.constant: str | None = compiled.constant
        self.evaluate: Callable[[Batch, int], str] = compiled.evaluate
        found = _META_ONLY.fullmatch(text)
        self.name: str | None = None if found is None else found[1] or found[2]

    def value(self, batch: Batch, place: int) -> Any:
        """The value for one message. Metadata that is named directly stays bytes or a number."""
        if self.constant is not None:
            return self.constant
        if self.name is not None:
            value = batch[place].meta.get(self.name)
            if type(value) in (str, bytes, int):
                return value
        return self.evaluate(batch, place)


class HeaderFilter:
    """Which metadata becomes headers, beside those that every message gets."""

    __slots__ = ("_excluded", "_left_out", "_static", "sends_nothing_of")

    def __init__(self, exclude_prefixes: list[str], static: dict[str, str]) -> None:
        self._excluded = tuple(exclude_prefixes)
        self._static: Headers = [(name, value.encode()) for name, value in static.items()]
        self._left_out: set[str] = set()
        # a set of names that are all known to be left out is answered without a look at each
        self.sends_nothing_of: Callable[[Any], bool] = (lambda names: False) if static else self._left_out.issuperset

    def headers(self, meta: dict[str, Any]) -> Headers:
        """The headers of a message with this metadata."""
        kept = [(name, header_value(value)) for name, value in meta.items() if not self._drops(name)]
        return [*kept, *self._static] if self._static else kept

    def _drops(self, name: str) -> bool:
        if not self._excluded or not name.startswith(self._excluded):
            return False
        if len(self._left_out) < _MOST_NAMES:
            self._left_out.add(name)
        return True


class Encoder:
    """The fields of one output, compiled."""

    def __init__(
        self,
        topic: Text,
        key: Text | None,
        partition: Text | None,
        headers: HeaderFilter,
        partitioner: Partitioner | None,
        limit: int,
    ) -> None:
        self._topic, self._key, self._partition = topic, key, partition
        self._filter, self._limit = headers, limit
        self._keyed = None if partitioner is None else partitioner.keyed
        self._unkeyed: Callable[[int], int] = _never if partitioner is None else partitioner.unkeyed

    def enter(self, batch: Batch, ticket: Ticket, lanes: Lanes) -> None:
        """Put all messages into their lanes; those that cannot be written are refused in the ticket. Never suspends."""
        constant, limit, keyed, unkeyed = self._topic.constant, self._limit, self._keyed, self._unkeyed
        topic = None if constant is None else lanes.topic(constant)
        headers_of, nothing_of = self._filter.headers, self._filter.sends_nothing_of
        key_name = None if self._key is None else self._key.name
        number_name = None if self._partition is None else self._partition.name
        computed = self._partition is not None and number_name is None
        for place, message in enumerate(batch):
            try:
                meta = message.meta
                key_text = meta.get(key_name) if key_name is not None and not computed else None
                partition = None if number_name is None else meta.get(number_name)
                if type(key_text) is str and key_text.isascii() and (number_name is None or type(partition) is int):
                    key = key_text.encode() or None
                else:
                    key, partition = self._key_and_partition(batch, place)
                target = topic or lanes.topic(self._topic_of(batch, place))
                value: Any = message.raw
                headers = NO_HEADERS if nothing_of(meta.keys()) else headers_of(meta)
                size = (
                    BARE_SIZE + len(value) + len(key or b"") if headers is NO_HEADERS else size_of(key, value, headers)
                )
                if size > limit:
                    ticket.settle(
                        place, WriteError(f"the message takes {size} bytes, more than max_msg_bytes ({limit})")
                    )
                    continue
                if not value and is_tombstone(message):
                    value = None
                if not target.ready:
                    lanes.park(target, partition, (key, value, headers, ticket, place))
                    continue
                if partition is None:
                    partition = keyed(key, target.count) if key and keyed is not None else unkeyed(target.count)
                lane = target.lanes.get(partition) or lanes.lane(target, partition)
                lane.queue.append((key, value, headers, ticket, place))
                if lane.asleep:
                    lane.wake()
            except WriteError as error:
                ticket.settle(place, error)

    def _topic_of(self, batch: Batch, place: int) -> str:
        try:
            return str(self._topic.value(batch, place))
        except EvaluationError as error:
            raise WriteError(f"interpolation error: {error}") from error

    def _key_and_partition(self, batch: Batch, place: int) -> tuple[bytes | None, int | None]:
        key, partition = None, None
        try:
            if self._key is not None:
                key = _bytes(self._key.value(batch, place)) or None
            if self._partition is not None:
                partition = _number(self._partition.value(batch, place))
        except EvaluationError as error:
            raise WriteError(f"interpolation error: {error}") from error
        return key, partition


def _bytes(value: str | bytes | int) -> bytes:
    if type(value) is bytes:
        return value
    return (value if type(value) is str else str(value)).encode("utf-8", "surrogateescape")


def _number(value: str | bytes | int) -> int:
    if type(value) is int and value >= 0:
        return value
    text = _bytes(value).decode("ascii", "replace").strip()
    if not text.isdigit():
        raise WriteError(f"partition {text!r} is not a number from 0 upwards")
    return int(text)


def _never(count: int) -> int:
    raise AssertionError("the partitioner manual always has a partition")
