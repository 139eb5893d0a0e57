"""The admin port: what everybody sees, and what needs the token."""

from __future__ import annotations

import json
from typing import Any

from gateway.http.conftest import Open
from gateway.http.parts import MOBILE, Site, digest, eventually


async def ask(gate: Site, path: str, token: str = "", method: str = "GET") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{gate.gateway.admin_port}{path}"
    async with gate.session.request(method, url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_health_readiness_and_metrics_are_open(site: Open) -> None:
    gate = await site()
    assert (await ask(gate, "/healthz"))[0] == 200
    assert (await ask(gate, "/readyz"))[0] in (200, 503)
    await gate.post("/orders/echo", b"four")
    await gate.post("/orders/echo", key="")
    _, text = await ask(gate, "/metrics")
    assert 'penstock_requests_allowed_total{api="shop/orders"} 1.0' in text
    assert 'penstock_requests_refused_total{api="shop/orders",reason="credential-missing"} 1.0' in text
    assert 'penstock_messages_published_bytes_total{api="shop/orders"} 4.0' in text
    assert 'penstock_responses_total{api="shop/orders",code="200"} 1.0' in text


async def test_status_needs_the_token(site: Open) -> None:
    gate = await site()
    for token in ("", "wrong", "t" * 31, "t" * 33):
        assert (await ask(gate, "/status", token))[0] == 401
    status, text = await ask(gate, "/status", "t" * 32)
    access = json.loads(text)["access"]
    assert (status, access["apis"]["shop/orders"]["keys"]) == (200, 1)
    assert len(access["revision"]) == 16
    assert MOBILE not in text
    assert digest(MOBILE) not in text
    gate.write("admin.json", {"token": "n" * 32})
    assert [(await ask(gate, "/status", token))[0] for token in ("t" * 32, "n" * 32)] == [401, 200]
    unusable: list[Any] = [{"token": ""}, {"token": "short"}, {}, [], "{"]
    for bad in unusable:
        gate.write("admin.json", bad)
        assert (await ask(gate, "/status", ""))[0] == 401
        assert (await ask(gate, "/status", "short"))[0] == 401


async def test_a_refusal_can_be_looked_up_by_its_id(site: Open) -> None:
    gate = await site()
    decision = json.loads((await gate.post("/orders/echo", key=""))[2])["decision"]
    assert (await ask(gate, "/decisions"))[0] == 401
    found = json.loads((await ask(gate, "/decisions", "t" * 32))[1])["decisions"][0]
    assert (found["id"], found["api"], found["code"]) == (decision, "shop/orders", "credential-missing")


async def test_the_revision_follows_the_documents(site: Open) -> None:
    gate = await site()
    before = gate.gateway.app.status()["revision"]
    gate.access(state="Disabled")

    async def changed() -> Any:
        now = gate.gateway.app.status()
        return now["revision"] != before and now["apis"]["shop/orders"]["state"] == "Disabled"

    assert await eventually(changed)
    gate.write("access/shop.orders.json", "{")

    async def said() -> Any:
        now = gate.gateway.app.status()
        return now["faults"] and now["apis"]["shop/orders"]["state"] == "Unreadable"

    assert await eventually(said)


async def test_nothing_else_is_there(site: Open) -> None:
    gate = await site()
    assert (await ask(gate, "/orders/echo"))[0] == 404
    assert (await ask(gate, "/healthz", method="POST"))[0] == 405
