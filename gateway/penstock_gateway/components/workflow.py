"""Processor `workflow`: runs branches in the order in which they need one another, those that do not at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from penstock_gateway.branching import Answers, Branch, BranchFields
from penstock_gateway.document import DocumentError
from penstock_gateway.errors import ConfigError
from penstock_gateway.language.targets import Target, reads, writes
from penstock_gateway.message import Batch, Message
from penstock_gateway.per_message import marked
from penstock_gateway.registry import Config, Context, Kind, LabelOf, Processor, component


@component("workflow", Kind.PROCESSOR, summary="Runs branches in the order of what they need from one another.")
class Workflow(Config):
    """Fields as Bento's."""

    meta_path: str = Field(
        "meta.workflow", description="Where in the document it is said which branches ran; empty = nowhere."
    )
    order: list[list[str]] = Field(
        default_factory=list,
        description="Branches in tiers, one after another; empty = from what the mappings read and write.",
    )
    branch_resources: Annotated[list[str], LabelOf(Kind.PROCESSOR)] = Field(
        default_factory=list, description="Labels of processor resources of the kind `branch` that take part."
    )
    branches: dict[str, BranchFields] = Field(default_factory=dict, description="Branches by name.")

    def build(self, context: Context) -> Processor:
        """Build the branches and find their order."""
        branches = {name: Branch(fields, context, "branches", name) for name, fields in self.branches.items()} | {
            label: _resource(label, context) for label in self.branch_resources
        }
        place = (*context.path, "workflow")
        if not branches:
            raise ConfigError("at least one branch must be given", place)
        tiers = _checked(self.order, branches, place) if self.order else _ordered(branches, place)
        return WorkflowProcessor(tiers, branches, tuple(self.meta_path.split(".")) if self.meta_path else (), context)


def _resource(label: str, context: Context) -> Branch:
    declared = context.resource(Kind.PROCESSOR, label)
    if not isinstance(declared.config, BranchFields):
        raise ConfigError(f"processor resource '{label}' is not a branch", (*context.path, "workflow"))
    return Branch(declared.config, context.child(declared))


def _checked(order: list[list[str]], branches: Mapping[str, Branch], place: tuple[str | int, ...]) -> list[list[str]]:
    listed = [name for tier in order for name in tier]
    unknown = [name for name in listed if name not in branches]
    missing = sorted(set(branches) - set(listed))
    if unknown:
        raise ConfigError(f"branch {unknown[0]} is not defined", (*place, "order"))
    if len(set(listed)) != len(listed):
        raise ConfigError("a branch is listed more than once", (*place, "order"))
    if missing:
        raise ConfigError(f"the order does not list the branches: {', '.join(missing)}", (*place, "order"))
    return order


def _ordered(branches: Mapping[str, Branch], place: tuple[str | int, ...]) -> list[list[str]]:
    """Tiers: a branch that reads what another one writes comes after it."""
    provided = {name: writes(branch.result.program) if branch.result else set() for name, branch in branches.items()}
    needs = {}
    for name, branch in branches.items():
        wanted = reads(branch.request.program) if branch.request else set()
        needs[name] = {
            other for other in branches if other != name and any(_within(path, provided[other]) for path in wanted)
        }
    tiers: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(branches):
        tier = sorted(name for name in branches if name not in done and needs[name] <= done)
        if not tier:
            cycle = ", ".join(sorted(set(branches) - done))
            raise ConfigError(f"failed to resolve dependencies, the branches need one another: {cycle}", place)
        tiers.append(tier)
        done.update(tier)
    return tiers


def _within(wanted: Target, provided: Iterable[Target]) -> bool:
    return any(wanted[: len(path)] == path for path in provided)


@dataclass(slots=True)
class _Track:
    """What became of the branches for one message."""

    skip: set[str] = field(default_factory=set)
    previous: Any = None
    succeeded: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "succeeded": sorted(self.succeeded),
            "skipped": sorted(self.skipped),
            "failed": dict(sorted(self.failed.items())),
            "previous": self.previous,
        }
        return {name: value for name, value in found.items() if value}


class WorkflowProcessor:
    """A message of which branches failed goes on with the results of the others, marked; with `meta_path` it says which."""

    def __init__(
        self, tiers: list[list[str]], branches: Mapping[str, Branch], meta_path: tuple[str, ...], context: Context
    ) -> None:
        self.tiers, self.branches, self.meta_path, self.context = tiers, branches, meta_path, context

    async def process(self, batch: Batch) -> list[Batch]:
        """The same batch."""
        current: list[Message | None] = list(batch)
        tracks = [self._before(message) for message in batch]
        for tier in self.tiers:
            await self._tier(tier, current, tracks)
        results = [
            self._after(message, track) for message, track in zip(current, tracks, strict=True) if message is not None
        ]
        return [results] if results else []

    async def _tier(self, tier: list[str], current: list[Message | None], tracks: list[_Track]) -> None:
        """All branches of a tier see the messages as they were before it; results are mapped in by name."""
        here = [n for n, message in enumerate(current) if message is not None]
        batch = [message for message in current if message is not None]
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(
                    self.branches[name].ask(batch, [at for at, n in enumerate(here) if name not in tracks[n].skip])
                )
                for name in tier
            }
        for name, task in tasks.items():
            answers = task.result()
            failed = self._overlay(name, current, here, answers)
            asked = {here[at] for at in answers.places}
            for n in here:
                if n in failed:
                    tracks[n].failed[name] = failed[n]
                else:
                    (tracks[n].succeeded if n in asked else tracks[n].skipped).add(name)

    def _overlay(self, name: str, current: list[Message | None], here: list[int], found: Answers) -> dict[int, str]:
        placed = Answers(
            [here[at] for at in found.places], found.answers, {here[at]: text for at, text in found.failed.items()}
        )
        return self.branches[name].overlay(current, placed)

    def _before(self, message: Message) -> _Track:
        """What an earlier run has left: branches that need not run again."""
        track = _Track()
        place = _document(message) if self.meta_path else None
        for name in self.meta_path:
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            return track
        track.previous = place
        apply = place.get("apply")
        if isinstance(apply, list) and apply:
            track.skip = {name for name in self.branches if name not in apply}
        for part in ("succeeded", "skipped"):
            names = place.get(part)
            track.skip.update(name for name in names if isinstance(name, str)) if isinstance(names, list) else None
        return track

    def _after(self, message: Message, track: _Track) -> Message:
        result = message
        document = _document(message)
        if self.meta_path and isinstance(document, dict):
            result = message.copy()
            result.set_document(_with(document, self.meta_path, track.document()))
        if track.failed:
            return marked(result, self.context, f"workflow branches failed: [{' '.join(sorted(track.failed))}]")
        return result

    async def close(self) -> None:
        """Close the children."""
        for branch in self.branches.values():
            await branch.chain.close()


def _document(message: Message) -> Any:
    try:
        return message.document
    except DocumentError:
        return None


def _with(document: Any, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The document with a value at a path; only what lies on the path is copied."""
    copy = dict(document) if isinstance(document, dict) else {}
    copy[path[0]] = _with(copy.get(path[0]), path[1:], value) if len(path) > 1 else value
    return copy
