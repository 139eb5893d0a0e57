"""The access documents: what is read, what is refused, and what several policies give together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from penstock_gateway import access
from penstock_gateway.access import Effective, Policy, merge, read_api, read_keys, revision
from penstock_gateway.errors import ConfigError

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/access/merge.yaml").read_text())


def shown(effective: Effective) -> dict[str, Any]:
    pairs = {
        "rate": effective.rate and [effective.rate.requests, effective.rate.window],
        "throttle": effective.throttle and [effective.throttle.retries, effective.throttle.interval],
        "quota": effective.quota and [effective.quota.requests, effective.quota.window],
        "connections": effective.connections,
        "connectionAge": effective.connection_age,
        "sources": dict(effective.sources),
    }
    return {name: value for name, value in pairs.items() if value}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_merging_of_policies(case: dict[str, Any]) -> None:
    policies = {name: msgspec.convert(policy, Policy) for name, policy in case["policies"].items()}
    merged = merge(policies)
    assert shown(merged) == case["then"]
    for method, path in case.get("permits", []):
        assert merged.permits(path, method), (method, path)
    for method, path in case.get("denies", []):
        assert not merged.permits(path, method), (method, path)


def document(**changes: Any) -> bytes:
    whole = {
        "version": 1,
        "namespace": "shop",
        "name": "orders",
        "listenPath": "/orders",
        "authentication": {"methods": [{"name": "key", "apiKey": {"header": "Authorization"}}]},
    }
    return msgspec.json.encode({name: value for name, value in {**whole, **changes}.items() if value is not None})


def test_defaults() -> None:
    read = read_api(document())
    assert read.state == "Active"
    assert read.limits.body_size == 1 << 20
    assert read.authentication.mode == "Any"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": 2}, id="a version that is not known"),
        pytest.param({"authentication": None}, id="no word about authentication is never open"),
        pytest.param({"authentication": {"methods": [{"name": "x", "jwt": {}}]}}, id="a method that is not known"),
        pytest.param(
            {"authentication": {"methods": [{"name": "x", "apiKey": {"header": ""}}]}}, id="a key read nowhere"
        ),
        pytest.param({"ipAllow": ["10.0.0.0/8"]}, id="a restriction that is not known"),
        pytest.param({"policies": {"shop/gold": {"state": "Odd"}}}, id="a state that is not known"),
        pytest.param({"limits": {"rate": {"requests": 0, "window": 1}}}, id="a rate of 0"),
        pytest.param({"limits": {"rate": {"requests": 1, "window": -1}}}, id="a window below 0"),
        pytest.param({"listenPath": "orders"}, id="a listen path without its slash"),
        pytest.param({"replicas": 0}, id="no replicas"),
    ],
)
def test_what_cannot_be_understood_is_refused(changes: dict[str, Any]) -> None:
    """AC-40: an access document that is not wholly understood opens nothing."""
    with pytest.raises(ConfigError):
        read_api(document(**changes))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"version": 1}', b"\xff\xfe"])
def test_half_written_documents_are_refused(data: bytes) -> None:
    """AC-40."""
    with pytest.raises(ConfigError):
        read_api(data)
    with pytest.raises(ConfigError):
        read_keys(data)


def test_keys_are_read_by_digest() -> None:
    shard = read_keys(
        b'{"version":1,"keys":{"ab":{"id":"i","uid":"u","key":"shop/mobile","policies":["shop/gold"],"expires":5}}}'
    )
    record = shard.keys["ab"]
    assert (record.key, record.policies, record.expires, record.state) == ("shop/mobile", ("shop/gold",), 5, "Active")


def test_a_revision_depends_on_names_and_contents_alone() -> None:
    one = revision({"access/a.b.json": b"1", "keys/a.b-0.json": b"2"})
    assert one == revision({"keys/a.b-0.json": b"2", "access/a.b.json": b"1"})
    assert one != revision({"access/a.b.json": b"12", "keys/a.b-0.json": b""})
    assert len(one) == 16


def test_documents_can_be_written_by_the_same_structs() -> None:
    policy = Policy(limits=access.Limits(connection_age=60.0))
    assert msgspec.json.decode(msgspec.json.encode(policy)) == {"limits": {"connectionAge": 60.0}}
