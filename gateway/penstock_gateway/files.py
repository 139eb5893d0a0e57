"""What inputs that read files share: the paths that patterns stand for, one file after another, and what becomes of a file."""

from __future__ import annotations

import datetime
import glob
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from penstock_gateway.errors import EndOfInput, NotConnected
from penstock_gateway.message import Batch, Message
from penstock_gateway.registry import Context, Delivery, Settle
from penstock_gateway.scanning import Ahead, ScanError


def expand(paths: list[str]) -> list[str]:
    """The files of paths and patterns in order, those of one pattern sorted; a path without a pattern stays, there or not."""
    found: list[str] = []
    for path in paths:
        if not glob.has_magic(path):
            found.append(path)
            continue
        matches = glob.glob(path, recursive="**" in path, include_hidden=True)
        found += sorted(os.path.normpath(match) for match in matches if "**" not in path or os.path.isfile(match))
    return found


@dataclass(slots=True, eq=False)
class Reading:
    """A file that is being read, and how many of its deliveries nobody has settled yet."""

    path: str
    source: BinaryIO
    modified: datetime.datetime
    open_deliveries: int = 0
    finished: bool = False
    failed: bool = False

    def stamped(self, message: Message) -> Message:
        """The message with the file's metadata."""
        message.meta["path"] = self.path
        message.meta["mod_time_unix"] = int(self.modified.timestamp())
        message.meta["mod_time"] = self.modified.strftime("%Y-%m-%dT%H:%M:%SZ")
        return message


Scan = Callable[[Reading], Iterator[Batch]]


class FilesInput:
    """Reads each file to its end. One that cannot be opened is tried again; one that cannot be read is left where it is."""

    def __init__(
        self, paths: list[str], scan: Scan, context: Context, *, delete: bool, replays: bool, group: int = 1
    ) -> None:
        self.paths, self.scan, self.context = paths, scan, context
        self.delete, self.replays, self.group = delete, replays, group
        self._waiting: deque[str] | None = None
        self._reading: Reading | None = None
        self._ahead: Ahead | None = None

    async def connect(self) -> None:
        """Find the files and open the first; raises NotConnected while that is not possible."""
        if self._waiting is None:
            self._waiting = deque(expand(self.paths))
        if self._ahead is None and self._waiting:
            self._open_next(self._waiting)

    def _open_next(self, waiting: deque[str]) -> None:
        path = waiting[0]
        try:
            source = open(path, "rb", buffering=0)  # noqa: SIM115  # stays open until its end is read
            modified = datetime.datetime.fromtimestamp(os.fstat(source.fileno()).st_mtime, datetime.UTC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise NotConnected(f"open {path}: {(reason or 'failed').lower()}") from None
        waiting.popleft()
        self._reading = Reading(path, source, modified)
        self._ahead = Ahead(self.scan(self._reading))

    async def read(self) -> list[Delivery]:
        """The next messages; at the end of a file the next one is opened."""
        while True:
            if self._ahead is None or self._reading is None:
                if not self._waiting:
                    raise EndOfInput
                self._open_next(self._waiting)
                continue
            reading = self._reading
            try:
                messages = await self._ahead.take(max(256, self.group), self.group)
            except (ScanError, OSError) as error:
                self.context.log.error("Failed to read %s: %s", reading.path, error)
                reading.failed, messages = True, []
            if not messages:
                self._finish(reading)
                continue
            batches = [messages[n : n + self.group] for n in range(0, len(messages), self.group)]
            reading.open_deliveries += len(batches)
            return [Delivery(batch, self._settle(reading)) for batch in batches]

    def _finish(self, reading: Reading) -> None:
        reading.finished = True
        reading.source.close()
        self._reading = self._ahead = None
        self._delete(reading)

    def _settle(self, reading: Reading) -> Settle:
        def settle(error: Exception | None) -> None:
            reading.open_deliveries -= 1
            reading.failed = reading.failed or error is not None
            self._delete(reading)

        return settle

    def _delete(self, reading: Reading) -> None:
        """Only a file that was read to its end and acknowledged as a whole."""
        if not self.delete or reading.failed or not reading.finished or reading.open_deliveries:
            return
        try:
            os.remove(reading.path)
        except OSError as error:
            self.context.log.error("Failed to delete %s: %s", reading.path, error.strerror)

    async def close(self) -> None:
        """Read no more; what was not settled keeps its file."""
        if self._ahead is not None:
            self._ahead.close()
