"""The command lines of a native cluster's programs.

Flags that are at their usual value are left out; a reason stands beside each that is there because of the machine.
"""

from __future__ import annotations

from pathlib import Path

from tests.cluster import builder, settings
from tests.cluster.pki import Authority


def etcd() -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        "etcd",
        "--name=default",
        "--data-dir=/var/lib/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def apiserver(authority: Authority, policy: Path, audit_log: Path) -> list[str]:
    names = ["DNS:localhost", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc"]
    names += ["IP:127.0.0.1", f"IP:{settings.FIRST_NODE}", f"IP:{settings.FIRST_SERVICE}"]
    certificate, key = authority.issue("kube-apiserver", "/CN=kube-apiserver", names)
    admin, admin_key = authority.issue("admin", "/O=system:masters/CN=weir-admin")
    return [
        str(builder.binary("kube-apiserver")),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={settings.FIRST_NODE}",
        f"--service-cluster-ip-range={settings.SERVICES}",
        f"--client-ca-file={authority.certificate}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--kubelet-client-certificate={admin}",
        f"--kubelet-client-key={admin_key}",
        # Nobody resolves the nodes' names: `exec` and `logs` go by address.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={authority.service_account_public}",
        f"--service-account-signing-key-file={authority.service_account_key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={audit_log}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=4000",
    ]


def controller_manager(authority: Authority) -> list[str]:
    return [
        str(builder.binary("kube-controller-manager")),
        f"--kubeconfig={authority.folder / 'controller-manager.kubeconfig'}",
        f"--root-ca-file={authority.certificate}",
        f"--service-account-private-key-file={authority.service_account_key}",
        "--use-service-account-credentials=true",
        # It would make its usual one outside of the node's folders.
        "--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
        "--leader-elect=false",
    ]


def scheduler(authority: Authority) -> list[str]:
    kubeconfig = authority.folder / "scheduler.kubeconfig"
    return [str(builder.binary("kube-scheduler")), f"--kubeconfig={kubeconfig}", "--leader-elect=false"]


def proxy(kubeconfig: Path, node: str) -> list[str]:
    return [
        str(builder.binary("kube-proxy")),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node}",
        f"--cluster-cidr={settings.PODS}",
        "--proxy-mode=nftables",
        "--oom-score-adj=0",
        # These sysctls cannot be written in a network namespace.
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    ]


def coredns(configuration: Path) -> list[str]:
    return [str(builder.binary("coredns")), "-conf", str(configuration)]


def kubelet(configuration: Path, kubeconfig: Path, node: str, address: str, spare: bool = False) -> list[str]:
    own = f"{settings.SPARE}=true"
    return [
        str(builder.binary("kubelet")),
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node}",
        f"--node-ip={address}",
        *([f"--node-labels={own}", f"--register-with-taints={own}:NoSchedule"] if spare else []),
    ]
