"""Finds where `tail` and `send` go: an address as it is, or the name of an API that `penstock dev` serves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_operator import console


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and the key to use there ("" = none)."""

    url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def endpoint(target: str, key: str, kind: str, state: Path) -> Endpoint:
    """The endpoint of a target: `http(s)://…`, `api`, `namespace/api` or `…:stream`; `kind` is `sse` or `post`."""
    if target.startswith(("http://", "https://")):
        return Endpoint(target, key)
    facts = _facts(state)
    named, _, stream = target.partition(":")
    *namespace, name = named.split("/", 1)
    for api in facts["apis"]:
        if api["name"] == name and (not namespace or api["namespace"] == namespace[0]):
            for label, ends in api["streams"].items():
                if kind in ends and stream in ("", label):
                    return Endpoint(api["url"] + ends[kind], key or _key_for(facts, api, state))
            console.fail(
                f"{named} has no stream with {'server-sent events' if kind == 'sse' else 'POST'}", console.USAGE
            )
    known = ", ".join(api["name"] for api in facts["apis"]) or "none"
    console.fail(f"there is no API {named} here; known: {known}", console.USAGE)


def _facts(state: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((state / "dev.json").read_text())
    except (OSError, ValueError):
        console.fail(
            "an API's name needs a running `penstock dev` in this folder; give an address instead", console.USAGE
        )
    return facts


def _key_for(facts: dict[str, Any], api: dict[str, Any], state: Path) -> str:
    """A key that opens the API: the first whose record the gateway has."""
    holders: set[str] = set()
    for path in state.glob(f"keys/{api['namespace']}.{api['name']}-*.json"):
        holders |= {record["key"] for record in json.loads(path.read_text())["keys"].values()}
    fitting = (key["key"] for key in facts["keys"] if key["key"] and f"{key['namespace']}/{key['name']}" in holders)
    return next(fitting, "")
