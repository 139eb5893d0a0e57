"""What a plan is made of, and the small rules every kind's plan shares. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from penstock_gateway import access as gateway_access
from penstock_operator import render
from penstock_operator.resources.documents import Name, Resource


@dataclass(frozen=True, slots=True)
class Document:
    """One document for the gateways of an API; `path` is relative to their folder (docs/decisions/0001-documents.md)."""

    kind: Literal["pipeline", "access", "keys"]
    api: Name
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mint:
    """A credential to generate into a Secret. `replaces`: the Secret is there, ours, and holds no key any more."""

    key: Name
    uid: str
    secret: Name
    data: Mapping[str, str]
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling whoever looks at the resource."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one reconcile would do. `create`: per-API secrets to make if they are not there; `nudge`: APIs whose gateways do not
    hold the documents yet; `again_in`: seconds after which to plan again although nothing changed."""

    apply: tuple[Document, ...] = ()
    create: tuple[str, ...] = ()
    mint: tuple[Mint, ...] = ()
    delete: tuple[str, ...] = ()
    nudge: tuple[Name, ...] = ()
    status: Mapping[str, Any] | None = None
    events: tuple[Event, ...] = ()
    again_in: float | None = None


def revision(documents: Iterable[Document]) -> str:
    """Names the hot documents of one API, in the same way as the gateway that holds them."""
    files = {document.path: render.encode(document.body) for document in documents if document.kind != "pipeline"}
    return gateway_access.revision(files)


def written(resource: Resource, conditions: list[dict[str, Any]], fields: Mapping[str, Any]) -> dict[str, Any]:
    head = {"observedGeneration": resource.meta.generation, "conditions": conditions}
    return head | {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def previous(resource: Resource) -> list[Mapping[str, Any]]:
    found = resource.meta.status.get("conditions")
    return [it for it in found if isinstance(it, Mapping)] if isinstance(found, list) else []


def again_in(now: float, *moments: float | None) -> float | None:
    ahead = [moment - now for moment in moments if moment is not None and moment > now]
    return min(ahead, default=None)
