"""Certificates, tokens and kubeconfig files of one cluster."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from pathlib import Path

from testbed.inside import NODE
from testbed.kafka import Unavailable

SERVER = f"https://{NODE}:6443"
USERS = {
    "admin": ("testbed-admin", "system:masters"),
    "kubelet": ("system:node:node1", "system:nodes"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("testbed-coredns", "system:masters"),
}
"""File → user and group that its token stands for."""
_NAMES = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
_ALTERNATIVES = f"{_NAMES},DNS:node1,IP:{NODE},IP:127.0.0.1,IP:10.96.0.1"


def write(folder: Path) -> None:
    """Write ca.crt, server.crt, server.key (API server and kubelet), sa.key, sa.pub, tokens.csv and a kubeconfig per user."""
    _openssl(folder, "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=testbed-ca "
             "-addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.crt")  # fmt: skip
    _openssl(folder, "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=testbed "
             "-keyout server.key -out server.csr")  # fmt: skip
    (folder / "server.ext").write_text(
        f"subjectAltName={_ALTERNATIVES}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    _openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt",
    )
    _openssl(folder, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out sa.key")
    _openssl(folder, "pkey -in sa.key -pubout -out sa.pub")
    tokens = {name: secrets.token_hex(16) for name in USERS}
    lines = [f'{tokens[name]},{user},{user},"{group}"' for name, (user, group) in USERS.items()]
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n")
    for name, token in tokens.items():
        (folder / f"{name}.kubeconfig").write_text(kubeconfig((folder / "ca.crt").read_bytes(), token))


def kubeconfig(ca: bytes, token: str, namespace: str = "default") -> str:
    """A kubeconfig (JSON is YAML) for whoever the token stands for."""
    cluster = {"server": SERVER, "certificate-authority-data": base64.b64encode(ca).decode()}
    context = {"cluster": "testbed", "user": "testbed", "namespace": namespace}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": cluster}],
            "contexts": [{"name": "testbed", "context": context}],
            "users": [{"name": "testbed", "user": {"token": token}}],
        },
        indent=1,
    )


def _openssl(folder: Path, words: str) -> None:
    done = subprocess.run(["openssl", *words.split()], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"openssl failed: {done.stderr[-500:]}")
