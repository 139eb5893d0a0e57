"""The one decision, with a clock made of numbers: order, counting, holding, reconnects, addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from penstock_gateway.access import ApiDocument, KeyShard
from penstock_gateway.http.decide import Grant, Head, Hold, decide
from penstock_gateway.http.problems import Refusal
from penstock_gateway.http.table import AccessTable, Door
from penstock_gateway.http.usage import Now, State, address_group

KEY = "k" * 40
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
WALL = 1_000_000.0


class Request:
    """The head of a request made of headers alone."""

    def __init__(self, **headers: str) -> None:
        self._headers = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        self.cookies: Mapping[str, str] = {}
        self.query: Sequence[tuple[str, str]] = ()

    def header(self, name: str) -> Sequence[str]:
        value = self._headers.get(name.lower())
        return () if value is None else (value,)


def door(limits: dict[str, Any] | None = None, **changes: Any) -> Door:
    document = {
        "version": 1,
        "namespace": "shop",
        "name": "orders",
        "listenPath": "/orders",
        "authentication": {"methods": [{"name": "key", "apiKey": {}}]},
        "policies": {"gold": {"limits": limits or {}}},
        **changes.pop("document", {}),
    }
    record = {"id": "i", "uid": "u", "key": "shop/mobile", "policies": ["gold"], **changes}
    shard = {"version": 1, "keys": {DIGEST: record}}
    return Door("shop/orders", msgspec.convert(document, ApiDocument), [msgspec.convert(shard, KeyShard)])


class Gate:
    """A door, its state, and a clock."""

    def __init__(self, limits: dict[str, Any] | None = None, **changes: Any) -> None:
        self.door = door(limits, **changes)
        self.table = AccessTable([self.door])
        self.state = State("pod", lambda: 0.5)

    def ask(self, now: float = 0.0, key: str = KEY, **head: Any) -> Grant | Refusal | Hold:
        request = Request(authorization=key) if key else Request()
        given = {"allow": ("GET",), "remote": "10.0.0.1", "path": "/events", "method": "GET", "source": request, **head}
        return decide(Head(self.door, **given), self.table, self.state, Now(now, WALL + now))

    def code(self, now: float = 0.0, **head: Any) -> str:
        outcome = self.ask(now, **head)
        return outcome.code if isinstance(outcome, Refusal) else type(outcome).__name__


def test_the_order_of_the_checks() -> None:
    """Route, size, authentication, state, right, rate: each is judged only when all before it passed."""
    gate = Gate({"rate": {"requests": 1, "window": 60}})
    assert gate.code() == "Grant"
    assert gate.code(allow=(), size=1 << 30, key="") == "no-route"
    assert gate.code(served=False, size=1 << 30, key="") == "method"
    assert gate.code(size=1 << 30, key="") == "body-size"
    assert gate.code(key="") == "credential-missing"
    assert gate.code() == "rate"
    gate.door = door({"rate": {"requests": 1, "window": 60}}, state="Disabled")
    assert gate.code() == "key-inactive"


def test_every_refusal_has_an_id_that_names_the_pod_and_is_kept() -> None:
    gate = Gate()
    refusal = gate.ask(key="")
    assert isinstance(refusal, Refusal)
    assert refusal.decision == "pod-1"
    assert (gate.state.recent[-1].code, gate.state.recent[-1].api) == ("credential-missing", "shop/orders")


def test_the_wait_of_a_rate_is_true() -> None:
    gate = Gate({"rate": {"requests": 2, "window": 10}})
    assert [gate.code(0.0), gate.code(4.0), gate.code(5.0)] == ["Grant", "Grant", "rate"]
    refusal = gate.ask(5.0)
    assert isinstance(refusal, Refusal)
    assert dict(refusal.headers)["Retry-After"] == "6"
    assert gate.code(5.0 + refusal.wait - 0.01) == "rate"
    assert gate.code(5.0 + refusal.wait + 0.01) == "Grant"


def test_a_throttle_holds_as_often_as_it_says() -> None:
    gate = Gate({"rate": {"requests": 1, "window": 10}, "throttle": {"retries": 2, "interval": 0.5}})
    gate.ask(0.0)
    for attempt in (0, 1):
        hold = gate.ask(1.0, attempt=attempt)
        assert isinstance(hold, Hold)
        assert hold.wait == 0.5
        hold.release()
    assert gate.code(2.0, attempt=2) == "rate"
    assert gate.code(10.2, attempt=2) == "Grant"


def test_requests_held_are_bounded() -> None:
    gate = Gate({"rate": {"requests": 1, "window": 10}, "throttle": {"retries": 2, "interval": 0.5}})
    gate.ask(0.0)
    outcomes = [gate.code(1.0) for _ in range(1100)]
    assert (outcomes.count("Hold"), outcomes.count("rate")) == (1000, 100)


def test_a_quota_is_not_throttled_and_refusals_do_not_use_it() -> None:
    gate = Gate({"quota": {"requests": 1, "window": 100}, "throttle": {"retries": 2, "interval": 0.5}})
    assert [gate.code(0.0), gate.code(50.0), gate.code(99.0), gate.code(100.0)] == ["Grant", "quota", "quota", "Grant"]


def test_an_edited_limit_holds_at_once() -> None:
    gate = Gate({"rate": {"requests": 5, "window": 60}})
    assert [gate.code(float(n)) for n in range(3)] == ["Grant"] * 3
    gate.door = door({"rate": {"requests": 3, "window": 60}})
    assert gate.code(4.0) == "rate"
    gate.door = door({"rate": {"requests": 4, "window": 30}})
    assert [gate.code(5.0), gate.code(6.0)] == ["Grant", "rate"]


def test_connections_are_counted_for_streams_alone() -> None:
    gate = Gate({"connections": 1})
    first = gate.ask(lasting=True)
    assert isinstance(first, Grant)
    assert gate.code() == "Grant"
    assert gate.code(lasting=True) == "connections"
    first.release()
    first.release()
    assert gate.code(lasting=True) == "Grant"
    assert gate.code(lasting=True) == "connections"


def test_a_reconnect_after_a_close_by_the_gateway_is_not_counted() -> None:
    """Within 60 s, once, with a valid cursor of the same key."""
    gate = Gate({"rate": {"requests": 1, "window": 600}, "quota": {"requests": 1, "window": 0}})
    grant = gate.ask(0.0, lasting=True)
    assert isinstance(grant, Grant)
    grant.release()
    grant.excuse(10.0)
    assert gate.code(20.0, lasting=True) == "rate", "no cursor"
    assert gate.code(20.0, resumes=lambda: True) == "rate", "no stream"
    assert gate.code(20.0, lasting=True, resumes=lambda: True) == "Grant"
    assert gate.code(21.0, lasting=True, resumes=lambda: True) == "rate", "once"
    grant.excuse(30.0)
    assert gate.code(91.0, lasting=True, resumes=lambda: True) == "rate", "too late"


def test_when_a_stream_ends() -> None:
    gate = Gate({"connectionAge": 100}, expires=WALL + 1000)
    grant = gate.ask(5.0)
    assert isinstance(grant, Grant)
    assert grant.expires == pytest.approx(105.0)
    gate.state.random = lambda: 1.0
    late = gate.ask(5.0)
    assert isinstance(late, Grant)
    assert late.expires == pytest.approx(115.0)
    near = gate.ask(990.0)
    assert isinstance(near, Grant)
    assert near.expires == pytest.approx(1000.0)
    assert gate.code(1000.0) == "key-expired"


def test_failing_addresses() -> None:
    """AC-45, AC-51, R-91: counted by address, IPv6 by its /64, mapped addresses as IPv4."""
    gate = Gate()
    assert [gate.code(float(n), key="wrong") for n in range(21)] == ["credential-invalid"] * 20 + ["failed-attempts"]
    assert gate.code(21.0) == "Grant"
    assert gate.code(21.0, key="wrong", remote="10.0.0.2") == "credential-invalid"
    assert gate.code(21.0, key="wrong", remote="::ffff:10.0.0.1") == "failed-attempts"
    assert gate.code(70.0, key="wrong") == "credential-invalid"
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff") != address_group("2001:db8:0:1::1")


def test_memory_of_addresses_and_consumers_is_bounded() -> None:
    gate = Gate({"rate": {"requests": 5, "window": 1}})
    for n in range(10_000):
        gate.ask(0.0, key="wrong", remote=f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(gate.state.failures._windows) <= 8192
    gate.ask(0.0)
    assert gate.state.api("shop/orders").consumers
    gate.state.sweep(10.0)
    assert not gate.state.api("shop/orders").consumers


def test_doors_by_listen_path() -> None:
    """The longest listen path wins; two that want the same one are served below their namespaces."""
    paths = {"shop/a": "/a", "shop/ab": "/a/b", "shop/root": "/", "x/same": "/s", "y/same": "/s"}
    doors = []
    for api, path in paths.items():
        namespace, name = api.split("/")
        made = {
            "version": 1,
            "namespace": namespace,
            "name": name,
            "listenPath": path,
            "authentication": {"methods": []},
        }
        doors.append(Door(api, msgspec.convert(made, ApiDocument), []))
    table = AccessTable(doors)
    asked = ["/a", "/a/x", "/a/b/c", "/ab", "/s/x", "/x/s/x", "/y/s"]
    found = [table.find(path) for path in asked]
    assert [hit and (hit[0].id, hit[1]) for hit in found] == [
        ("shop/a", "/"),
        ("shop/a", "/x"),
        ("shop/ab", "/c"),
        ("shop/root", "/ab"),
        ("shop/root", "/s/x"),
        ("x/same", "/x"),
        ("y/same", "/"),
    ]
