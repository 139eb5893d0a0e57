"""A real Kafka beside the cluster, which pods reach as `kafka.default.svc:9092`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.cluster import Cluster
from testbed.inside import NODE
from testbed.kafka import RealKafka, jars

PORT, SASL_PORT = 9092, 9093
HOST = "kafka.default.svc.cluster.local"


class ServiceKafka(RealKafka):
    """A broker that listens on every address and calls itself by the Service's name."""

    def _write(self, properties: dict[str, str], partitions: int) -> None:
        self._port, self._sasl = PORT, SASL_PORT
        self.address, self.sasl_address = f"{HOST}:{PORT}", f"{HOST}:{SASL_PORT}"
        listeners = f"PLAINTEXT://0.0.0.0:{PORT},SASL://0.0.0.0:{SASL_PORT},CONTROLLER://127.0.0.1:{self._controller}"
        super()._write({"listeners": listeners, **properties}, partitions)


@contextmanager
def kafka(it: Cluster, properties: dict[str, str] | None = None, partitions: int = 4) -> Iterator[ServiceKafka]:
    """A broker for the length of a block, behind a Service without selector. `restart`s and faults: kill, pause, resume, start."""
    jars()  # fetched outside: there is no network inside
    broker = it.inside.call(ServiceKafka, properties, partitions)
    try:
        it.apply(*_service())
        yield broker
    finally:
        broker.close()


def _service() -> list[dict[str, object]]:
    ports = [{"name": "plain", "port": PORT}, {"name": "sasl", "port": SASL_PORT}]
    owner = {"kubernetes.io/service-name": "kafka", "endpointslice.kubernetes.io/managed-by": "testbed"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kafka", "namespace": "default"},
            "spec": {"ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "kafka-testbed", "namespace": "default", "labels": owner},
            "addressType": "IPv4",
            "ports": ports,
            "endpoints": [{"addresses": [NODE], "conditions": {"ready": True}}],
        },
    ]
