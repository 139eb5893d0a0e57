"""Who may come in: one decision for every listener and protocol. Pure but for the counters it is given.

Order: route, size, authentication (with the throttle of addresses that keep failing), state and expiry, right, rate of the key
(held and tried again when its policy throttles), quota, rate of the API, connections. Nothing is counted for a refused request.
A failing address is slowed down only while it fails: a valid key always gets in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock_gateway import limits
from penstock_gateway.access import ApiDocument, Authentication, Effective, KeyRecord
from penstock_gateway.http.auth import apikey
from penstock_gateway.http.problems import Refusal
from penstock_gateway.http.table import AccessTable, Door
from penstock_gateway.http.usage import Now, State, address_group
from penstock_gateway.limits import Standing, Usage

HELD = 1000
"""Requests of one API that may be held at the same time; beyond that they are refused at once."""

FREE_FOR = 60.0
"""Seconds for which a reconnect after a close by the gateway is not counted."""

FREE_MOST = 1000
"""Such reconnects one consumer may have open."""

_DISALLOWED = "Access to this API has been disallowed"
_UNLIMITED = Effective()


def _never() -> bool:
    return False


@dataclass(slots=True)
class Head:
    """A request without its body. `path` is decoded and below the listen path; `allow` lists the methods of the path's routes,
    `served` says that one of them has this method; `lasting` marks streams, which take a connection; `resumes` tells whether the
    request continues a stream of this API with a valid cursor; `attempt` counts how often it was held; `size` 0 = not known."""

    door: Door | None
    path: str
    method: str
    remote: str
    source: apikey.Source
    served: bool = True
    allow: tuple[str, ...] = ()
    lasting: bool = False
    size: int = 0
    attempt: int = 0
    resumes: Callable[[], bool] = _never


@dataclass(slots=True, eq=False)
class Grant:
    """Leave to come in. `expires` is on the steady clock; `digest` is what a later look at the access documents starts from."""

    api: str
    consumer: str = ""
    credential: str = ""
    digest: str = ""
    path: str = "/"
    method: str = "GET"
    expires: float | None = None
    effective: Effective = field(default_factory=Effective)
    standings: list[Standing] = field(default_factory=list)
    message_size: int = 1 << 20
    body_size: int = 1 << 20
    _slots: list[Usage] = field(default_factory=list)
    _usage: Usage | None = None

    def release(self) -> None:
        """Give back the connection this grant took; harmless when repeated."""
        for usage in self._slots:
            usage.connections -= 1
        self._slots.clear()

    def excuse(self, now: float) -> None:
        """The gateway closed this stream by itself: one reconnect soon is not counted."""
        if self._usage is not None:
            self._usage.free = (*self._usage.free[-FREE_MOST + 1 :], now + FREE_FOR)

    def headers(self) -> list[tuple[str, str]]:
        """`RateLimit` and `RateLimit-Policy`."""
        return _limit_headers(self.standings)


@dataclass(frozen=True, slots=True)
class Hold:
    """Over the rate: try again after so many seconds with `attempt` one higher, then `release`."""

    wait: float
    _usage: Usage

    def release(self) -> None:
        """The request is not held any more."""
        self._usage.held -= 1


class _Refused(Exception):
    def __init__(self, status: int, code: str, error: str, *headers: tuple[str, str], wait: float = 0.0) -> None:
        self.status, self.code, self.error, self.headers, self.wait = status, code, error, headers, wait
        super().__init__(code)


def decide(head: Head, table: AccessTable, state: State, now: Now) -> Grant | Refusal | Hold:
    """Judge a request at that instant, and count it when it may come in."""
    case = _Case(head, table, state, now)
    try:
        case.route()
        case.size()
        case.authenticate()
        case.entitle()
        return case.key_rate() or case.rest()
    except _Refused as no:
        api, consumer = head.door.id if head.door else "", case.record.key if case.record else ""
        decision = state.note(now, api, consumer, no.code)
        return Refusal(no.status, no.code, no.error, decision, no.headers, no.wait)


class _Case:
    """One request under judgement: what is known about it so far. Each step raises _Refused or leaves more known."""

    __slots__ = ("api", "digest", "document", "door", "effective", "free", "head", "now", "record", "standings", "state",
                 "table", "usage")  # fmt: skip
    door: Door
    document: ApiDocument

    def __init__(self, head: Head, table: AccessTable, state: State, now: Now) -> None:
        self.head, self.table, self.state, self.now = head, table, state, now
        self.record: KeyRecord | None = None
        self.digest = ""
        self.effective = _UNLIMITED
        self.usage: Usage | None = None
        self.free = False
        self.standings: list[Standing] = []

    def route(self) -> None:
        """An API, in force, with a route for path and method."""
        head = self.head
        door = head.door or self.table.pathless
        if door is None:
            raise _Refused(404, "no-api", "not found")
        if door.document is None:
            raise _Refused(503, "access-unreadable", "access rules are not available")
        if head.door is None or door.document.state != "Active":
            raise _Refused(404, "disabled" if head.door else "no-api", "not found")
        if not head.allow:
            raise _Refused(404, "no-route", "not found")
        if not head.served:
            raise _Refused(405, "method", "Incorrect method", ("Allow", ", ".join(sorted(head.allow))))
        self.door, self.document = door, door.document

    def size(self) -> None:
        """A body that is announced within the limit; one that is not announced is bounded while it is read."""
        if self.head.size > self.document.limits.body_size:
            raise _Refused(413, "body-size", "Request body too large")

    def authenticate(self) -> None:
        """Whose key it is. A key of another API here is valid, and has no right."""
        authentication = self.document.authentication
        if not authentication.methods:
            return
        key = self._presented(authentication)
        digest = apikey.digest(key)
        record = self.door.record(digest) if digest else None
        if digest is None or record is None:
            if self.door.keys_broken:
                raise _Refused(503, "access-unreadable", "access rules are not available")
            if digest is not None and self.table.known(digest):
                raise _Refused(403, "no-right", _DISALLOWED)
            raise self._failed()
        self.record, self.digest = record, digest

    def _presented(self, authentication: Authentication) -> str:
        try:
            keys = [apikey.presented(method.api_key, self.head.source) for method in authentication.methods]
        except apikey.Ambiguous:
            keys = ["one", "other"]
        given = {key for key in keys if key}
        if len(given) > 1:
            raise _Refused(400, "credentials", "Attempted access with several credentials")
        if not given or (authentication.mode == "All" and not all(keys)):
            raise _Refused(401, "credential-missing", "Authorization field missing", self._challenge())
        return given.pop()

    def _failed(self) -> _Refused:
        wait = self.state.failures.add(address_group(self.head.remote), self.now.steady)
        if wait:
            retry = ("Retry-After", str(limits.retry_after(wait)))
            return _Refused(429, "failed-attempts", "Too many failed attempts", retry, wait=wait)
        return _Refused(401, "credential-invalid", _DISALLOWED, self._challenge())

    def _challenge(self, more: str = "") -> tuple[str, str]:
        return "WWW-Authenticate", f'Bearer realm="{self.document.name}"{more}'

    def entitle(self) -> None:
        """What the key may do: its state, expiry, policies, and its right to the path."""
        if self.record is None:
            return
        verdict = self.door.judge(self.record, self.now.wall)
        if verdict == "expired":
            challenge = self._challenge(', error="invalid_token"')
            raise _Refused(401, "key-expired", "Key has expired, please renew", challenge)
        if verdict == "inactive":
            raise _Refused(403, "key-inactive", "Key is inactive, please renew")
        if isinstance(verdict, str):
            raise _Refused(403, "no-right", _DISALLOWED)
        if not verdict.permits(self.head.path, self.head.method):
            raise _Refused(403, "no-path-right", "Access to this resource has been disallowed")
        self.effective = verdict

    def key_rate(self) -> Hold | None:
        """The rate of the key; over it the request is held as long as the throttle says, then refused."""
        self.api = self.state.api(self.door.id)
        if self.record is None:
            return None
        now = self.now.steady
        usage = self.usage = self.api.consumer(self.record.uid)
        rate = self.effective.rate
        self.free = self._excused(usage)
        if rate is None or self.free:
            return None
        limit = limits.share(rate.requests, self.document.replicas)
        window = usage.window(now, rate.window)
        left, wait = limit - window.used(now), window.wait(now, limit)
        self.standings.append(Standing("rate", limit, rate.window, left, wait or rate.window))
        if left > 0:
            return None
        throttle, api = self.effective.throttle, self.api.usage
        if throttle is not None and self.head.attempt < throttle.retries and api.held < HELD:
            api.held += 1
            return Hold(throttle.interval, api)
        raise _over("rate", "Rate Limit Exceeded", self.standings, wait)

    def _excused(self, usage: Usage) -> bool:
        if not usage.free:
            return False
        usage.free = tuple(until for until in usage.free if until > self.now.steady)
        return bool(usage.free) and self.head.lasting and self.head.resumes()

    def rest(self) -> Grant:
        """Quota, the API's own rate, connections; then everything is counted."""
        self._quota()
        self._api_rate()
        slots = self._connections()
        self._count()
        for slot in slots:
            slot.connections += 1
        head, document, record = self.head, self.document, self.record
        return Grant(
            api=self.door.id,
            consumer=record.key if record else "",
            credential=record.id if record else "",
            digest=self.digest,
            path=head.path,
            method=head.method,
            expires=self._ends(),
            effective=self.effective,
            standings=[standing._replace(remaining=standing.remaining - 1) for standing in self.standings],
            message_size=document.limits.message_size,
            body_size=document.limits.body_size,
            _slots=slots,
            _usage=self.usage,
        )

    def _quota(self) -> None:
        quota, usage, now = self.effective.quota, self.usage, self.now.steady
        if quota is None or usage is None or self.free:
            return
        limit = limits.share(quota.requests, self.document.replicas)
        left = limit - usage.quota.used(now, quota.window)
        renewed = usage.quota.wait(now, quota.window) if left < limit else (quota.window or math.inf)
        self.standings.append(Standing("quota", limit, quota.window, left, renewed))
        if left <= 0:
            raise _over("quota", "Quota exceeded", self.standings, renewed)

    def _api_rate(self) -> None:
        rate = self.document.limits.rate
        if rate is None:
            return
        limit = limits.share(rate.requests, self.document.replicas)
        now = self.now.steady
        wait = self.api.usage.window(now, rate.window).wait(now, limit)
        if wait:
            raise _over("api-rate", "API Rate Limit Exceeded", [Standing("api", limit, rate.window, 0, wait)], wait)

    def _connections(self) -> list[Usage]:
        if not self.head.lasting:
            return []
        bounds = [(self.usage, self.effective.connections), (self.api.usage, self.document.limits.connections)]
        for taken, most in bounds:
            if taken is None or most is None:
                continue
            if taken.connections >= limits.share(most, self.document.replicas):
                raise _Refused(429, "connections", "Connection limit exceeded", ("Retry-After", "5"), wait=5.0)
        return [taken for taken, _ in bounds if taken is not None]

    def _count(self) -> None:
        now, usage, effective = self.now.steady, self.usage, self.effective
        if usage is not None and self.free:
            usage.free = usage.free[1:]
        elif usage is not None:
            if effective.rate is not None:
                usage.window(now, effective.rate.window).add(now)
            if effective.quota is not None:
                usage.quota.add(now, effective.quota.window)
        if (rate := self.document.limits.rate) is not None:
            self.api.usage.window(now, rate.window).add(now)

    def _ends(self) -> float | None:
        """When a stream must end, on the steady clock: the key's expiry, or its greatest age ± 10 %."""
        ends, now, age = math.inf, self.now, self.effective.connection_age
        if self.record is not None and self.record.expires is not None:
            ends = now.steady + (self.record.expires - now.wall)
        if age is not None:
            ends = min(ends, now.steady + age * (0.9 + 0.2 * self.state.random()))
        return None if math.isinf(ends) else ends


def _over(code: str, error: str, standings: list[Standing], wait: float) -> _Refused:
    headers = _limit_headers(standings)
    if not math.isinf(wait):
        headers.append(("Retry-After", str(limits.retry_after(wait))))
    return _Refused(429, code, error, *headers, wait=wait)


def _limit_headers(standings: list[Standing]) -> list[tuple[str, str]]:
    if not standings:
        return []
    return [("RateLimit", limits.limit_header(standings)), ("RateLimit-Policy", limits.policy_header(standings))]
