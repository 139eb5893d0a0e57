"""Every failure the gateway raises, as one tree.

    PenstockError
    ├── ConfigError        a document cannot be used: somebody must edit it (path, line, column)
    ├── NotSupported       the document asks for something that exists elsewhere but not here (path, advice)
    ├── NotConnected       a component lost, or never had, its peer: the engine connects again with backoff
    ├── EndOfInput         an input has nothing more to give: the stream ends once all is settled
    ├── WriteError         an output refused a whole batch: the input is told (nack)
    │   └── BatchError     … refused some messages of a batch: only those are told
    ├── Rejected           what a request input sees: the batch it emitted was refused
    └── Stopping           the component is going away; whoever waits must give up

Whose fault: ConfigError and NotSupported the author's, NotConnected the peer's, WriteError the peer's or the message's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]


def show_path(path: Path) -> str:
    """`("streams", 0, "config")` as `streams[0].config`, the way messages show where something stands."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else (f".{part}" if shown else str(part))
    return shown


class PenstockError(Exception):
    """The root of the tree."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a document: what is wrong, where, and which rule says so. Lines and columns count from 1; 0 = unknown."""

    text: str
    path: Path = ()
    line: int = 0
    column: int = 0
    rule: str = "config"
    file: str = ""
    within: tuple[int, int] = (0, 0)
    """Line and column inside the text that stands at `path` (a mapping); (0, 0) = the path itself."""

    def __str__(self) -> str:
        place = show_path(self.path)
        return f"{place}: {self.text}" if place else self.text


class ConfigError(PenstockError):
    """A document that only an edit can mend; carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[Problem] | str, path: Path = ()) -> None:
        self.problems = [Problem(problems, path)] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))


class NotSupported(ConfigError):
    """Something that exists in the field but not here; the text says what to use instead."""


class NotConnected(PenstockError):
    """The peer of a component cannot be reached; the engine will connect again."""


class EndOfInput(PenstockError):
    """An input has ended by itself."""


class WriteError(PenstockError):
    """An output did not take a batch."""


class BatchError(WriteError):
    """An output did not take some messages of a batch: `failed` maps their positions in the batch to the reason."""

    def __init__(self, failed: Mapping[int, Exception]) -> None:
        self.failed = dict(failed)
        first = next(iter(self.failed.values()), None)
        super().__init__(str(first) if first is not None else "batch refused")


class Rejected(PenstockError):
    """The pipeline's outputs refused what a request input emitted; the text is the first refusal's."""


class Stopping(PenstockError):
    """The gateway is going away."""
