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
from penstock_gateway.access import ApiDocument, Effective, KeyRecord
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

_CHALLENGE = ("WWW-Authenticate", 'Bearer realm="{}"')


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
    def __init__(self, refusal: Refusal, consumer: str = "") -> None:
        self.refusal, self.consumer = refusal, consumer
        super().__init__(refusal.code)


def decide(head: Head, table: AccessTable, state: State, now: Now) -> Grant | Refusal | Hold:
    """Judge a request at that instant, and count it when it may come in."""
    try:
        door, document = _routed(head, table)
        _sized(head, document)
        record, digest = _authenticated(head, (door, document), table, state, now)
        effective = _entitled(head, door, record, now)
        return _within_limits(head, document, (record, digest, effective), state, now)
    except _Refused as stop:
        refusal = stop.refusal
        decision = state.note(now, head.door.id if head.door else "", stop.consumer, refusal.code)
        return Refusal(refusal.status, refusal.code, refusal.error, decision, refusal.headers, refusal.wait)


def _routed(head: Head, table: AccessTable) -> tuple[Door, ApiDocument]:
    door = head.door or table.pathless
    if door is None:
        raise _Refused(Refusal(404, "no-api", "not found"))
    if door.document is None:
        raise _Refused(Refusal(503, "access-unreadable", "access rules are not available"))
    if head.door is None or door.document.state != "Active":
        raise _Refused(Refusal(404, "disabled" if head.door else "no-api", "not found"))
    if not head.allow:
        raise _Refused(Refusal(404, "no-route", "not found"))
    if not head.served:
        allow = ", ".join(sorted(head.allow))
        raise _Refused(Refusal(405, "method", "Incorrect method", headers=(("Allow", allow),)))
    return door, door.document


def _sized(head: Head, document: ApiDocument) -> None:
    if head.size > document.limits.body_size:
        raise _Refused(too_large())


def too_large() -> Refusal:
    """A body beyond the API's limit."""
    return Refusal(413, "body-size", "Request body too large")


def _authenticated(
    head: Head, place: tuple[Door, ApiDocument], table: AccessTable, state: State, now: Now
) -> tuple[KeyRecord | None, str]:
    door, document = place
    methods = document.authentication.methods
    if not methods:
        return None, ""
    try:
        keys = [apikey.presented(method.api_key, head.source) for method in methods]
    except apikey.Ambiguous:
        raise _Refused(Refusal(400, "credentials", "Attempted access with several credentials")) from None
    given = {key for key in keys if key}
    if len(given) > 1:
        raise _Refused(Refusal(400, "credentials", "Attempted access with several credentials"))
    challenge = (_CHALLENGE[0], _CHALLENGE[1].format(document.name))
    if not given or (document.authentication.mode == "All" and not all(keys)):
        raise _Refused(Refusal(401, "credential-missing", "Authorization field missing", headers=(challenge,)))
    digest = apikey.digest(given.pop())
    record = door.record(digest) if digest else None
    if digest is None or record is None:
        if door.keys_broken:
            raise _Refused(Refusal(503, "access-unreadable", "access rules are not available"))
        if digest is not None and table.known(digest):
            raise _Refused(Refusal(403, "no-right", "Access to this API has been disallowed"))
        raise _Refused(_failed(head, challenge, state, now))
    return record, digest


def _failed(head: Head, challenge: tuple[str, str], state: State, now: Now) -> Refusal:
    wait = state.failures.add(address_group(head.remote), now.steady)
    if wait:
        retry = ("Retry-After", str(limits.retry_after(wait)))
        return Refusal(429, "failed-attempts", "Too many failed attempts", headers=(retry,), wait=wait)
    return Refusal(401, "credential-invalid", "Access to this API has been disallowed", headers=(challenge,))


def _entitled(head: Head, door: Door, record: KeyRecord | None, now: Now) -> Effective:
    if record is None:
        return Effective()
    verdict = door.judge(record, now.wall)
    if verdict == "expired":
        challenge = (_CHALLENGE[0], _CHALLENGE[1].format(door.id.partition("/")[2]) + ', error="invalid_token"')
        raise _Refused(Refusal(401, "key-expired", "Key has expired, please renew", headers=(challenge,)), record.key)
    if verdict == "inactive":
        raise _Refused(Refusal(403, "key-inactive", "Key is inactive, please renew"), record.key)
    if isinstance(verdict, str):
        raise _Refused(Refusal(403, "no-right", "Access to this API has been disallowed"), record.key)
    if not verdict.permits(head.path, head.method):
        raise _Refused(Refusal(403, "no-path-right", "Access to this resource has been disallowed"), record.key)
    return verdict


Holder = tuple[KeyRecord | None, str, Effective]


def _within_limits(head: Head, document: ApiDocument, holder: Holder, state: State, now: Now) -> Grant | Hold:
    record, digest, effective = holder
    name = record.key if record else ""
    api = state.api(f"{document.namespace}/{document.name}")
    usage = api.consumer(record.uid) if record else None
    free = usage is not None and _excused(head, usage, now.steady)
    standings: list[Standing] = []
    if usage is not None and not free:
        hold = _key_rate(head, document, (name, effective), usage, (standings, api.usage, now.steady))
        if hold is not None:
            return hold
        _quota(document, (name, effective), usage, standings, now.steady)
    _api_rate(document, api.usage, now.steady, name)
    slots = _connections(head, document, (name, effective), usage, api.usage)
    _count(document, effective, None if free else usage, api.usage, now.steady)
    for slot in slots:
        slot.connections += 1
    return Grant(
        api=f"{document.namespace}/{document.name}",
        consumer=name,
        credential=record.id if record else "",
        digest=digest,
        path=head.path,
        method=head.method,
        expires=_ends(record, effective, state, now),
        effective=effective,
        standings=[_after(standing) for standing in standings],
        message_size=document.limits.message_size,
        body_size=document.limits.body_size,
        _slots=slots,
        _usage=usage,
    )


def _excused(head: Head, usage: Usage, now: float) -> bool:
    if not usage.free:
        return False
    usage.free = tuple(until for until in usage.free if until > now)
    if not usage.free or not head.lasting or not head.resumes():
        return False
    usage.free = usage.free[1:]
    return True


def _key_rate(
    head: Head,
    document: ApiDocument,
    holder: tuple[str, Effective],
    usage: Usage,
    rest: tuple[list[Standing], Usage, float],
) -> Hold | None:
    name, effective = holder
    standings, api, now = rest
    rate = effective.rate
    if rate is None:
        return None
    limit = limits.share(rate.requests, document.replicas)
    window = usage.window(now, rate.window)
    left = limit - window.used(now)
    wait = window.wait(now, limit)
    standings.append(Standing("rate", limit, rate.window, left, wait or rate.window))
    if left > 0:
        return None
    throttle = effective.throttle
    if throttle is not None and head.attempt < throttle.retries and api.held < HELD:
        api.held += 1
        return Hold(throttle.interval, api)
    raise _Refused(_over("rate", "Rate Limit Exceeded", standings, wait), name)


def _quota(
    document: ApiDocument, holder: tuple[str, Effective], usage: Usage, standings: list[Standing], now: float
) -> None:
    name, effective = holder
    quota = effective.quota
    if quota is None:
        return
    limit = limits.share(quota.requests, document.replicas)
    left = limit - usage.quota.used(now, quota.window)
    renewed = usage.quota.wait(now, quota.window) if left < limit else (quota.window or math.inf)
    standings.append(Standing("quota", limit, quota.window, left, renewed))
    if left <= 0:
        raise _Refused(_over("quota", "Quota exceeded", standings, renewed), name)


def _api_rate(document: ApiDocument, usage: Usage, now: float, name: str) -> None:
    rate = document.limits.rate
    if rate is None:
        return
    limit = limits.share(rate.requests, document.replicas)
    wait = usage.window(now, rate.window).wait(now, limit)
    if wait:
        standing = Standing("api", limit, rate.window, 0, wait)
        raise _Refused(_over("api-rate", "API Rate Limit Exceeded", [standing], wait), name)


def _connections(
    head: Head, document: ApiDocument, holder: tuple[str, Effective], usage: Usage | None, api: Usage
) -> list[Usage]:
    if not head.lasting:
        return []
    name, effective = holder
    bounds = [(usage, effective.connections), (api, document.limits.connections)]
    for taken, limit in bounds:
        if taken is not None and limit is not None and taken.connections >= limits.share(limit, document.replicas):
            retry = (("Retry-After", "5"),)
            raise _Refused(Refusal(429, "connections", "Connection limit exceeded", headers=retry, wait=5.0), name)
    return [taken for taken, _ in bounds if taken is not None]


def _count(document: ApiDocument, effective: Effective, usage: Usage | None, api: Usage, now: float) -> None:
    if usage is not None and effective.rate is not None:
        usage.window(now, effective.rate.window).add(now)
    if usage is not None and effective.quota is not None:
        usage.quota.add(now, effective.quota.window)
    if document.limits.rate is not None:
        api.window(now, document.limits.rate.window).add(now)


def _ends(record: KeyRecord | None, effective: Effective, state: State, now: Now) -> float | None:
    """When a stream must end, on the steady clock: the key's expiry, or its greatest age ± 10 %."""
    ends = math.inf
    if record is not None and record.expires is not None:
        ends = now.steady + (record.expires - now.wall)
    if effective.connection_age is not None:
        ends = min(ends, now.steady + effective.connection_age * (0.9 + 0.2 * state.random()))
    return None if math.isinf(ends) else ends


def _over(code: str, error: str, standings: list[Standing], wait: float) -> Refusal:
    headers = _limit_headers(standings)
    if not math.isinf(wait):
        headers.append(("Retry-After", str(limits.retry_after(wait))))
    return Refusal(429, code, error, headers=tuple(headers), wait=wait)


def _limit_headers(standings: list[Standing]) -> list[tuple[str, str]]:
    if not standings:
        return []
    return [("RateLimit", limits.limit_header(standings)), ("RateLimit-Policy", limits.policy_header(standings))]


def _after(standing: Standing) -> Standing:
    """The standing once this request is counted."""
    return Standing(standing.name, standing.limit, standing.window, standing.remaining - 1, standing.reset)
