"""What outputs that hold others share: the engine connects and closes what is inside, and a flush goes through to it."""

from __future__ import annotations

from collections.abc import Sequence

from penstock_gateway.registry import Flushes, Output


class Around:
    """The life of an output around one or several others; `write` is the subclass's own."""

    def __init__(self, *inner: Output, max_in_flight: int | None = None) -> None:
        self.inner: Sequence[Output] = inner
        self._most = max_in_flight

    @property
    def max_in_flight(self) -> int:
        """As much as the most willing output inside takes, unless said otherwise."""
        return self._most or max(output.max_in_flight for output in self.inner)

    async def connect(self) -> None:
        """The engine connects what is inside."""

    def flush(self) -> None:
        """No more is coming: let what is inside write what it holds."""
        for output in self.inner:
            if isinstance(output, Flushes):
                output.flush()

    async def close(self) -> None:
        """The engine closes what is inside."""
