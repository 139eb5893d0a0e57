"""Turns requests into messages, and what a pipeline stored into the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from penstock_gateway import language
from penstock_gateway.components.http_server import formats
from penstock_gateway.language import EvaluationError
from penstock_gateway.language.values import to_string
from penstock_gateway.message import Batch, Message, Reply
from penstock_gateway.registry import Request, Response
from penstock_gateway.sniffing import media_type

_HIDDEN = frozenset({"host", "transfer-encoding"})
_STATUS = re.compile(r"[+-]?[0-9]{1,9}")


@lru_cache(maxsize=1024)
def canonical(name: str) -> str:
    """A header name as Go writes it."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.split("-"))


def metadata(request: Request, own: Mapping[str, str]) -> dict[str, Any]:
    """Headers, query, path parameters and cookies, later ones over earlier ones; nothing of a client over the keys in `own`."""
    meta: dict[str, Any] = {}
    for name, value in reversed(request.headers):  # of equal names the first counts
        if name.lower() not in _HIDDEN:
            meta[canonical(name)] = value
    for name, value in reversed(request.query):
        meta[name] = value
    meta.update(request.path_values)
    meta.update(request.cookies)
    meta.update(own)
    return meta


def of_request(request: Request) -> dict[str, str]:
    """The keys the gateway itself vouches for."""
    return {
        "http_server_user_agent": user_agent(request),
        "http_server_request_path": request.path,
        "http_server_verb": request.method,
        "http_server_remote_ip": request.remote,
    }


def user_agent(request: Request) -> str:
    """The client's name for itself."""
    return next((value for name, value in request.headers if name.lower() == "user-agent"), "")


def messages(request: Request, body: bytes, reply: Reply) -> Batch:
    """One message, or one for each part of a multipart body; raises FormatError."""
    kind = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    bodies = [body]
    if kind:
        media, parameters = formats.parse_media_type(kind)
        if media.startswith("multipart/"):
            if not parameters.get("boundary"):
                raise formats.FormatError("multipart without a boundary")
            bodies = formats.split_multipart(body, parameters["boundary"])
    meta = metadata(request, of_request(request))
    return [Message(part, dict(meta), reply=reply) for part in bodies]


def refusal(status: int, text: str) -> Response:
    """A plain text answer that says why not."""
    headers = [("Content-Type", formats.PLAIN), ("X-Content-Type-Options", "nosniff")]
    return Response(status, headers, text.encode("utf-8", "replace") + b"\n")


class MetadataFilter:
    """Which metadata become headers of the answer: by prefix or by regular expression."""

    def __init__(self, prefixes: Sequence[str], patterns: Sequence[str]) -> None:
        self._prefixes = tuple(prefixes)
        options = re2.Options()
        options.log_errors = False
        self._patterns = [re2.compile(text, options) for text in patterns]  # type: ignore[no-untyped-call]  # re2 has no types

    def headers(self, message: Message) -> list[tuple[str, str]]:
        """The headers a message gives."""
        return [
            (name, to_string(value))
            for name, value in message.meta.items()
            if name.startswith(self._prefixes) or any(found.search(name) for found in self._patterns)
        ]


@dataclass(frozen=True, slots=True)
class Answers:
    """The field `sync_response`: how stored messages become an answer. `random` makes boundaries."""

    status: language.Interpolation
    headers: Mapping[str, language.Interpolation]
    metadata: MetadataFilter
    random: Callable[[], float]

    def answer(self, reply: Reply) -> Response:
        """The answer for everything that was stored."""
        batch = [message for stored in reply.batches for message in stored]
        if not batch:
            return Response(200)
        headers: dict[str, str] = {}
        for name, text in self.headers.items():
            if (value := _text(text, batch, 0)) is not None:
                headers[canonical(name)] = value
        for message in batch:
            headers.update({canonical(name): value for name, value in self.metadata.headers(message)})
        status = _text(self.status, batch, 0)
        if status is None or not _STATUS.fullmatch(status):
            return Response(502, list(headers.items()))
        if len(batch) == 1:
            body = batch[0].raw
            headers.setdefault("Content-Type", media_type(body))
        else:
            boundary = "".join(f"{int(self.random() * 2**52):013x}" for _ in range(3))
            parts = [(self._part_type(batch, at), message.raw) for at, message in enumerate(batch)]
            body = formats.join_multipart(parts, boundary)
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
        return Response(int(status), list(headers.items()), body)

    def _part_type(self, batch: Batch, at: int) -> str:
        own = self.headers.get("content-type")
        value = _text(own, batch, at) if own is not None else None
        return value or media_type(batch[at].raw)


def _text(text: language.Interpolation, batch: Batch, at: int) -> str | None:
    try:
        return text.evaluate(batch, at)
    except EvaluationError:
        return None
