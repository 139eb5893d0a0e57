"""`python -m testbed [COMMAND]`: a cluster with Kafka and the project's chart for one shell command, or for a shell.

Inside, KUBECONFIG is set and kubectl, helm (4), helm3 and the project's own commands are in PATH. It ends with the command's status.
"""

from __future__ import annotations

import signal
import sys
import time

from testbed import chart
from testbed.binaries import say
from testbed.cluster import Cluster, Failed, cluster
from testbed.cluster_kafka import PORT, kafka
from testbed.images import TARGETS, Broken, name_of
from testbed.kafka import Unavailable


def main() -> int:
    """The status of the command."""
    command = " ".join(sys.argv[1:]).strip()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is taken down as well
    started = time.monotonic()
    try:
        with cluster() as it, kafka(it):
            chart.install(it)
            say(f"Kubernetes {it.kubernetes} is up after {time.monotonic() - started:.0f} s {it.timings}")
            say(
                f"Kafka is kafka.default.svc:{PORT}; images: {', '.join(map(name_of, TARGETS))} (imagePullPolicy: Never)"
            )
            return foreground(it, command)
    except (Unavailable, Broken, Failed) as reason:
        say(f"no cluster: {reason}")
        return 125  # a status that no command of people's own has


def foreground(it: Cluster, command: str) -> int:
    """Run a shell command, or without one a shell with a terminal of its own (that of outside belongs to processes outside)."""
    words = ["bash", "-c", command] if command else ["script", "-qec", "bash", "/dev/null"]
    process = it.popen(words)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command got it too and decides what it means
            if command:
                process.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
