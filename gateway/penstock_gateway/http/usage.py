"""What the edge remembers between requests: usage by consumer and by API, failed attempts by address, recent refusals. Pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock_gateway.limits import SlidingWindow, Usage

FAILURES, FAILURE_WINDOW = 20, 60.0
"""Failed authentications an address may make per minute before it is told to wait."""

ADDRESSES = 8192
"""Addresses remembered; the longest unseen one is forgotten first."""


class Now(NamedTuple):
    """One instant: `steady` seconds of a clock that never goes back, `wall` Unix seconds."""

    steady: float
    wall: float


@dataclass(frozen=True, slots=True)
class Decision:
    """A refusal as it is kept for whoever asks by its id."""

    id: str
    at: float
    api: str
    consumer: str
    code: str


class Failures:
    """Failed authentications by address, in a table of bounded size."""

    def __init__(self) -> None:
        self._windows: OrderedDict[str, SlidingWindow] = OrderedDict()

    def add(self, address: str, now: float) -> float:
        """Count a failure; the seconds the address must wait when it had too many, else 0."""
        window = self._windows.get(address)
        if window is None:
            window = self._windows[address] = SlidingWindow(FAILURE_WINDOW)
            if len(self._windows) > ADDRESSES:
                self._windows.popitem(last=False)
        self._windows.move_to_end(address)
        wait = window.wait(now, FAILURES)
        if not wait:
            window.add(now)
        return wait


@dataclass(slots=True)
class ApiUsage:
    """What all consumers together used at one API."""

    usage: Usage = field(default_factory=Usage)
    consumers: dict[str, Usage] = field(default_factory=dict)

    def consumer(self, uid: str) -> Usage:
        """The usage of a key's owner."""
        found = self.consumers.get(uid)
        if found is None:
            found = self.consumers[uid] = Usage()
        return found

    def forget(self, uid: str, now: float) -> None:
        """Forget a consumer that used nothing that still counts."""
        usage = self.consumers.get(uid)
        if usage is not None and usage.idle(now):
            del self.consumers[uid]


class State:
    """Everything `decide` counts in. `pod` begins the ids of decisions; `random` gives numbers in [0, 1) for jitter."""

    def __init__(self, pod: str, random: Callable[[], float]) -> None:
        self.failures = Failures()
        self.recent: deque[Decision] = deque(maxlen=1000)
        self.random = random
        self._apis: dict[str, ApiUsage] = {}
        self._pod = pod
        self._count = 0
        self._unswept: list[tuple[ApiUsage, str]] = []

    def api(self, api: str) -> ApiUsage:
        """The usage of an API."""
        found = self._apis.get(api)
        if found is None:
            found = self._apis[api] = ApiUsage()
        return found

    def note(self, now: Now, api: str, consumer: str, code: str) -> str:
        """Keep a refusal; the result is its id, which names this process."""
        self._count += 1
        decision = f"{self._pod}-{self._count:x}"
        self.recent.append(Decision(decision, now.wall, api, consumer, code))
        return decision

    def sweep(self, now: float, most: int = 2000) -> None:
        """Forget what does not matter any more; called every second, looks at so many consumers and goes on next time."""
        if not self._unswept:
            self._unswept = [(api, uid) for api in self._apis.values() for uid in api.consumers]
        for api, uid in self._unswept[-most:]:
            api.forget(uid, now)
        del self._unswept[-most:]


def address_group(remote: str) -> str:
    """The address failures are counted by: IPv4 as it is (also when mapped into IPv6), IPv6 by its /64."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
    return remote
