"""Which APIs there are, by listen path, and whose key a digest is: the access documents as the edge uses them. Pure.

A door whose document cannot be read stays, without rights, under the path it had: it answers 503.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from penstock_gateway.access import ApiDocument, Effective, KeyRecord, KeyShard, Policy, merge

Verdict = Literal["inactive", "expired", "unknown-policy"]


class Door:
    """One API: its document (None = unreadable, `reason` says why), its keys, its merged policies."""

    __slots__ = ("_merged", "_shards", "document", "id", "keys_broken", "listen_path", "reason")

    def __init__(
        self,
        api: str,
        document: ApiDocument | None,
        shards: Sequence[KeyShard | None],
        path: str = "",
        reason: str = "",
    ) -> None:
        self.id = api
        self.document = document
        self.reason = reason
        self.listen_path = document.listen_path if document else path
        self.keys_broken = any(shard is None for shard in shards)
        self._shards = [shard.keys for shard in shards if shard is not None]
        self._merged: dict[tuple[str, ...], Effective | Verdict] = {}

    def shut(self, reason: str) -> Door:
        """The same door without any rights."""
        return Door(self.id, None, (), self.listen_path, reason)

    @property
    def key_count(self) -> int:
        """How many keys are known."""
        return sum(len(shard) for shard in self._shards)

    def record(self, digest: str) -> KeyRecord | None:
        """Whose key this is."""
        for shard in self._shards:
            if (found := shard.get(digest)) is not None:
                return found
        return None

    def judge(self, record: KeyRecord, wall: float) -> Effective | Verdict:
        """What a key may do here at that instant (Unix seconds), or why nothing."""
        if record.state != "Active":
            return "inactive"
        if record.expires is not None and wall >= record.expires:
            return "expired"
        found = self._merged.get(record.policies)
        if found is None:
            found = self._merged[record.policies] = self._merge(record.policies)
        return found

    def _merge(self, names: tuple[str, ...]) -> Effective | Verdict:
        known: Mapping[str, Policy] = self.document.policies if self.document else {}
        mine = {name: known[name] for name in names if name in known}
        if any(policy.state == "Denied" for policy in mine.values()):
            return "inactive"
        return merge(mine) if mine else "unknown-policy"


class AccessTable:
    """All doors of a gateway. Two APIs that ask for one listen path are both served below their namespace instead."""

    def __init__(self, doors: Iterable[Door] = (), revision: str = "") -> None:
        self.revision = revision
        self.doors = {door.id: door for door in doors}
        wanted: dict[str, list[Door]] = {}
        for door in self.doors.values():
            if door.listen_path:
                wanted.setdefault(door.listen_path, []).append(door)
        self._paths: dict[str, Door] = {}
        for path, claimants in wanted.items():
            for door in claimants:
                shared = f"/{door.id.partition('/')[0]}{path.rstrip('/')}"
                self._paths[path if len(claimants) == 1 else shared] = door
        self.pathless = next((door for door in self.doors.values() if not door.listen_path), None)

    def known(self, digest: str) -> bool:
        """Whether the key is one of any API here: it is valid then, only not everywhere."""
        return any(door.record(digest) is not None for door in self.doors.values())

    def paths(self) -> Mapping[str, str]:
        """Listen path → API."""
        return {path: door.id for path, door in self._paths.items()}

    def find(self, path: str) -> tuple[Door, str] | None:
        """The door for a decoded path, and the path below its listen path; the longest listen path wins."""
        start = path
        while start:
            door = self._paths.get(start)
            if door is not None:
                return door, path[len(start) :] or "/"
            start = start[: start.rindex("/")] if "/" in start else ""
        root = self._paths.get("/")
        return (root, path) if root is not None else None
