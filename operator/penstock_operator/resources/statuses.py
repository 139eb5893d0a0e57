"""The status of the three resources as the CRD describes it; the operator writes it as plain data (`plan`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from penstock_operator.resources.fields import Items, Model, Text

Line = Annotated[str, Text("", 512, "", least=0)]
Stamp = Annotated[str, Text("", 40, "", least=0)]


class Condition(Model):
    """One condition, in the shape of metav1.Condition."""

    type: Annotated[str, Text("", 316, "")]
    """Type of the condition."""
    status: Literal["True", "False", "Unknown"]
    """Whether the condition holds."""
    reason: Annotated[str, Text("", 1024, "")]
    """Why, in one word."""
    message: Annotated[str, Text("", 32768, "", least=0)]
    """Why, for people: what, where, what to do."""
    last_transition_time: Stamp
    """When `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` that was judged."""


class Status(Model):
    """What every resource says about itself."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` this status is about."""
    conditions: Annotated[list[Condition], Items(32, ("type",))] | None = None
    """`Accepted`, `ResolvedRefs`, `Programmed`, `Ready`; `Reconciling` and `Stalled` only while true."""


class StreamDelivery(Model):
    """How one stream is delivered."""

    stream: Line
    """Name of the stream."""
    mode: Line | None = None
    """`Broadcast` or `Compete`; absent for a stream without clients."""
    guarantee: Line | None = None
    """`Live` or `Resume`."""
    reason: Annotated[str, Text("", 2048, "", least=0)] | None = None
    """What this was derived from."""


class StreamAPIStatus(Status):
    """What became of the API."""

    api_id: Line | None = Field(None, alias="apiID")
    """Id of the API, the same for its whole life."""
    url: Line | None = None
    """Where clients reach the API."""
    internal_url: Line | None = Field(None, alias="internalURL")
    """Where clients inside the cluster reach the API."""
    protocols: Line | None = None
    """How clients can be served: SSE, WebSocket, HTTP."""
    config_hash: Line | None = None
    """Names the configuration that the gateways should run."""
    replicas: Annotated[int, Field(ge=0)] | None = None
    """Gateway pods that are ready."""
    selector: Line | None = None
    """Selects the gateway pods."""
    delivery: Annotated[list[StreamDelivery], Items(32, ("stream",))] | None = None
    """How each stream is delivered, and why."""
    keys: Annotated[int, Field(ge=0)] | None = None
    """Credentials that open the API."""


class PolicyStatus(Status):
    """What became of the policy."""

    keys: Annotated[int, Field(ge=0)] | None = None
    """Keys that list the policy."""
    targets: Annotated[int, Field(ge=0)] | None = None
    """Targets that exist."""


class EffectiveLimit(Model):
    """One limit and where it comes from."""

    name: Line
    """Which limit."""
    value: Line
    """Its value."""
    policy: Line | None = None
    """The policy it comes from."""


class Effective(Model):
    """What the key may use at one API."""

    api: Line
    """Namespace and name of the StreamAPI."""
    limits: Annotated[list[EffectiveLimit], Items(16, ("name",))] | None = None
    """The limits of all its policies merged; what is not listed is not limited."""


class Binding(Model):
    """Reference of the Service Binding specification."""

    name: Line
    """Secret that holds the credential."""


class KeyStatus(Status):
    """What became of the key."""

    credential_id: Line | None = Field(None, alias="credentialID")
    """Public id of the credential, as logs show it."""
    fingerprint: Line | None = None
    """First twelve hexadecimal digits of the credential's SHA-256."""
    expiration_time: Stamp | None = None
    """When the credential expires, all policies considered."""
    credential_expiration_time: Stamp | None = None
    """The end that the policies set when the credential came in, or `Never`."""
    last_rotated_time: Stamp | None = None
    """When the credential came in."""
    policies: Annotated[list[Line], Items(16)] | None = None
    """Policies that the key holds."""
    effective: Annotated[list[Effective], Items(16, ("api",))] | None = None
    """What the key may use at each API."""
    binding: Binding | None = None
    """Secret that holds the credential."""
