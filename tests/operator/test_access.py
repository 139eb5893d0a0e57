"""Who may hold a key, and how records are spread over documents."""

from __future__ import annotations

import hashlib

import pytest

from penstock_operator import access
from penstock_operator.resources.fields import AllowedKeys


def allowed(**namespaces: object) -> AllowedKeys:
    return AllowedKeys.model_validate({"namespaces": namespaces})


SELECTOR = {"matchLabels": {"team": "blue", "stage": "live"}}


@pytest.mark.parametrize(
    ("rule", "labels", "own", "other"),
    [
        (None, {}, True, False),
        (AllowedKeys(), {}, True, False),
        (allowed(), {}, True, False),
        (allowed(**{"from": "Same"}), {}, True, False),
        (allowed(**{"from": "All"}), {}, True, True),
        (allowed(**{"from": "Selector", "selector": SELECTOR}), {}, False, False),
        (allowed(**{"from": "Selector", "selector": SELECTOR}), {"team": "blue"}, False, False),
        (
            allowed(**{"from": "Selector", "selector": SELECTOR}),
            {"team": "blue", "stage": "live", "x": "y"},
            True,
            True,
        ),
    ],
)
def test_permits(rule: AllowedKeys | None, labels: dict[str, str], own: bool, other: bool) -> None:
    assert access.permits(rule, "shop", "shop", labels) is own
    assert access.permits(rule, "shop", "app", labels) is other


def records(count: int) -> dict[str, dict[str, object]]:
    return {hashlib.sha256(str(number).encode()).hexdigest(): {"id": str(number)} for number in range(count)}


def test_few_records_are_one_document() -> None:
    (shard,) = access.key_shards(records(access.SHARD_LIMIT))
    assert len(shard["keys"]) == access.SHARD_LIMIT


def test_many_records_are_sixteen_documents_by_first_digit() -> None:
    made = records(access.SHARD_LIMIT + 1)
    shards = access.key_shards(made)
    assert len(shards) == 16
    for digit, shard in zip("0123456789abcdef", shards, strict=True):
        assert {digest[0] for digest in shard["keys"]} == {digit}
    assert {digest for shard in shards for digest in shard["keys"]} == set(made)


def test_more_keys_than_fit_are_cut_in_a_stable_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_KEYS", 10)
    made = records(20)
    (shard,) = access.key_shards(made)
    assert list(shard["keys"]) == sorted(made)[:10]
