"""When a mapping runs as its generated function, and when it goes back to its closures for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock_gateway.document import Value
from penstock_gateway.language.nodes import Program
from penstock_gateway.language.source import Generated, generate

_PATIENCE = 64  # reruns before the function is judged
_WORTH = 4  # runs per rerun from which on it pays: a rerun costs about what two runs save


class Optimist:
    """The generated function of one mapping in one use: `run` while it pays, else None.

    It is made after the first message, so that mappings that are only checked cost nothing. `runs` counts what was tried,
    `reruns` what the closures had to do again.
    """

    __slots__ = (
        "_follow",
        "_fuel",
        "_looks",
        "_pending",
        "_program",
        "context",
        "metadata",
        "reruns",
        "run",
        "runs",
        "slots",
        "source",
    )

    def __init__(self, program: Program, fuel: int, *, follow: bool, looks: bool) -> None:
        self._program, self._fuel, self._follow, self._looks = program, fuel, follow, looks
        self._pending = True
        self.run: Callable[[Value, Any, Any], tuple[Value, bool]] | None = None
        self.source = ""
        self.context = self.metadata = False
        self.slots = self.runs = self.reruns = 0

    def prepare(self) -> None:
        """Make the function if that was not tried yet. Called whenever the closures run."""
        if not self._pending:
            return
        self._pending = False
        found: Generated | None = generate(self._program, self._fuel, follow=self._follow, looks=self._looks)
        if found is not None:
            self.run, self.source = found.run, found.source
            self.context, self.slots, self.metadata = found.context, found.slots, found.metadata

    def give_up(self) -> None:
        """The closures run everything from now on."""
        self._pending, self.run = False, None

    def failed(self) -> None:
        """Note that a message has to be run again; too many of them, and the closures remain."""
        self.reruns += 1
        if self.reruns >= _PATIENCE and self.reruns * _WORTH > self.runs:
            self.give_up()
