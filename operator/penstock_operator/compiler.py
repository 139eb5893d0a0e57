"""Compiles foreign configurations in a process of their own, with a limit of time and memory: a hostile one hurts nobody else."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from penstock_gateway.errors import Problem
from penstock_operator import compiling, render
from penstock_operator.resources.documents import StreamAPI
from penstock_operator.world import Compiled, World

LIMIT = 10.0
"""Seconds one configuration may take."""
MEMORY = 1 << 30
"""Bytes of address space beyond which the process gets no more."""
REST = 60.0
"""Seconds after which a process that has nothing to do ends and gives its memory back."""


class Compiler:
    """Answers for configurations that are not known yet, one after another; `known` is kept by their digest."""

    def __init__(self, limit: float = LIMIT) -> None:
        self.known: dict[str, Compiled] = {}
        self._limit = limit
        self._lock = asyncio.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def learn(self, world: World, api: StreamAPI) -> bool:
        """Whether anything about the API's configurations is new."""
        values = render.values(world, api)
        learnt = False
        for _, _, data, _ in list(render.configurations(world, api)):
            digest = render.compile_digest(world, api, data)
            if data is None or digest in self.known:
                continue
            async with self._lock:
                if digest not in self.known:
                    self.known[digest] = await self._compile(data, values)
            learnt = True
        return learnt

    def keep_only(self, world: World) -> None:
        """Forget what no configuration of the world needs."""
        used = {
            render.compile_digest(world, api, data)
            for api in world.apis.values()
            for _, _, data, _ in render.configurations(world, api)
            if data is not None
        }
        self.known = {digest: compiled for digest, compiled in self.known.items() if digest in used}

    async def _compile(self, data: Any, values: Mapping[str, str]) -> Compiled:
        answer = await asyncio.to_thread(self._ask, data, dict(values))
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(REST, self.close)
        return answer

    def _ask(self, data: Any, values: dict[str, str]) -> Compiled:
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send((data, values))
            if self._pipe.poll(self._limit):
                answer: Compiled = self._pipe.recv()
                return answer
            problem = Problem(f"takes longer than {self._limit:g} s to check: make it simpler", rule="size")
        except (EOFError, OSError):
            problem = Problem("cannot be checked within the operator's memory: make it simpler", rule="size")
        self.close()
        return Compiled((problem,))

    def _start(self) -> None:
        self.close()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, MEMORY), daemon=True, name="compiler")
        self._process.start()
        theirs.close()

    def close(self) -> None:
        """End the process; the next question starts another."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join(5)


def _serve(pipe: Connection, memory: int) -> None:
    """The worker process: one answer for each question, until nobody asks any more."""
    import resource
    import signal
    import sys

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.setrecursionlimit(10_000)
    while True:
        try:
            data, values = pipe.recv()
        except EOFError:
            return
        try:
            answer = compiling.compile_stream(data, values)
        except Exception as error:  # whatever a foreign configuration provokes, the author is told and the worker lives
            answer = Compiled((Problem(f"cannot be checked ({type(error).__name__})", rule="internal"),))
        pipe.send(answer)
