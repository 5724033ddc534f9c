"""How to reach an S3 service: the settings of ``storage.s3`` in a StreamJob, completed from ``AWS_*`` variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from weir.errors import ConfigError

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class S3Options:
    """What is ``None`` is taken from the environment by :meth:`completed`."""

    endpoint: str | None = None  #: ``http://host:port`` or ``https://host``; None = AWS itself
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)

    def completed(self, environment: Mapping[str, str]) -> S3Options:
        """Fill gaps from ``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
        ``AWS_SESSION_TOKEN``. Raises ``ConfigError`` when keys are missing or the endpoint is not a URL.
        """
        region = (
            self.region
            or environment.get("AWS_REGION")
            or environment.get("AWS_DEFAULT_REGION")
            or DEFAULT_REGION
        )
        endpoint = (
            self.endpoint
            or environment.get("AWS_ENDPOINT_URL_S3")
            or environment.get("AWS_ENDPOINT_URL")
            or f"https://s3.{region}.amazonaws.com"
        )
        _check_endpoint(endpoint)
        given = self.access_key is not None
        access = self.access_key if given else environment.get("AWS_ACCESS_KEY_ID")
        secret = self.secret_key if given else environment.get("AWS_SECRET_ACCESS_KEY")
        token = self.session_token if given else environment.get("AWS_SESSION_TOKEN")
        if not access or not secret:
            missing = "access key" if not access else f"secret key of access key {access}"
            raise ConfigError(
                f"no {missing} for S3 at {endpoint}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "(in a cluster: storage.s3.credentialsSecret)"
            )
        return S3Options(endpoint.rstrip("/"), region, access, secret, token or None)


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"S3 endpoint {endpoint!r} is not a URL; write http://HOST:PORT or https://HOST")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ConfigError(
            f"S3 endpoint {endpoint!r} has more than a host and a port; "
            "the bucket and the prefix belong into s3://BUCKET/PREFIX"
        )
