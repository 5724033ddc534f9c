"""Texts with a meaning: names of objects, places in storage, URLs. What each accepts is said once, here."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MaxLen, MinLen

from weir_operator.models.checks import Check, matches, readable
from weir_operator.models.cron import Cron

#: Longest URI of a place in storage.
MAX_URI = 1024

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

#: A name of an object of Kubernetes.
ObjectName = Annotated[
    str,
    MinLen(1),
    MaxLen(253),
    matches(
        f"{_LABEL}([.]{_LABEL})*",
        "expected an object's name: lower-case letters, digits, '-' and '.'",
    ),
]

#: The same where a wrong name is simply not found.
Reference = Annotated[str, MinLen(1), MaxLen(253)]

_BUCKET = "s3://[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]"
_NO_SECRETS = "put credentials into a Secret and name it in storage.s3.credentialsSecret"

#: A folder of an object store or of a volume that all pods mount. ``user:password@`` is none of it.
Folder = Annotated[
    str,
    MinLen(1),
    MaxLen(MAX_URI),
    matches(
        f"{_BUCKET}(/[^ ?#]*)?|file:///[^/ ?#][^ ?#]*",
        f"expected s3://bucket/folder or file:///folder (relative folders are for `weir run`); {_NO_SECRETS}",
    ),
]


def folder(path: str) -> str:
    """The path of a folder as it compares: the slash that people may write at its end says nothing."""
    return path.rstrip("/")


#: An archive in an object store.
Archive = Annotated[
    str,
    MinLen(1),
    MaxLen(MAX_URI),
    matches(f"{_BUCKET}/[^ ?#]+", f"expected an archive as s3://bucket/app.zip; {_NO_SECRETS}"),
]

Endpoint = Annotated[
    str,
    MinLen(1),
    MaxLen(MAX_URI),
    matches(
        "https?://[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?/?",
        f"expected a URL as http://minio.storage:9000, without a path; {_NO_SECRETS}",
    ),
]

Sha256 = Annotated[
    str, MaxLen(64), matches("[0-9a-f]{64}", "expected 64 lower-case hex digits, as sha256sum prints them")
]

#: What a job is entered by.
Entrypoint = Annotated[
    str,
    MinLen(1),
    MaxLen(512),
    matches(
        "[^: ]+[.]py|[a-zA-Z_][a-zA-Z0-9_.]*:[a-zA-Z_][a-zA-Z0-9_.]*",
        "expected package.module:function, or a script such as flights/job.py",
    ),
]

#: Five fields or a name.
CronText = Annotated[
    str,
    MinLen(1),
    MaxLen(100),
    matches(
        "@(hourly|daily|weekly|monthly|yearly)|[^ ]+( [^ ]+){4}",
        "expected five fields (minute hour day month weekday, in UTC) such as '0 3 * * *', or @daily",
    ),
    readable(Cron.parse, "a schedule that comes"),
]

Image = Annotated[
    str,
    MinLen(1),
    MaxLen(512),
    matches(
        "[a-zA-Z0-9][-a-zA-Z0-9._:/@]*",
        "expected an image such as registry.example/flights:1.4.0, or one by digest",
    ),
]

PriorityClass = Annotated[
    str,
    MinLen(1),
    MaxLen(253),
    Check(
        "expected a priority class for jobs; those that begin with system- are the cluster's own",
        "!self.startsWith('system-')",
        lambda text: not text.startswith("system-"),
    ),
]
