"""Certificates and kubeconfigs of one native cluster: one authority of its own, made by openssl, gone with the cluster.

Every component has its own certificate, whose subject is the identity that Kubernetes' RBAC knows (``system:node:NAME`` and
so on). ``Authority.kubeconfig`` writes the file by which a component, or a person, talks to the API server.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError

#: openssl's own configuration would make every certificate an authority.
_PLAIN = "[req]\ndistinguished_name = subject\n[subject]\n"


@dataclass(frozen=True)
class Authority:
    """Signs what the cluster's components show each other; all files lie in ``folder``."""

    folder: Path
    server: str

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        return self.folder / "ca.key"

    @property
    def service_account_key(self) -> Path:
        return self.folder / "service-accounts.key"

    @property
    def service_account_public(self) -> Path:
        return self.folder / "service-accounts.pub"

    def create(self) -> None:
        """Makes the authority and the key that signs the tokens of service accounts; does nothing the second time."""
        if self.service_account_public.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "openssl.cnf").write_text(_PLAIN)
        self._certificate("ca", "/CN=weir-test-cluster", ["basicConstraints=critical,CA:TRUE"], signed=False)
        curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        _openssl("genpkey", *curve, "-out", str(self.service_account_key))
        key, public = str(self.service_account_key), str(self.service_account_public)
        _openssl("pkey", "-in", key, "-pubout", "-out", public)

    def issue(self, name: str, subject: str, names: Sequence[str] = ()) -> tuple[Path, Path]:
        """The certificate and the key of ``name``, good for clients and, with ``names``, for servers.

        Args:
            name: the files' name.
            subject: such as ``/O=system:nodes/CN=system:node:a``.
            names: alternative names as openssl spells them, such as ``DNS:localhost``.
        """
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if not certificate.exists():
            extensions = ["basicConstraints=CA:FALSE", "extendedKeyUsage=clientAuth,serverAuth"]
            if names:
                extensions.append(f"subjectAltName={','.join(names)}")
            self._certificate(name, subject, extensions, signed=True)
        return certificate, key

    def kubeconfig(self, name: str, subject: str) -> Path:
        """A kubeconfig for who ``subject`` names."""
        certificate, key = self.issue(name, subject)
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority": str(self.certificate)}
        user = {"client-certificate": str(certificate), "client-key": str(key)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "weir", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "weir", "context": {"cluster": "weir", "user": name}}],
            "current-context": "weir",
        }
        path.write_text(json.dumps(content, indent=1))
        return path

    def _certificate(self, name: str, subject: str, extensions: list[str], *, signed: bool) -> None:
        arguments = ["req", "-x509", "-config", str(self.folder / "openssl.cnf"), "-days", "365", "-nodes"]
        arguments += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", subject]
        arguments += ["-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.crt")]
        for extension in extensions:
            arguments += ["-addext", extension]
        if signed:
            arguments += ["-CA", str(self.certificate), "-CAkey", str(self.key)]
        _openssl(*arguments)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
