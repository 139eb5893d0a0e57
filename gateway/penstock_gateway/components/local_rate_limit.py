"""Rate limit `local`: so many accesses, and so many bytes, in each interval of this process."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from penstock_gateway.registry import Config, Context, Kind, RateLimit, component
from penstock_gateway.units import Duration


@component("local", Kind.RATE_LIMIT, summary="Lets so many through in each interval.", state="process")
class Local(Config):
    """Fields as Bento's."""

    count: int = Field(1000, description="Messages or requests in an interval.", gt=0)
    interval: Duration = Field(1.0, description="Length of the interval.")
    byte_size: int = Field(0, description="Bytes of messages in an interval; 0 = no limit by bytes.", ge=0)

    def build(self, context: Context) -> RateLimit:
        """The runtime."""
        return LocalRateLimit(self.count, self.byte_size, self.interval, context.clock)


class LocalRateLimit:
    """A bucket filled anew when its interval is over; the message that makes the bytes overflow still passes."""

    def __init__(self, count: int, size: int, interval: float, clock: Callable[[], float]) -> None:
        self.count, self.size, self.interval, self.clock = count, size, interval, clock
        self._left, self._bytes, self._since = count, 0, clock()

    async def access(self, size: int = 0) -> float:
        """Seconds to wait before asking again; 0 = go on now."""
        now = self.clock()
        spent = self._left <= 0 or bool(self.size and self._bytes >= self.size)
        if spent or now - self._since >= self.interval:
            rest = self.interval - (now - self._since)
            if rest > 0:
                return rest
            self._left, self._bytes, self._since = self.count, 0, now
        self._left -= 1
        self._bytes += size
        return 0.0

    async def close(self) -> None:
        """Nothing is held."""
