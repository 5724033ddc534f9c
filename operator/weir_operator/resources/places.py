"""Ports and folders of job pods: the one place that knows them; probes, Services, policies and commands go by it."""

from __future__ import annotations

RPC = 6123  #: JobManager: control, gRPC
REST = 8081  #: JobManager: REST, probes, metrics

JOB_FOLDER = "/etc/weir/job"  #: the run's ConfigMap
RESOURCE_FILE = f"{JOB_FOLDER}/job.yaml"
START_FILE = f"{JOB_FOLDER}/start.json"
SECRET_FOLDER = "/etc/weir/secret"  # noqa: S105 - a folder's name
TOKEN_FILE = f"{SECRET_FOLDER}/rest-token"
TLS_FOLDER = "/etc/weir/tls"
CODE_FOLDER = "/opt/weir/jobs"  #: on the image's Python path
STATE_FOLDER = "/var/lib/weir"  #: local state; the process's home and working folder
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - an emptyDir of the pod
