"""Cache `file`: each value in a file of a folder; for `penstock run` only."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from pydantic import Field

from penstock_gateway.errors import WriteError
from penstock_gateway.registry import Cache, Config, Context, Kind, component


@component("file", Kind.CACHE, summary="Keeps each value in a file of a folder, for ever.", host=True, state="external")
class FileCacheConfig(Config):
    """Fields as Bento's."""

    directory: str = Field(description="The folder; it has to be there.", min_length=1)

    def build(self, context: Context) -> Cache:
        """The runtime."""
        return FileCache(Path(self.directory))


class FileCache:
    """A key is a file name; one that leads out of the folder is refused."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def _path(self, key: str) -> Path:
        path = os.path.normpath(self.directory / key)
        folder = os.path.normpath(self.directory)
        if (
            not key
            or "\0" in key
            or os.path.commonpath([os.path.abspath(path), os.path.abspath(folder)]) != (os.path.abspath(folder))
        ):
            raise WriteError(f"key {key!r} leads out of the folder of the cache")
        return Path(path)

    async def get(self, key: str) -> bytes | None:
        """The content of the file."""
        return await asyncio.to_thread(self._get, self._path(key))

    def _get(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _told(error) from None

    async def set(self, key: str, value: bytes, ttl: float | None = None) -> None:
        """Replace the file as a whole: who reads at the same time sees the old value or the new one."""
        await asyncio.to_thread(self._set, self._path(key), value)

    def _set(self, path: Path, value: bytes) -> None:
        try:
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as new:
                new.write(value)
            os.chmod(new.name, 0o644)
            os.replace(new.name, path)
        except OSError as error:
            raise _told(error) from None

    async def add(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        """Make the file if it is not there."""
        return await asyncio.to_thread(self._add, self._path(key), value)

    def _add(self, path: Path, value: bytes) -> bool:
        try:
            with open(path, "xb") as new:
                new.write(value)
        except FileExistsError:
            return False
        except OSError as error:
            raise _told(error) from None
        return True

    async def delete(self, key: str) -> None:
        """Remove the file."""
        await asyncio.to_thread(self._delete, self._path(key))

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _told(error) from None

    async def close(self) -> None:
        """The files stay."""


def _told(error: OSError) -> WriteError:
    return WriteError(f"{error.filename}: {(error.strerror or 'failed').lower()}")
