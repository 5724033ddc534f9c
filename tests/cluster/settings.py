"""Addresses and configuration files of a native cluster, as data.

All addresses are from 198.18.0.0/15, which is set aside for tests: nodes in 198.18.0.0/24, pods of node N in 198.18.(16+N).0/24,
services in 198.19.0.0/16. None of them leaves the nodes' network namespaces. The reasons for the less usual settings stand
beside them; docs/explanation/test-cluster.md tells the whole.
"""

from __future__ import annotations

import json

PAUSE_IMAGE = "weir.dev/pause:1"
SERVICES = "198.19.0.0/16"
FIRST_SERVICE = "198.19.0.1"
PODS = "198.18.16.0/20"
DOMAIN = "cluster.local"
NODES = "198.18.0.0/24"
FIRST_NODE = "198.18.0.1"
#: Label and taint of a node that one test added, to lose it.
SPARE = "weir.dev/spare"
SERVER = f"https://{FIRST_NODE}:6443"


def node_address(number: int) -> str:
    return f"198.18.0.{number}"


def pod_range(number: int) -> str:
    return f"198.18.{15 + number}.0/24"


def audit_policy() -> str:
    """Writes of what jobs consist of, with what was sent and what there is then; and whatever pods' accounts ask for, without content.

    Never a Secret's content. What is asked for, reading included, is what rights are held against (``tests/e2e/rights.py``).
    """
    watched = [
        {"group": "weir.dev"},
        {"group": "apps", "resources": ["deployments", "controllerrevisions"]},
        {"group": "", "resources": ["pods", "pods/status", "configmaps", "services"]},
    ]
    writes = {"verbs": ["create", "update", "patch", "delete", "deletecollection"]}
    rules = [
        {"level": "RequestResponse", "resources": watched, **writes},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}], **writes},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system", "system:nodes"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ]
    kind = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy"}
    return json.dumps({**kind, "omitStages": ["RequestReceived"], "rules": rules})


def containerd(networks: str) -> str:
    """restrict_oom_score_adj: in a container without CAP_SYS_RESOURCE nothing may lower its score, and runc would fail."""
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{networks}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


#: Nothing is cached and nothing is asked elsewhere: tests see changes at once, and there is no way out.
COREDNS = """.:53 {{
    bind {address}
    errors
    ready {address}:8181
    kubernetes {domain} {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 1
    }}
}}
"""


def network(number: int) -> str:
    """Pods hang on point-to-point links: traffic between two of one node passes the node's rules, as services need."""
    address = {
        "type": "host-local",
        "ranges": [[{"subnet": pod_range(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/var/lib/cni/addresses",
    }
    plugin = {"type": "ptp", "mtu": 1500, "ipam": address}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [plugin]}, indent=1)


def kubelet(authority: str, control_group: str, resolver: str) -> str:
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{control_group}",
        "clusterDNS": [FIRST_NODE],
        "clusterDomain": DOMAIN,
        "resolvConf": resolver,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "failSwapOn": False,
        # A developer's disk may be fuller than a server's; images are loaded by hand, so none may be collected.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "oomScoreAdj": 0,
        "nodeStatusUpdateFrequency": "4s",
        # How soon a changed Secret is in its pods.
        "syncFrequency": "10s",
    }
    return json.dumps(configuration, indent=1)
