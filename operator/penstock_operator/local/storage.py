"""Writes the gateway's folder: whole files at once, only what differs, and nobody else may read what is secret."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Storage:
    """A folder whose files are replaced, never edited; a file that already says the same is left alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, content: bytes, *, secret: bool = True) -> bool:
        """Make a file say `content`; whether that changed anything. A reader sees the old file or the new, never a part."""
        target = self.root / path
        try:
            if target.read_bytes() == content:
                return False
        except OSError:
            pass
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        passing = target.with_name(f".{target.name}.new")
        descriptor = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        passing.replace(target)
        return True

    def write_json(self, path: str, body: Any, *, secret: bool = True) -> bool:
        """The same for a document."""
        return self.write(path, (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode(), secret=secret)

    def read_json(self, path: str) -> Any:
        """A document, or None when it is not there or not one."""
        try:
            return json.loads((self.root / path).read_text())
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return (self.root / path).is_file()

    def keep_only(self, folder: str, wanted: Iterable[str]) -> list[str]:
        """Remove the files below a folder that are not wanted; which ones went."""
        kept = {self.root / path for path in wanted}
        gone = []
        below = self.root / folder
        for path in sorted(below.rglob("*"), reverse=True) if below.is_dir() else ():
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in kept:
                path.unlink(missing_ok=True)
                gone.append(str(path.relative_to(self.root)))
        return gone

    def touch(self, path: str) -> None:
        """Make whoever watches a file look at it again."""
        os.utime(self.root / path)

    def remove(self, path: str) -> None:
        """Remove one file if it is there."""
        (self.root / path).unlink(missing_ok=True)
