"""Who gets in at the public port, and what those who do not are told."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from gateway.http.conftest import Open
from gateway.http.parts import (
    MOBILE,
    OTHER,
    Site,
    access_of,
    api_of,
    digest,
    eventually,
    record,
    request,
    statuses,
    stream,
)


def gold(**limits: Any) -> dict[str, Any]:
    return {"shop/gold": {"state": "Active", "limits": limits, "paths": []}}


def problem(body: bytes) -> tuple[str, str]:
    document = json.loads(body)
    assert document["status"]
    assert document["title"]
    assert document["decision"]
    return document["code"], document["error"]


async def test_a_key_opens_the_door(site: Open) -> None:
    gate = await site()
    for headers in (
        {"Authorization": MOBILE},
        {"Authorization": f"Bearer {MOBILE}"},
        {"authorization": f"bearer {MOBILE}"},
    ):
        status, _, body = await gate.post("/orders/echo", b"hi", key="", headers=headers)
        assert (status, body) == (200, b"hi")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "credential-missing"),
        ("", "credential-missing"),
        ("Bearer", "credential-invalid"),
        ("Bearer ", "credential-invalid"),
        (f"Basic {MOBILE}", "credential-invalid"),
        (MOBILE[:-1], "credential-invalid"),
        (MOBILE[:-1] + "n", "credential-invalid"),
        (MOBILE.upper(), "credential-invalid"),
        (MOBILE + "x", "credential-invalid"),
        (MOBILE.replace("m", "ｍ"), "credential-invalid"),
        ("x" * 5000, "credential-invalid"),
    ],
)
async def test_without_a_valid_key_401(site: Open, value: str | None, code: str) -> None:
    """H-25, H-27, AC-43: every wrong key gets the same answer."""
    gate = await site()
    headers = {} if value is None else {"Authorization": value}
    status, given, body = await gate.post("/orders/echo", key="", headers=headers)
    assert status == 401
    assert given["WWW-Authenticate"] == 'Bearer realm="orders"'
    assert given["Content-Type"] == "application/problem+json"
    texts = {
        "credential-missing": "Authorization field missing",
        "credential-invalid": "Access to this API has been disallowed",
    }
    assert problem(body) == (code, texts[code])


async def test_several_credentials_are_refused_not_tried(site: Open) -> None:
    """H-25, H-26, H-28."""
    methods = [{"name": "key", "apiKey": {"header": "X-Api-Key", "query": "key", "cookie": "session"}}]
    gate = await site(authentication={"methods": methods})
    answer = await gate.raw(request("POST", "/orders/echo", f"X-Api-Key: {MOBILE}", f"X-Api-Key: {OTHER}", key="-"))
    assert statuses(answer) == [400]
    status, _, body = await gate.post(f"/orders/echo?key={OTHER}", key="", headers={"X-Api-Key": MOBILE})
    assert (status, problem(body)[0]) == (400, "credentials")
    answer = await gate.raw(request("POST", "/orders/echo", f"X_Api_Key: {MOBILE}", key="-"))
    assert statuses(answer) == [400]


async def test_where_keys_are_read(site: Open) -> None:
    """AC-44: header, else cookie; the query only when the API says so."""
    methods = [{"name": "key", "apiKey": {"header": "X-Api-Key", "query": "key", "cookie": "session"}}]
    gate = await site(authentication={"methods": methods})
    assert (await gate.post("/orders/echo", key="", headers={"X-Api-Key": MOBILE}))[0] == 200
    assert (await gate.post("/orders/echo", key="", headers={"Cookie": f"a=b; session={MOBILE}"}))[0] == 200
    assert (await gate.post(f"/orders/echo?key={MOBILE}", key=""))[0] == 200
    assert (await gate.post("/orders/echo"))[0] == 401
    plain = await site()
    assert (await plain.post(f"/orders/echo?key={MOBILE}", key=""))[0] == 401


async def test_no_key_becomes_metadata(site: Open) -> None:
    """Secrets never reach a pipeline: not from the header, the cookie or the query."""
    methods = [{"name": "key", "apiKey": {"header": "X-Api-Key", "query": "key", "cookie": "session"}}]
    gate = await site(authentication={"methods": methods})
    for path, headers in (
        ("/orders/meta", {"X-Api-Key": MOBILE}),
        ("/orders/meta", {"Cookie": f"session={MOBILE}; kept=1"}),
        (f"/orders/meta?key={MOBILE}&kept=1", {}),
    ):
        status, _, body = await gate.post(path, key="", headers=headers)
        assert status == 200
        assert MOBILE not in body.decode()
    assert json.loads(body)["kept"] == "1"


async def test_a_key_works_only_where_it_has_a_right(site: Open) -> None:
    """AC-42: API by API."""
    other = stream("echo", {"http_server": {"path": "/echo", "ws_path": ""}}, {"sync_response": {}})
    gate = await site(apis=[api_of("orders", other), api_of("bills", other)])
    gate.access("bills")
    gate.keys("bills", other=record("other"))
    await eventually(lambda: answers(gate, "/bills/echo", OTHER, 200))
    assert await answers(gate, "/orders/echo", MOBILE, 200)
    assert await answers(gate, "/orders/echo", OTHER, 403)
    assert await answers(gate, "/bills/echo", MOBILE, 403)


async def answers(gate: Site, path: str, key: str, status: int) -> Any:
    return (await gate.post(path, key=key))[0] == status


async def test_states_of_keys_and_policies(site: Open) -> None:
    gate = await site()
    gate.keys(mobile=record(state="Disabled"))
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 403))
    assert problem((await gate.post("/orders/echo"))[2]) == ("key-inactive", "Key is inactive, please renew")
    gate.keys(mobile=record(expires=time.time() - 1))
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 401))
    status, headers, body = await gate.post("/orders/echo")
    assert (status, problem(body)) == (401, ("key-expired", "Key has expired, please renew"))
    assert "invalid_token" in headers["WWW-Authenticate"]
    gate.keys(mobile=record(policies=["shop/gone"]))
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 403))
    assert problem((await gate.post("/orders/echo"))[2]) == ("no-right", "Access to this API has been disallowed")
    gate.keys(mobile=record(policies=["shop/gold", "shop/off"]))
    gate.access(policies={**gold(), "shop/off": {"state": "Denied"}})
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 403))
    gate.access(policies={**gold(), "shop/off": {"state": "Draft"}})
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 200))


async def test_rights_to_paths_and_methods(site: Open) -> None:
    gate = await site({"shop/gold": {"paths": [{"path": "/meta", "methods": ["POST"]}]}})
    assert (await gate.post("/orders/meta"))[0] == 200
    status, _, body = await gate.post("/orders/echo")
    assert (status, problem(body)) == (403, ("no-path-right", "Access to this resource has been disallowed"))


async def test_an_unreadable_document_shuts_its_api_and_no_other(site: Open) -> None:
    """AC-40: 503, never an older state; the other API serves on."""
    other = stream("echo", {"http_server": {"path": "/echo", "ws_path": ""}}, {"sync_response": {}})
    gate = await site(apis=[api_of("orders", other), api_of("bills", other)])
    gate.write("access/shop.orders.json", '{"version": 1, "namesp')
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 503))
    assert await answers(gate, "/bills/echo", MOBILE, 503), "it never had a document"
    gate.access("bills", authentication={"methods": []})
    assert await eventually(lambda: answers(gate, "/bills/echo", "", 200))
    (gate.folder / "access/shop.orders.json").unlink()
    gate.access("orders")
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 200))
    gate.write("keys/shop.orders-0.json", "[]")
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 503))
    gate.write("access/shop.orders.json", {**access_of("orders"), "unheardOf": 1})
    gate.keys(mobile=record())
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 503))


async def test_when_reading_itself_fails_every_api_is_shut(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """AC-40: no older state, whatever happens; and it recovers."""
    gate = await site()
    files = gate.gateway.app._files

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(files, "read", fail)
        gate.keys()
        assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 503))
    gate.keys(mobile=record())
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 200))


async def test_a_disabled_api_is_not_there(site: Open) -> None:
    gate = await site()
    gate.access(state="Disabled")
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 404))
    gate.access()
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 200))


async def test_over_the_rate_429_with_a_true_retry_after(site: Open) -> None:
    gate = await site(gold(rate={"requests": 2, "window": 2}))
    for left in (1, 0):
        status, headers, _ = await gate.post("/orders/echo")
        assert (status, headers["RateLimit"].split(";")[1]) == (200, f"r={left}")
        assert headers["RateLimit-Policy"] == '"rate";q=2;w=2'
    status, headers, body = await gate.post("/orders/echo")
    assert (status, problem(body)) == (429, ("rate", "Rate Limit Exceeded"))
    wait = int(headers["Retry-After"])
    assert 1 <= wait <= 3
    assert headers["RateLimit"].startswith('"rate";r=0;t=')
    await asyncio.sleep(wait)
    assert (await gate.post("/orders/echo"))[0] == 200


async def test_a_throttle_holds_and_lets_in(site: Open) -> None:
    gate = await site(gold(rate={"requests": 1, "window": 0.4}, throttle={"retries": 5, "interval": 0.15}))
    began = time.monotonic()
    assert [(await gate.post("/orders/echo"))[0] for _ in range(3)] == [200, 200, 200]
    assert 0.75 < time.monotonic() - began < 3
    gate.access(policies=gold(rate={"requests": 1, "window": 60}, throttle={"retries": 2, "interval": 0.1}))
    assert await eventually(lambda: answers(gate, "/orders/echo", MOBILE, 429))


async def test_a_quota_ends(site: Open) -> None:
    gate = await site(gold(quota={"requests": 3, "window": 0}))
    assert [(await gate.post("/orders/echo"))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    _, headers, body = await gate.post("/orders/echo")
    assert problem(body) == ("quota", "Quota exceeded")
    assert headers["RateLimit"] == '"quota";r=0'
    assert "Retry-After" not in headers, "it is never renewed"


async def test_the_last_unit_of_a_quota_has_one_winner(site: Open) -> None:
    """R-92, on one replica."""
    gate = await site(gold(quota={"requests": 5, "window": 3600}))
    results = await asyncio.gather(*(gate.post("/orders/echo") for _ in range(60)))
    assert sorted(status for status, _, _ in results).count(200) == 5


async def test_a_new_secret_does_not_reset_what_was_used(site: Open) -> None:
    gate = await site(gold(quota={"requests": 2, "window": 3600}))
    assert (await gate.post("/orders/echo"))[0] == 200
    gate.keys(other=record())
    assert await eventually(lambda: answers(gate, "/orders/echo", OTHER, 200))
    assert (await gate.post("/orders/echo", key=OTHER))[0] == 429


async def test_limits_of_the_api_as_a_whole(site: Open) -> None:
    gate = await site(limits={"rate": {"requests": 2, "window": 60}})
    assert [(await gate.post("/orders/echo"))[0] for _ in range(3)] == [200, 200, 429]
    assert problem((await gate.post("/orders/echo"))[2]) == ("api-rate", "API Rate Limit Exceeded")


async def test_replicas_share_a_limit(site: Open) -> None:
    gate = await site(gold(rate={"requests": 5, "window": 60}), replicas=2)
    assert [(await gate.post("/orders/echo"))[0] for _ in range(3)] == [200, 200, 429]


async def test_refused_requests_are_not_counted(site: Open) -> None:
    gate = await site(gold(rate={"requests": 2, "window": 60}))
    for _ in range(5):
        assert (await gate.get("/orders/nothing"))[0] == 404
        assert (await gate.get("/orders/echo"))[0] == 405
    assert [(await gate.post("/orders/echo"))[0] for _ in range(3)] == [200, 200, 429]


async def test_failing_addresses_are_slowed_down_and_valid_keys_are_not(site: Open) -> None:
    """AC-45."""
    gate = await site()
    codes = [(await gate.post("/orders/echo", key=OTHER))[0] for _ in range(25)]
    assert codes[:20] == [401] * 20
    assert codes[20:] == [429] * 5
    assert (await gate.post("/orders/echo"))[0] == 200


async def test_an_open_api_asks_nobody(site: Open) -> None:
    gate = await site(authentication={"methods": []})
    assert (await gate.post("/orders/echo", b"hi", key=""))[2] == b"hi"


async def test_the_same_hash_is_looked_up_that_is_stored() -> None:
    assert len(digest(MOBILE)) == 64
