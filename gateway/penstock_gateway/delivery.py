"""Decides how a stream is delivered: wish × inputs × pipeline × replicas × bus → mode, guarantee, reason, conditions, or a refusal.

Mode: *Broadcast*, every connected client gets a message; *Compete*, exactly one. Guarantee: *Live* (no silent loss inside the
gateway), *Resume* (a client continues from its cursor on any replica), *AtLeastOnce* (the client acknowledges).

| | wished | else |
|---|---|---|
| mode | taken | an input names a group, durable or queue: Compete; otherwise Broadcast |
| guarantee in Broadcast | Live; Resume when every input has positions | Resume when every input has positions, else Live |
| guarantee in Compete | Live, AtLeastOnce; Resume is refused, a competing client has no position | Live |
| Broadcast, several replicas | every input shows all to each replica (positions, publish-subscribe), or a bus | one replica |
| Compete, several replicas | each input must be shared or push | one replica |

Only a wish is refused. What follows from the inputs alone is a condition, so that pasted configurations run.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from penstock_gateway.errors import Path, show_path


class Mode(enum.StrEnum):
    """Who gets a message."""

    BROADCAST = "Broadcast"
    COMPETE = "Compete"


class Guarantee(enum.StrEnum):
    """What a client can rely on; ordered from weak to strong within a mode."""

    LIVE = "Live"
    RESUME = "Resume"
    AT_LEAST_ONCE = "AtLeastOnce"


@dataclass(frozen=True, slots=True)
class InputFacts:
    """A leaf input: what its declaration says, and whether its configuration names a consumer group, durable or queue."""

    name: str
    label: str = ""
    sharing: Literal["shared", "push", "singleton"] = "singleton"
    positions: Literal["none", "vector"] = "none"
    group: bool = False
    everywhere: bool = False
    """Publish-subscribe without positions: every reader sees every message while it is connected."""
    partitions: int | None = None
    """How many members of a group can read at a time; None = unknown or no limit."""
    path: Path = ()

    @property
    def shown(self) -> str:
        """How messages name this input."""
        return f"{self.name} ({self.label})" if self.label else self.name


@dataclass(frozen=True, slots=True)
class ProcessorFacts:
    """A processor, wherever it stands in the pipeline."""

    name: str
    shape: Literal["1:1", "1:n", "n:m"] = "1:1"
    state: Literal["none", "process", "external"] = "none"
    effects: Literal["none", "external"] = "none"
    path: Path = ()


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """A leaf output; `clients`: its peers are clients of the gateway."""

    name: str
    clients: bool = False
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What the author asked for; None = derive. `bus`: a `delivery.bus` is configured."""

    mode: Mode | None = None
    guarantee: Guarantee | None = None
    bus: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """Something the author should know; it does not stop the stream."""

    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a stream is delivered. `mode` is None for a stream without client outputs; `refused` is "" or why the wish cannot be met."""

    mode: Mode | None
    guarantee: Guarantee | None
    reason: str
    conditions: tuple[Condition, ...] = ()
    refused: str = ""
    most_replicas: int | None = None
    """1 when the stream works in one replica only."""
    shape: Literal["1:1", "1:n", "n:m"] = "1:1"
    """Of the whole pipeline: decides how exactly a cut client continues."""


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """What an outlet is told: the verdict's mode, guarantee and shape, and the stream's settings (seconds, bytes)."""

    mode: Mode = Mode.BROADCAST
    guarantee: Guarantee = Guarantee.LIVE
    shape: Literal["1:1", "1:n", "n:m"] = "1:1"
    history: float = 300.0
    size: int = 64 * 1024 * 1024
    slow_consumer: Literal["Disconnect"] = "Disconnect"
    heartbeat: float = 15.0
    pipeline: str = ""
    """Names the pipeline's configuration (a hash); parts of a message count in cursors only under the same one."""


_NOT_YET = {Guarantee.AT_LEAST_ONCE: "AtLeastOnce is not supported by this version: use Live, or Broadcast with Resume"}


def plan(
    inputs: Sequence[InputFacts],
    processors: Sequence[ProcessorFacts] = (),
    outputs: Sequence[OutputFacts] = (),
    wish: Wish = Wish(),
    replicas: int = 1,
) -> Verdict:
    """The verdict for one stream. `inputs` and `outputs` are leaves: brokers, sequences and the like are taken apart before."""
    shape = _shape(processors)
    if not any(output.clients for output in outputs):
        return Verdict(None, None, "Background: the stream has no client output", shape=shape)
    mode, reason = _mode(inputs, wish)
    guarantee, because, refused = _guarantee(mode, inputs, wish)
    blocked = _blocked(mode, inputs, wish, replicas)
    conditions = _conditions(mode, guarantee, inputs, processors, outputs, replicas)
    most = None
    if blocked is not None:
        if wish.mode is not None and replicas > 1:
            refused = refused or blocked.text
        most = 1
        if replicas > 1:
            conditions.append(blocked)
    refused = refused or _NOT_YET.get(guarantee, "")
    return Verdict(mode, guarantee, f"{reason}; {because}", tuple(conditions), refused, most, shape)


def _shape(processors: Sequence[ProcessorFacts]) -> Literal["1:1", "1:n", "n:m"]:
    shapes = {processor.shape for processor in processors}
    if "n:m" in shapes:
        return "n:m"
    return "1:n" if "1:n" in shapes else "1:1"


def _mode(inputs: Sequence[InputFacts], wish: Wish) -> tuple[Mode, str]:
    if wish.mode is not None:
        return wish.mode, f"{wish.mode} was asked for"
    grouped = next((facts for facts in inputs if facts.group), None)
    if grouped is not None:
        return Mode.COMPETE, f"{grouped.shown} names a group, durable or queue"
    return Mode.BROADCAST, "no input names a group, durable or queue"


def _guarantee(mode: Mode, inputs: Sequence[InputFacts], wish: Wish) -> tuple[Guarantee, str, str]:
    """The guarantee, why, and a refusal or ""."""
    asked = wish.guarantee
    if mode is Mode.COMPETE:
        if asked is Guarantee.RESUME:
            return (
                asked,
                "Resume was asked for",
                "Resume needs Broadcast: a client that competes has no position to return to",
            )
        if asked is not None:
            return asked, f"{asked} was asked for", ""
        return Guarantee.LIVE, "Live because clients compete and none was told to acknowledge", ""
    weakest = None if wish.bus else next((facts for facts in inputs if facts.positions == "none"), None)
    if asked is None:
        if weakest is None:
            return Guarantee.RESUME, "Resume because every input has positions", ""
        return Guarantee.LIVE, f"Live because {weakest.shown} has no positions", ""
    if asked is not Guarantee.LIVE and weakest is not None:
        return (
            asked,
            f"{asked} was asked for",
            f"{asked} is not possible: {weakest.shown} has no positions to return to",
        )
    return asked, f"{asked} was asked for", ""


def _blocked(mode: Mode, inputs: Sequence[InputFacts], wish: Wish, replicas: int) -> Condition | None:
    """Why the stream works in one replica only."""
    if mode is Mode.COMPETE:
        single = next((facts for facts in inputs if facts.sharing == "singleton"), None)
        if single is None:
            return None
        return Condition(
            "SingleReplica", f"{single.shown} would give every replica its own copy: it runs in one replica"
        )
    partial = next((facts for facts in inputs if facts.positions == "none" and not facts.everywhere), None)
    if partial is None or wish.bus:
        return None
    text = (
        f"{partial.shown} reaches one replica at a time: with {max(replicas, 2)} replicas Broadcast needs delivery.bus"
    )
    return Condition("BusRequired", text)


def _conditions(
    mode: Mode,
    guarantee: Guarantee,
    inputs: Sequence[InputFacts],
    processors: Sequence[ProcessorFacts],
    outputs: Sequence[OutputFacts],
    replicas: int,
) -> list[Condition]:
    found: list[Condition] = []
    if mode is Mode.COMPETE:
        for facts in inputs:
            if facts.partitions is not None and facts.partitions < replicas and facts.sharing == "shared":
                text = f"{facts.shown} has {facts.partitions} partitions for {replicas} replicas: some replicas get nothing"
                found.append(Condition("FewerPartitions", text))
        return found
    found += [
        Condition(
            "GroupIgnored", f"{facts.shown}: Broadcast reads the whole input in every replica and commits nothing"
        )
        for facts in inputs
        if facts.group
    ]
    effects = [part for part in processors if part.effects == "external"] + [
        part for part in outputs if not part.clients
    ]
    if effects:
        names = ", ".join(_place(part.name, part.path) for part in effects)
        text = (
            f"every replica does the work of {names}: write to a topic in a background stream and broadcast that topic"
        )
        found.append(Condition("BroadcastSideEffects", text))
    stateful = [part for part in processors if part.state != "none"]
    if stateful and guarantee is Guarantee.RESUME and replicas > 1:
        names = ", ".join(_place(part.name, part.path) for part in stateful)
        found.append(Condition("ResumeApproximate", f"replicas may differ in what {names} remembers"))
    return found


def _place(name: str, path: Path) -> str:
    return f"{name} at {show_path(path)}" if path else name
