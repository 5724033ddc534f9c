"""The operator's settings: what the environment says, and messages that name the variable."""

from __future__ import annotations

import pytest

from weir_operator.config import Settings, read_settings
from weir_operator.errors import PermanentError
from weir_operator.resources.settings import rendering


def read(**variables: str) -> Settings:
    return read_settings({f"WEIR_OPERATOR_{name}": value for name, value in variables.items()})


def test_nothing_said_gives_the_defaults_that_stand_in_the_class() -> None:
    assert read(IDENTITY="me") == Settings(identity="me")


def test_lists_are_names_between_commas() -> None:
    settings = read(NAMESPACES="sea, air,,air", JOBS_IMAGE_PULL_SECRETS="a,b")
    assert settings.namespaces == ("air", "sea")
    assert settings.jobs_image_pull_secrets == ("a", "b")


def test_what_is_structured_is_json() -> None:
    assert read(BUCKETS="team-*, {namespace}-state").buckets == ("team-*", "{namespace}-state")
    settings = read(POD_LABELS='{"a": "b"}', JOBS_EGRESS='[{"ipBlock": {}}]')
    assert (settings.pod_labels, settings.jobs_egress) == ({"a": "b"}, ({"ipBlock": {}},))


@pytest.mark.parametrize(("said", "user"), [("platform", None), ("1000", 1000), ("", 65532)])
def test_the_user_of_pods_may_be_left_to_the_platform(said: str, user: int | None) -> None:
    assert read(JOBS_RUN_AS_USER=said).jobs_run_as_user == user


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOBS_TLS", "yes"),
        ("JOBS_TLS_LIFETIME", "30s"),
        ("JOBS_EGRESS", "{}"),
        ("POD_LABELS", "a=b"),
        ("WORKERS", "0"),
        ("RESYNC", "300"),
        ("JOBS_RUN_AS_USER", "root"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(PermanentError, match=rf"WEIR_OPERATOR_{name} is '{value}'"):
        read(**{name: value})


def test_rendering_takes_what_shows_in_pods() -> None:
    settings = rendering(read(IMAGE="i", NAMESPACE="ns", JOBS_TLS="true", IMAGE_PULL_POLICY="Never"))
    assert (settings.image, settings.operator_namespace, settings.tls) == ("i", "ns", True)
    assert settings.image_pull_policy == "Never"
