"""Reads the access documents of a folder into a table. What has not changed is not parsed again; what is wrong denies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from penstock_gateway.access import ApiDocument, KeyShard, read_api, read_keys, revision
from penstock_gateway.errors import ConfigError
from penstock_gateway.http.table import AccessTable, Door

_log = logging.getLogger(__name__)
T = TypeVar("T", ApiDocument, KeyShard)


class AccessFiles:
    """The folders `access/` and `keys/` below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folders = (folder / "access", folder / "keys")
        self.faults: dict[str, str] = {}
        """File name → why it cannot be used."""
        self._parsed: dict[str, tuple[bytes, ApiDocument | KeyShard | None]] = {}
        self._paths: dict[str, str] = {}

    def read(self, expected: Iterable[str] = ()) -> AccessTable:
        """The table as the files are now. An expected API without a document gets a door that answers 503."""
        self.faults = {}
        documents = {_api(path.stem): path for path in _files(self.folders[0])}
        shards: dict[str, list[Path]] = {}
        for file in _files(self.folders[1]):
            shards.setdefault(_api(file.stem.rpartition("-")[0]), []).append(file)
        doors = []
        contents: dict[str, bytes] = {}
        for api in sorted({*documents, *expected}):
            path = documents.get(api)
            document = self._document(api, path, contents) if path else None
            keys = [self._shard(shard, contents) for shard in shards.get(api, ())]
            if document is not None:
                self._paths[api] = document.listen_path
            reason = "" if document else self.faults.get(path.name if path else "", "there is no access document")
            doors.append(Door(api, document, keys, self._paths.get(api, ""), reason))
        self._parsed = {name: self._parsed[name] for name in contents if name in self._parsed}
        return AccessTable(doors, revision(contents))

    def _document(self, api: str, path: Path, contents: dict[str, bytes]) -> ApiDocument | None:
        document = self._cached(path, contents, read_api)
        if document is not None and f"{document.namespace}/{document.name}" != api:
            self._fault(path, f"it is about {document.namespace}/{document.name}")
            return None
        return document

    def _shard(self, path: Path, contents: dict[str, bytes]) -> KeyShard | None:
        return self._cached(path, contents, read_keys)

    def _cached(self, path: Path, contents: dict[str, bytes], parse: Callable[[bytes], T]) -> T | None:
        name = f"{path.parent.name}/{path.name}"
        try:
            data = contents[name] = path.read_bytes()
            known = self._parsed.get(name)
            if known is not None and known[0] == data and known[1] is not None:
                return known[1]  # type: ignore[return-value]  # one folder holds one kind of document
            document = parse(data)
        except (OSError, ConfigError) as why:
            self._fault(path, str(why) if isinstance(why, ConfigError) else type(why).__name__)
            self._parsed.pop(name, None)
            return None
        self._parsed[name] = (data, document)
        return document

    def _fault(self, path: Path, why: str) -> None:
        self.faults[path.name] = why
        _log.error("%s/%s cannot be used: %s", path.parent.name, path.name, why)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith(".")) if folder.is_dir() else []


def _api(stem: str) -> str:
    """`shop.orders` as `shop/orders`."""
    namespace, _, name = stem.partition(".")
    return f"{namespace}/{name}"
