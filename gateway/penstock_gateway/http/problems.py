"""Refusals as clients see them: RFC 9457 problem documents with `error` (the text existing clients parse), `code`, `decision`."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

import msgspec

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let in. `code` is a stable word (also the metric's label), `wait` the seconds after which it may be."""

    status: int
    code: str
    error: str
    decision: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = field(default=0.0, compare=False)

    def body(self) -> bytes:
        """The problem document."""
        return problem(self.status, self.code, self.error, self.decision)


def problem(status: int, code: str, error: str, decision: str = "") -> bytes:
    """A problem document; nothing of the request is in it."""
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "error": error, "code": code}
    if decision:
        document["decision"] = decision
    return msgspec.json.encode(document)
