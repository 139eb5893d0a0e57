"""Message and Batch: body, metadata, error mark and origin of everything that moves through a pipeline.

A body is held as bytes, as a decoded document, or both; each form is made from the other when it is first asked for. A document
is never changed in place once it was handed over (see `document`), so copies share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock_gateway import document as documents

_ABSENT: Any = object()


class Origin(NamedTuple):
    """Where a message stands in its input: `source` names the partition (`topic/partition` or an input's label)."""

    source: str
    offset: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The error mark of a message: the text, and which component set it (Bento's `error()`, `error_source_*()`)."""

    text: str
    label: str = ""
    component: str = ""
    path: str = ""


class Reply:
    """Collects what a pipeline answers to the request that a message came from (Bento's synchronous response)."""

    __slots__ = ("batches",)

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []


class Message:
    """One message. `index` is its place in the batch its input handed over (-1: unknown), kept by copies."""

    __slots__ = ("_document", "_plain", "_raw", "failure", "index", "meta", "origin", "reply")

    def __init__(
        self,
        raw: bytes | None = None,
        meta: dict[str, Any] | None = None,
        origin: Origin | None = None,
        document: Any = _ABSENT,
        reply: Reply | None = None,
    ) -> None:
        self._raw = b"" if raw is None and document is _ABSENT else raw
        self._document = document
        self._plain = False
        self.meta: dict[str, Any] = {} if meta is None else meta
        self.failure: Failure | None = None
        self.origin = origin
        self.index = -1
        self.reply = reply

    @property
    def raw(self) -> bytes:
        """The body as bytes; a document is written as JSON with sorted keys."""
        if self._raw is None:
            self._raw = documents.encode(self._document, plain=self._plain)
        return self._raw

    @property
    def document(self) -> Any:
        """The body as a value; raises `document.DocumentError` when it is not JSON."""
        if self._document is _ABSENT:
            self._document = documents.decode(self._raw or b"")
            self._plain = True
        return self._document

    @property
    def plain(self) -> bool:
        """Whether the document is known to hold no float that needs a closer look when it is written (`document.encode`)."""
        return self._plain

    @property
    def exact_document(self) -> Any:
        """Like `document`, with integers that come straight from JSON as `document.Number` (`decode_exact`)."""
        return self._document if self._raw is None else documents.decode_exact(self._raw)

    def set_raw(self, raw: bytes) -> None:
        """Replace the body by bytes."""
        self._raw, self._document = raw, _ABSENT

    def set_document(self, value: Any, *, plain: bool = False) -> None:
        """Replace the body by a value; the bytes are made when somebody asks for them. `plain`: see the property."""
        self._raw, self._document, self._plain = None, value, plain

    def copy(self) -> Message:
        """A message that may be changed without this one noticing."""
        twin = Message.__new__(Message)
        twin._raw, twin._document, twin._plain = self._raw, self._document, self._plain
        twin.meta, twin.failure = self.meta.copy(), self.failure
        twin.origin, twin.index, twin.reply = self.origin, self.index, self.reply
        return twin

    def derive(self, raw: bytes) -> Message:
        """A message with another body that came from this one: same metadata, origin and index, no error mark."""
        twin = Message(raw, self.meta.copy(), self.origin, reply=self.reply)
        twin.index = self.index
        return twin

    def __repr__(self) -> str:
        mark = " failed" if self.failure else ""
        return f"<Message {len(self.raw)} bytes{mark} {self.origin or ''}>"


Batch = list[Message]


def positions_of(failed: Iterable[Message], batch: Batch) -> list[int]:
    """Where the messages that `failed` came from stand in `batch`: by identity, else by index; all of them when one is unknown."""
    by_identity = {id(message): n for n, message in enumerate(batch)}
    by_index: dict[int, list[int]] = {}
    for n, message in enumerate(batch):
        by_index.setdefault(message.index, []).append(n)
    found: set[int] = set()
    for message in failed:
        if id(message) in by_identity:
            found.add(by_identity[id(message)])
        elif message.index >= 0 and message.index in by_index:
            found.update(by_index[message.index])
        else:
            return list(range(len(batch)))
    return sorted(found)
