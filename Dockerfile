# One image for the engine and the operator, built by `make image`.
#
#   docker run IMAGE weir run job.yaml      any command of `weir`; the entry point is `python -m`
#   docker run IMAGE weir_operator          the operator
#
# Stages: `requirements` reads pyproject.toml, so that only a changed list of packages makes `dependencies` anew; `code`
# builds our wheel; the last stage copies both, each as a layer of its own. Only wheels are installed, so no stage needs a compiler,
# in the versions that the tests ran with.
# EXTRAS names the optional dependencies of pyproject.toml that are in it: `operator` is what the second entry point needs. Secrets are
# optional and stay out of the image: `certificates` (a bundle that pip trusts, behind a company's proxy) and `pip.conf` (another index).

ARG BASE=python:3.12-slim

FROM ${BASE} AS requirements
ARG EXTRAS="operator rocksdb"
COPY pyproject.toml /
RUN python3 -c "import tomllib; p = tomllib.load(open('/pyproject.toml', 'rb')); x = p['project']['optional-dependencies']; \
    lines = lambda names: '\n'.join(sorted(names)) + '\n'; \
    open('/backend.txt', 'w').write(lines(p['build-system']['requires'])); \
    open('/requirements.txt', 'w').write(lines(p['project']['dependencies'] + [r for e in '${EXTRAS}'.split() for r in x[e]]))"

FROM ${BASE} AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_CONFIG_FILE=/run/secrets/pip.conf
COPY --from=requirements /requirements.txt /
COPY tests/constraints.txt /
RUN --mount=type=secret,id=certificates --mount=type=secret,id=pip.conf \
    if [ -s /run/secrets/certificates ]; then export PIP_CERT=/run/secrets/certificates; fi; \
    python3 -m venv --without-pip /opt/weir \
    && python3 -m pip --python /opt/weir/bin/python install --quiet -r /requirements.txt -c /constraints.txt \
    && /opt/weir/bin/python -c "import sysconfig; open(sysconfig.get_path('purelib') + '/weir.pth', 'w').write('/opt/weir/code\n/opt/weir/jobs\n')"

FROM dependencies AS code
COPY --from=requirements /backend.txt /
RUN --mount=type=secret,id=certificates --mount=type=secret,id=pip.conf \
    if [ -s /run/secrets/certificates ]; then export PIP_CERT=/run/secrets/certificates; fi; \
    python3 -m venv --without-pip /opt/backend \
    && python3 -m pip --python /opt/backend/bin/python install --quiet -r /backend.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY runtime runtime
COPY operator operator
RUN python3 -m pip --python /opt/backend/bin/python wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && python3 -m pip --python /opt/weir/bin/python install --quiet --no-deps --no-index --target /opt/code /wheels/*.whl

FROM ${BASE}
RUN echo 'weir:x:65532:65532:Weir:/var/lib/weir:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'weir:x:65532:' >> /etc/group \
    && mkdir -p /var/lib/weir && chown 65532:65532 /var/lib/weir
# A job that is a few modules goes into /opt/weir/jobs, which is on the path.
# PIP_PYTHON: `pip install` in an image FROM this one installs where `python` looks, whichever pip the base brings.
ENV PATH=/opt/weir/code/bin:/opt/weir/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/weir \
    PIP_PYTHON=/opt/weir/bin/python \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/weir
# By number: Kubernetes cannot tell from a name that it is not root's.
USER 65532:65532
EXPOSE 6123 8081
ENTRYPOINT ["python", "-m"]
CMD ["weir", "--help"]
# Last, so that a change of code makes only these few steps anew.
COPY --from=dependencies /opt/weir /opt/weir
COPY --from=code /opt/code /opt/weir/code
ARG VERSION=unknown REVISION=unknown CREATED=unknown
LABEL org.opencontainers.image.title="weir" \
      org.opencontainers.image.description="A stateful stream processor for Python that lives in Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
