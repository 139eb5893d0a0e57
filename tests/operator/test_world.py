"""The Store: what is observed, what is pruned, who is affected, and what never stays in memory."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from penstock_operator import keys, world
from penstock_operator.resources import documents
from penstock_operator.resources.documents import Name
from penstock_operator.world import Ref, Store


def resource(kind: str, name: str, spec: dict[str, Any] | None = None, namespace: str = "shop") -> dict[str, Any]:
    version = documents.API_VERSION if kind in documents.KINDS else "v1"
    meta = {"name": name, "namespace": namespace, "uid": name}
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec or {}}


def api(name: str, namespace: str = "shop") -> dict[str, Any]:
    stream = {"name": "live", "config": {"input": {}, "output": {}}}
    return resource("StreamAPI", name, {"streams": [stream], "authentication": {"methods": []}}, namespace)


def policy(name: str, *targets: str) -> dict[str, Any]:
    return resource("Policy", name, {"targets": [{"name": target} for target in targets]})


def key(name: str, *policies: str) -> dict[str, Any]:
    return resource("Key", name, {"policyRefs": [{"name": policy} for policy in policies]})


@pytest.fixture
def store() -> Store:
    made = Store()
    listed = [
        api("orders"),
        api("invoices"),
        api("orders", "web"),
        policy("gold", "orders"),
        policy("books", "invoices"),
        key("mobile", "gold"),
        key("ledger", "books"),
    ]
    for kind in world.NEEDED:
        made.prime(kind, [item for item in listed if item["kind"] == kind])
    return made


def names(refs: set[Ref]) -> set[str]:
    return {f"{ref.kind} {ref.name}" for ref in refs}


def test_a_snapshot_does_not_change_with_the_store(store: Store) -> None:
    before = store.snapshot()
    store.observe(api("more"))
    assert Name("shop", "more") not in before.apis
    assert Name("shop", "more") in store.snapshot().apis
    assert store.snapshot() is store.snapshot()


def test_a_complete_list_prunes_what_is_gone(store: Store) -> None:
    store.prime("Key", [key("mobile", "gold")])
    assert set(store.snapshot().keys) == {Name("shop", "mobile")}
    store.forget(Ref("Key", Name("shop", "mobile")))
    assert store.snapshot().keys == {}


def test_a_kind_is_known_once_it_was_listed() -> None:
    fresh = Store()
    fresh.observe(api("orders"))
    assert fresh.snapshot().known == frozenset()
    fresh.prime("StreamAPI", [])
    assert fresh.snapshot().known == {"StreamAPI"}
    assert fresh.snapshot().apis == {}


def test_an_api_concerns_its_policies_their_keys_and_its_neighbours(store: Store) -> None:
    affected = names(store.affected(Ref("StreamAPI", Name("shop", "orders"))))
    assert affected == {"StreamAPI shop/orders", "StreamAPI shop/invoices", "Policy shop/gold", "Key shop/mobile"}


def test_a_policy_concerns_the_apis_of_its_namespace_and_its_keys(store: Store) -> None:
    affected = names(store.affected(Ref("Policy", Name("shop", "gold"))))
    assert affected == {"Policy shop/gold", "StreamAPI shop/orders", "StreamAPI shop/invoices", "Key shop/mobile"}


def test_a_generated_key_concerns_its_policies_and_their_apis(store: Store) -> None:
    """Its siblings cannot notice: 2,000 holders of one policy are not planned anew for one of them."""
    store.observe(key("partner", "gold"))
    affected = names(store.affected(Ref("Key", Name("shop", "mobile"))))
    assert affected == {"Key shop/mobile", "Policy shop/gold", "StreamAPI shop/orders", "StreamAPI shop/invoices"}


def test_a_key_that_brings_its_credential_concerns_the_other_holders(store: Store) -> None:
    """One of them may bring the same credential."""
    given = key("partner", "gold")
    given["spec"]["hashes"] = ["sha256:" + "0" * 64]
    store.observe(given)
    assert "Key shop/mobile" in names(store.affected(Ref("Key", Name("shop", "partner"))))


def test_a_key_of_a_policy_that_counts_keys_concerns_the_other_holders(store: Store) -> None:
    counting = policy("gold", "orders")
    counting["spec"]["allowedKeys"] = {"namespaces": {"from": "Same"}, "maxPerNamespace": 1}
    store.observe(counting)
    store.observe(key("partner", "gold"))
    assert "Key shop/partner" in names(store.affected(Ref("Key", Name("shop", "mobile"))))


def test_a_key_that_is_gone_concerns_whoever_may_have_known_it(store: Store) -> None:
    ref = Ref("Key", Name("shop", "mobile"))
    store.forget(ref)
    assert "StreamAPI shop/orders" in names(store.affected(ref))


def test_a_secret_concerns_the_keys_and_apis_of_its_namespace(store: Store) -> None:
    ref = store.observe(resource("Secret", "mobile-key"))
    affected = names(store.affected(ref))
    assert {"Key shop/mobile", "StreamAPI shop/orders"} <= affected
    assert "StreamAPI web/orders" not in affected


def test_a_namespace_concerns_everything(store: Store) -> None:
    ref = store.observe({"kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}})
    assert len(store.affected(ref)) == 7
    assert store.snapshot().namespaces["shop"] == {"a": "b"}


def test_nothing_that_opens_anything_stays_in_memory() -> None:
    text = keys.mint(bytes(41))
    data = {"key": base64.b64encode(text.encode()).decode(), "bad": "%%", "../x": "eA=="}
    secret = world.reduce_secret(
        {"kind": "Secret", "metadata": {"name": "s"}, "data": data, "stringData": {"word": "hunter2"}}
    )
    assert set(secret.entries) == {"key", "word"}
    assert secret.entries["key"].digest == keys.digest(text)
    assert secret.entries["key"].is_key
    assert text not in repr(secret)
    assert "hunter2" not in repr(secret)


def test_kinds_that_nobody_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="does not keep Pod"):
        Store().observe(resource("Pod", "x"))
