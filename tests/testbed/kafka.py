"""A real Kafka (KRaft, one broker) from Maven for tests, benches and scripts.

The jars are fetched once into `${XDG_CACHE_HOME:-~/.cache}/penstock-testbed/kafka-<version>`. A broker is a child process with a
folder of its own and free ports; only its own process id is ever signalled.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "4.1.1"
START_DEADLINE = 60.0
USER, PASSWORD = "penstock", "open-sesame"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>penstock</groupId><artifactId>testbed-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class Unavailable(Exception):
    """The real broker cannot run on this machine; the text says why."""


def jars() -> Path:
    """The folder with Kafka's jars, fetched by Maven when it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "penstock-testbed" / f"kafka-{VERSION}" / "libs"
    if (folder.parent / "complete").exists():
        return folder
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        (Path(work) / "pom.xml").write_text(_POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=" + str(Path(work) / "libs")]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Unavailable(f"Maven could not fetch Kafka: {(done.stdout + done.stderr)[-500:]}")
        for jar in (Path(work) / "libs").iterdir():
            os.replace(jar, folder / jar.name)
    (folder.parent / "complete").touch()
    return folder


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RealKafka:
    """One broker process. `properties` are added to its configuration."""

    def __init__(self, properties: dict[str, str] | None = None, partitions: int = 4) -> None:
        if shutil.which("java") is None:
            raise Unavailable("java is not installed")
        self._class_path = f"{jars()}/*"
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
        self._port, self._controller, self._sasl = free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.sasl_address = f"127.0.0.1:{self._sasl}"
        """A listener that wants SASL PLAIN as `USER` with `PASSWORD`."""
        self._write(properties or {}, partitions)
        self._process: subprocess.Popen[bytes] | None = None
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        self._java("kafka.tools.StorageTool", "format", f"--cluster-id={identity}", "-c", str(self._config))
        self.start()

    @property
    def _config(self) -> Path:
        return self._folder / "server.properties"

    def _write(self, properties: dict[str, str], partitions: int) -> None:
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "listeners": f"PLAINTEXT://{self.address},SASL://{self.sasl_address},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address},SASL://{self.sasl_address}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "log.dirs": str(self._folder / "data"),
            "num.partitions": str(partitions),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            "log.retention.check.interval.ms": "1000",
            "log.segment.delete.delay.ms": "100",
            **properties,
        }
        self._config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))

    def _java(self, *arguments: str) -> None:
        command = ["java", "-Xmx256m", "-cp", self._class_path, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_DEADLINE, env=self._environment())
        if done.returncode:
            raise Unavailable(f"Kafka's {arguments[0]} failed: {(done.stdout + done.stderr)[-500:]}")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "JAVA_TOOL_OPTIONS": ""}

    def start(self) -> None:
        """Run the broker and wait until it takes connections; after `kill` with the data it had."""
        command = [
            "java", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", self._class_path, "kafka.Kafka", str(self._config),
        ]  # fmt: skip
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=self._environment())
        deadline = time.monotonic() + START_DEADLINE
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=1):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log_end = (self._folder / "broker.log").read_text(errors="replace")[-800:]
                    raise Unavailable(f"the Kafka broker did not start: {log_end}") from None
                time.sleep(0.05)  # a poll of a port: nothing else says that the JVM is up

    @property
    def pid(self) -> int:
        """The broker's process id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP: the broker is there and does not answer."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop the broker and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def real_kafka(properties: dict[str, str] | None = None, partitions: int = 4) -> Iterator[RealKafka]:
    """A broker for the length of a block; raises Unavailable when this machine cannot run one."""
    broker = RealKafka(properties, partitions)
    try:
        yield broker
    finally:
        broker.close()
