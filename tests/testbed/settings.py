"""The configuration files and command lines of the cluster's programs, as text; what differs from their defaults is said why."""

from __future__ import annotations

import json
from pathlib import Path

from testbed.images import PAUSE
from testbed.inside import NODE, SERVICES

PODS = "10.98.0.0/16"
NODE_PODS = "10.98.0.0/24"


def resolver() -> str:
    """Processes inside resolve names as a pod of the namespace default does."""
    return f"nameserver {NODE}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"


def corefile(folder: Path) -> str:
    """CoreDNS for the cluster alone: any other name does not exist."""
    return f""".:53 {{
    bind {NODE}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {folder}/coredns.kubeconfig
        pods verified
        ttl 1
    }}
}}
"""


def audit_policy() -> str:
    """Who did what to which object, and how it ended; no bodies, so no Secret is ever written down. Health checks are left out."""
    rules = [
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*", "/openapi*", "/api*", "/version"]}
    ]
    rules.append({"level": "Metadata", "omitStages": ["RequestReceived"]})
    return json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules})


def containerd(folder: Path) -> str:
    """`restrict_oom_score_adj`: without CAP_SYS_RESOURCE no sandbox would start; everything lies in folders of the cluster's own."""
    return f"""version = 2
root = "{folder}/state/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def cni() -> str:
    """Pods on a bridge with the node as their gateway. It enforces no NetworkPolicy."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": NODE_PODS}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "testbed", "plugins": [bridge, portmap]})


def kubelet(folder: Path, cgroup: str) -> str:
    """A kubelet that takes cgroup v1 and swap as it finds them, trusts the API server without certificates, and stays in one cgroup."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "failSwapOn": False,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "clusterDNS": [NODE],
            "clusterDomain": "cluster.local",
            "resolvConf": f"{folder}/resolv.conf",
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "maxPods": 250,
            "tlsCertFile": f"{folder}/server.crt",
            "tlsPrivateKeyFile": f"{folder}/server.key",
        }
    )


def kube_proxy(folder: Path) -> str:
    """`maxPerCore: 0`: the size of the connection table belongs to the machine."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": PODS,
            "hostnameOverride": "node1",
            "clientConnection": {"kubeconfig": f"{folder}/kube-proxy.kubeconfig"},
            "conntrack": {"maxPerCore": 0},
            "nftables": {"minSyncPeriod": "100ms"},
        }
    )


def commands(folder: Path) -> dict[str, list[str]]:
    """Program → its arguments."""
    etcd = "http://127.0.0.1:2379"
    manager = folder / "kube-controller-manager.kubeconfig"
    scheduler = folder / "kube-scheduler.kubeconfig"
    return {
        "etcd": [
            f"--data-dir={folder}/state/etcd", f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            "--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd}", "--secure-port=6443", f"--advertise-address={NODE}", f"--bind-address={NODE}",
            f"--tls-cert-file={folder}/server.crt", f"--tls-private-key-file={folder}/server.key",
            f"--kubelet-certificate-authority={folder}/ca.crt", f"--cert-dir={folder}/state/certs",
            f"--service-cluster-ip-range={SERVICES}", "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--token-auth-file={folder}/tokens.csv", f"--service-account-key-file={folder}/sa.pub",
            f"--service-account-signing-key-file={folder}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc", "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={folder}/audit-policy.json", f"--audit-log-path={folder}/audit.log",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={manager}", "--use-service-account-credentials",
            f"--service-account-private-key-file={folder}/sa.key", f"--root-ca-file={folder}/ca.crt",
            "--allocate-node-cidrs", f"--cluster-cidr={PODS}", "--leader-elect=false", f"--cert-dir={folder}/state/certs",
        ],
        "kube-scheduler": [f"--kubeconfig={scheduler}", "--leader-elect=false", f"--cert-dir={folder}/state/certs"],
        "kubelet": [
            f"--config={folder}/kubelet.json", f"--kubeconfig={folder}/kubelet.kubeconfig", "--hostname-override=node1",
            f"--node-ip={NODE}", f"--root-dir={folder}/state/kubelet", f"--cert-dir={folder}/state/certs",
        ],
        "kube-proxy": [f"--config={folder}/kube-proxy.json"],
        "coredns": ["-conf", f"{folder}/Corefile"],
        "containerd": ["--config", f"{folder}/containerd.toml"],
    }  # fmt: skip
