"""Writes the plain manifests from the chart: ``make manifests``. For those who want ``kubectl apply -f`` and no Helm.

They are what ``helm template`` gives with the default values, in the namespace ``weir-system``, which comes with them, without
what only Helm reads. The CRDs and policies stand in ``crds/``; the key of the tokens is made once, by the command at the file's head.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(
    0, str(Path(__file__).resolve().parent.parent)
)  # run by its path it knows only its own folder

from tests.support import helm

MANIFESTS = Path(__file__).parent / "manifests" / "weir-operator.yaml"
NAMESPACE = "weir-system"
KEY = "weir-operator-key"

_HEAD = f"""\
# The operator of Weir, for all namespaces of a cluster. Written by `make manifests` from the chart; do not edit.
#
#   kubectl apply --server-side -f crds/
#   kubectl apply --server-side -f charts/manifests/weir-operator.yaml
#   kubectl -n {NAMESPACE} create secret generic {KEY} --from-literal=key="$(head -c 32 /dev/urandom | base64)"
#
# The third command once: the tokens of JobManagers derive from that key. The operator's pods wait for it.
"""


def manifests() -> str:
    """The text of the file."""
    rendered = helm.template(
        {
            "restKey": {"existingSecret": KEY},
            "crds": {"install": False},
            "admissionPolicies": {"create": False},
        },
        "--no-hooks",
        namespace=NAMESPACE,
    )
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    objects = [namespace, *map(_plain, rendered.objects)]
    return _HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=110, explicit_start=True)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """Without labels and annotations that only Helm reads."""
    for metadata in (found["metadata"], found.get("spec", {}).get("template", {}).get("metadata", {})):
        labels = metadata.get("labels", {})
        labels.pop("helm.sh/chart", None)
        labels.pop("app.kubernetes.io/managed-by", None)
        metadata.get("annotations", {}).pop("helm.sh/resource-policy", None)
        if metadata.get("annotations") == {}:
            del metadata["annotations"]
    return found


def main() -> None:
    """Write it."""
    MANIFESTS.parent.mkdir(exist_ok=True)
    MANIFESTS.write_text(manifests())
    print(MANIFESTS.relative_to(MANIFESTS.parent.parent.parent))


if __name__ == "__main__":
    main()
