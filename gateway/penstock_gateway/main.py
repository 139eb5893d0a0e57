"""The gateway process: builds everything from a folder of documents, watches the folder, serves, drains. Decides nothing."""

from __future__ import annotations

import argparse
import asyncio
import base64
import gc
import json
import logging
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock_gateway import __version__, logs, streams, watch
from penstock_gateway.delivery import DeliveryPlan
from penstock_gateway.engine.context import Surroundings
from penstock_gateway.engine.instance import Instance
from penstock_gateway.engine.supervisor import Supervisor, Wanted
from penstock_gateway.errors import ConfigError
from penstock_gateway.http.admin import Admin
from penstock_gateway.http.app import App
from penstock_gateway.hub.hub import Hub
from penstock_gateway.metrics import Metrics
from penstock_gateway.registry import Outlet, OutletOptions, Route

_log = logging.getLogger("penstock.gateway")


class Gateway:
    """One gateway. The folder holds `pipeline.json`, `access/`, `keys/`, `signing/`, `admin.json` (docs/decisions/0001-documents.md)."""

    def __init__(
        self,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        admin_port: int = 8081,
        endpoint_delay: float = 0.0,
    ) -> None:
        self.folder, self.host, self.port, self.admin_port = folder, host, port, admin_port
        self.endpoint_delay = endpoint_delay
        self.metrics = Metrics(__version__)
        self.supervisor = Supervisor()
        self.problems: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._changed = asyncio.Event()

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the documents, run the streams, listen. Raises ConfigError when the pipeline document cannot be used."""
        self.hub = Hub(self.metrics)
        self.app = App(self.folder, self.hub, self.metrics)
        self.app.load()
        await self._apply()
        self.app.on_change = self._changed.set
        await self.app.start(self.host, self.port)
        self.port = self.app.port
        self.admin = Admin(
            self.folder, self.metrics, ready=self.ready, status=self.status, decisions=lambda: self.app.state.recent
        )
        await self.admin.start(self.host, self.admin_port)
        self.admin_port = self.admin.port
        self._tasks.append(asyncio.create_task(self._watch_pipeline(), name="watch pipeline"))
        self._tasks.append(asyncio.create_task(self._follow(), name="follow changes"))
        gc.collect()
        gc.freeze()  # what is loaded stays, and messages go by reference counting: the collector has little to find
        gc.set_threshold(20_000, 20, 20)

    async def _watch_pipeline(self) -> None:
        folder = self.folder
        async for _ in watch.changes(folder / "pipeline.json", folder / "variables", folder / "files"):
            self._changed.set()

    async def _follow(self) -> None:
        """Apply the documents whenever they changed; an access document may have disabled or enabled an API."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._apply()
            except ConfigError as error:
                self.problems = [str(problem) for problem in error.problems]
                _log.error("the new pipeline document is refused, the last good one keeps serving: %s", error)

    async def _apply(self) -> None:
        document = streams.read(self.folder)
        loaded = streams.load(document, self.folder)
        disabled = self.app.disabled()
        wanted = {(stream.api, stream.name): self._wanted(stream) for stream in loaded if stream.api not in disabled}
        difference = await self.supervisor.apply(wanted)
        for api, stream in difference.remove:
            self.hub.remove(api, stream)
        self.problems = []

    def _wanted(self, stream: streams.LoadedStream) -> Wanted:
        def build() -> Instance:
            surroundings = Surroundings(
                stream.api,
                stream.name,
                stream.delivery,
                streams.environment(stream),
                self.metrics,
                self,
                asyncio.get_running_loop().time,
                random.random,
            )
            return Instance(stream.config, surroundings)

        return Wanted(stream.fingerprint, build)

    async def stop(self) -> None:
        """Readiness off, keep accepting for the endpoint delay, stop accepting, move clients off, settle, leave."""
        self._stopping = True
        await asyncio.sleep(self.endpoint_delay)
        await self.app.stop_accepting()
        await self.hub.drain(jitter=min(2.0, self.endpoint_delay))
        await self.supervisor.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.app.stop()
        await self.admin.stop()

    # --- edges of the engine --------------------------------------------------------------------------------------------

    def route(self, api: str, stream: str, route: Route) -> Callable[[], None]:
        """Serve a request input's path."""
        return self.app.add_route(api, stream, route)

    def outlet(self, api: str, stream: str, options: OutletOptions, delivery: DeliveryPlan) -> Outlet:
        """Where a stream meets its clients."""
        return self.hub.outlet(api, stream, options, delivery, signing_keys(self.folder, api))

    # --- what it says of itself -----------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether it should get traffic: every Broadcast stream has its history; brokers do not matter."""
        return not self._stopping and all(instance.ready for instance in self.supervisor.instances().values())

    def status(self) -> dict[str, Any]:
        """For `/status` and local mode: streams, faults, the access revision; no secret."""
        apis: dict[str, list[dict[str, Any]]] = {}
        for (api, _), instance in sorted(self.supervisor.instances().items()):
            apis.setdefault(api, []).append(instance.status())
        return {
            "version": __version__,
            "ready": self.ready(),
            "problems": self.problems,
            "access": self.app.status(),
            "apis": apis,
        }


def signing_keys(folder: Path, api: str) -> list[bytes]:
    """The keys that sign cursors: current first. Missing or unreadable: none, and cursors end with the process."""
    path = folder / "signing" / f"{api.replace('/', '.')}.json"
    try:
        document = json.loads(path.read_bytes())
        return [base64.b64decode(document[name]) for name in ("current", "previous") if document.get(name)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError) as error:
        _log.warning(
            "%s cannot be read (%s): cursors are valid until this process ends", path.name, type(error).__name__
        )
        return []


def run_bare(path: Path) -> int:
    """Run one bare Bento configuration in a loop of its own; the exit status."""
    from penstock_gateway import bare

    logs.configure()
    return bare.main(path)


# --- command line -------------------------------------------------------------------------------------------------------


async def _run(arguments: argparse.Namespace) -> int:
    gateway = Gateway(
        arguments.folder,
        host=arguments.host,
        port=arguments.port,
        admin_port=arguments.admin_port,
        endpoint_delay=arguments.endpoint_delay,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await gateway.start()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return 1
    _log.info("listening on %s:%d, admin on %d", gateway.host, gateway.port, gateway.admin_port)
    await stopping.wait()
    await gateway.stop()
    return 0


def _check(arguments: argparse.Namespace) -> int:
    try:
        loaded = streams.load(streams.read(arguments.folder), arguments.folder)
    except ConfigError as error:
        for problem in error.problems:
            print(problem)
        return 1
    print(f"{len(loaded)} streams are well-formed", file=sys.stderr)
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from penstock_gateway import schema

    print(json.dumps(schema.stream_schema(), indent=2))
    return 0


def _docs(arguments: argparse.Namespace) -> int:
    from penstock_gateway import schema

    arguments.write.mkdir(parents=True, exist_ok=True)
    for name, page in schema.reference_pages().items():
        (arguments.write / name).write_text(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="penstock-gateway", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="serve a folder of documents")
    run.add_argument("folder", type=Path)
    run.add_argument("--host", default="127.0.0.1", help="address to listen on (0.0.0.0 in a pod)")
    run.add_argument("--port", type=int, default=8080, help="public port; 0 = any")
    run.add_argument("--admin-port", type=int, default=8081, help="port of /healthz /readyz /metrics /status; 0 = any")
    run.add_argument(
        "--endpoint-delay", type=float, default=0.0, help="seconds to keep accepting after SIGTERM (5 in a pod)"
    )
    run.add_argument("--log-level", default="INFO")
    run.set_defaults(act=_run)
    check = commands.add_parser("check", help="check the pipeline document of a folder and exit")
    check.add_argument("folder", type=Path)
    check.set_defaults(act=_check)
    schema = commands.add_parser("schema", help="print the JSON schema of a stream's configuration")
    schema.set_defaults(act=_schema)
    docs = commands.add_parser("docs", help="write the reference pages of all components")
    docs.add_argument("--write", type=Path, required=True, metavar="FOLDER")
    docs.set_defaults(act=_docs)
    return parser


def main() -> None:
    """Entry of `penstock-gateway`."""
    sys.setrecursionlimit(10_000)  # a named map may call itself about a thousand levels deep, instead of a hundred
    arguments = _parser().parse_args()
    if arguments.act is not _run:
        sys.exit(arguments.act(arguments))
    import uvloop

    logs.configure(arguments.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(arguments)))


if __name__ == "__main__":
    main()
