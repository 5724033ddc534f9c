"""Certificates for the gRPC between a job's pods: who holds one that the run's authority signed belongs to the run.

Each issue makes a new authority, signs one certificate for JobManagers and one for TaskManagers, and forgets the
authority's private key: nobody can ever sign with it again, and there is nothing to steal. So a rotation is a second
issue, not a new signature. A run has two slots, ``a`` and ``b``, each a Secret of its own that pods mount optionally::

    issue b (valid from: later)  ->  pods trust a + b, present a  ->  b becomes valid: present b  ->  retire a

A certificate is presented only from its ``not-before`` on, when every pod has long been given the slot's authority; the
kubelet brings new and deleted slots into running pods, so nothing restarts. The operator needs to create and delete
Secrets for it, never to read or to patch one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from weir_operator.observed import Component

SLOTS = ("a", "b")

#: Clocks of nodes may differ by this much.
SKEW = timedelta(minutes=5)
LIFETIME = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Issued:
    """What one issue made, PEM; the authority's private key is not among it."""

    authority: str
    certificates: dict[Component, str]
    keys: dict[Component, str]
    not_before: datetime
    not_after: datetime


def issue(
    identity: dict[Component, tuple[str, ...]], not_before: datetime, lifetime: timedelta = LIFETIME
) -> Issued:
    """A new authority and a certificate with the given DNS names for each component."""
    key = ec.generate_private_key(ec.SECP256R1())
    not_after = not_before + lifetime
    # The authority is trusted from now on, its certificates are presented later: it must be valid before they are.
    authority = _authority(key, not_before - timedelta(days=1), not_after)
    certificates, keys = {}, {}
    for component, hosts in identity.items():
        own = ec.generate_private_key(ec.SECP256R1())
        signed = _certificate(
            component, hosts, own.public_key(), authority, not_before - SKEW, not_after
        ).sign(key, hashes.SHA256())
        certificates[component] = signed.public_bytes(serialization.Encoding.PEM).decode()
        keys[component] = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    bundle = authority.public_bytes(serialization.Encoding.PEM).decode()
    return Issued(bundle, certificates, keys, not_before, not_after)


def _authority(key: ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weir run")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    component: Component,
    hosts: tuple[str, ...],
    key: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    begins: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    public = authority.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, component.value)]))
        .issuer_name(authority.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
