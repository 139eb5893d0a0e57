"""How large one result may become: methods that can make much out of little check their results here."""

from __future__ import annotations

from penstock_gateway.document import Value
from penstock_gateway.language.errors import EvaluationError

MAX_TEXT = 32 * 1024 * 1024
"""Characters or bytes of one text."""


CACHED_TEXT = 512
"""Characters up to which a text (a layout, a format, a path) is worth keeping in a cache: they may come from messages."""

_PART = 16  # what one part of a document counts as


def too_large() -> EvaluationError:
    """Give the error of a text that would become larger than MAX_TEXT."""
    return EvaluationError(f"the result would exceed {MAX_TEXT} bytes")


def fitting(text: str) -> str:
    """Give a text back if it is not too large."""
    if len(text) > MAX_TEXT:
        raise too_large()
    return text


class Sink:
    """Collects the pieces of a text and stops when it becomes too large."""

    __slots__ = ("_left", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._left = MAX_TEXT

    def append(self, piece: str) -> None:
        """Add a piece."""
        self._left -= len(piece)
        if self._left < 0:
            raise too_large()
        self._pieces.append(piece)

    def text(self) -> str:
        """Give all pieces as one text."""
        return "".join(self._pieces)


def bounded(value: Value) -> Value:
    """Give a value back if its text will not be too large.

    Documents share parts, so that a few steps can make a value whose text is larger than any memory; this counts every
    part as often as it occurs, and stops in time.
    """
    kind = type(value)
    if kind is not dict and kind is not list:
        return value
    left = MAX_TEXT
    pending: list[Value] = [value]
    while pending:
        container = pending.pop()
        left -= _PART * (1 + len(container))
        for item in container.values() if type(container) is dict else container:
            kind = type(item)
            if kind is str or kind is bytes:
                left -= len(item)
            elif kind is dict or kind is list:
                pending.append(item)
        if left < 0:
            raise too_large()
    return value
