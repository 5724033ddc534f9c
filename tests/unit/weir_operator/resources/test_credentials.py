"""Secrets of a run: a token that follows from a key, and certificates of an authority that nobody can use again."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.stream_jobs import UID, subject
from weir_operator.resources import credentials
from weir_operator.resources.tokens import rest_token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opened(manifest: dict) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}


def certificate(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    return True


def test_a_token_is_the_same_for_the_same_run_and_another_for_any_other() -> None:
    key = b"k" * 32
    assert rest_token(key, UID, 7) == rest_token(key, UID, 7)
    others = [rest_token(key, UID, 8), rest_token(key, "other", 7), rest_token(b"x" * 32, UID, 7)]
    assert len({rest_token(key, UID, 7), *others}) == 4


def test_the_token_is_in_a_secret_named_after_the_run_that_the_kubelet_looks_at_again() -> None:
    made = credentials.token(subject(), 7, "t0ken")
    assert made["metadata"]["name"] == "flights-7"
    assert "immutable" not in made, "the next job of the name may have one of the same name"
    assert opened(made) == {"rest-token": "t0ken"}


def test_each_component_has_a_certificate_of_the_slots_authority_with_its_names() -> None:
    made = credentials.certificates(subject(), 7, "a", NOW)
    assert made["metadata"]["name"] == "flights-7-tls-a"
    files = opened(made)
    authority = certificate(files["ca.crt"])
    for component in ("jobmanager", "taskmanager"):
        leaf = certificate(files[f"{component}.crt"])
        assert signed_by(leaf, authority)
        hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = hosts.get_values_for_type(x509.DNSName)
        assert component in names
        assert f"{component}.{UID.replace('-', '')}" in names
        assert ("flights-7-jm.air.svc" in names) == (component == "jobmanager")
        key = serialization.load_pem_private_key(files[f"{component}.key"].encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() == leaf.public_key()


def test_the_private_key_of_the_authority_is_not_in_the_secret() -> None:
    files = opened(credentials.certificates(subject(), 7, "a", NOW))
    authority = certificate(files["ca.crt"]).public_key()
    keys = [text for text in files.values() if "PRIVATE KEY" in text]
    assert len(keys) == 2
    for text in keys:
        assert serialization.load_pem_private_key(text.encode(), None).public_key() != authority


def test_two_issues_trust_nothing_of_each_other() -> None:
    first, second = (opened(credentials.certificates(subject(), 7, slot, NOW)) for slot in ("a", "b"))
    assert not signed_by(certificate(first["taskmanager.crt"]), certificate(second["ca.crt"]))


def test_an_authority_is_valid_before_its_certificates_are_presented_and_after_they_end() -> None:
    later = NOW + timedelta(hours=1)
    files = opened(credentials.certificates(subject(), 7, "b", later))
    assert datetime.fromisoformat(files["not-before"]) == later
    authority, leaf = certificate(files["ca.crt"]), certificate(files["jobmanager.crt"])
    assert authority.not_valid_before_utc <= NOW
    assert leaf.not_valid_before_utc <= later < leaf.not_valid_after_utc <= authority.not_valid_after_utc


def test_an_authority_cannot_sign_another_and_a_certificate_can_sign_none() -> None:
    files = opened(credentials.certificates(subject(), 7, "a", NOW))
    for name, is_authority in (("ca.crt", True), ("jobmanager.crt", False)):
        constraints = certificate(files[name]).extensions.get_extension_for_class(x509.BasicConstraints).value
        assert constraints.ca is is_authority
    assert (
        certificate(files["ca.crt"])
        .extensions.get_extension_for_class(x509.BasicConstraints)
        .value.path_length
        == 0
    )


def test_a_slot_can_be_issued_anew_since_the_kubelet_would_not_look_again_at_an_immutable_secret() -> None:
    assert "immutable" not in credentials.certificates(subject(), 7, "a", NOW)


@pytest.mark.parametrize("run", [1, 99999])
def test_names_of_services_and_workloads_stay_within_what_kubernetes_takes(run: int) -> None:
    from weir_operator.resources import names

    job = "j" * 45
    made = [
        names.jobmanager(job, run),
        names.taskmanager(job, run),
        names.rest(job),
        names.errand(job, "purge"),
    ]
    assert max(map(len, made)) <= 63
