"""Commands over https: a certificate of one's own by ``--ca``, and what is told when the two sides do not understand each other."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


class JobManager(http.server.BaseHTTPRequestHandler):
    """Answers as one without jobs."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"jobs": []}')

    def log_message(self, *_: object) -> None:
        pass


def certificate(folder: Path, name: str, host: str) -> tuple[Path, Path]:
    """A self-signed certificate for ``host`` and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        f"-keyout {key} -out {cert} -subj /CN={name} -addext subjectAltName={host}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    return cert, key


class Served:
    def __init__(self, folder: Path, host: str) -> None:
        self.ca, key = certificate(folder, "own", host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), JobManager)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")
    yield made
    made.close()


def jobs(address: str, *more: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "weir", "jobs", "-o", "json", "--address", address, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_certificate_of_ones_own_is_trusted_by_ca(served: Served) -> None:
    code, out, err = jobs(served.address, "--ca", str(served.ca))
    assert (code, out.split(), err) == (0, ["{", '"jobs":', "[]", "}"], "")


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_way_out(served: Served) -> None:
    code, out, err = jobs(served.address)
    assert (code, out) == (1, "")
    assert f"the certificate of {served.address} is not trusted" in err
    assert "--ca FILE" in err


def test_another_certificate_vouches_for_nothing(served: Served, tmp_path: Path) -> None:
    foreign, _ = certificate(tmp_path, "foreign", "IP:127.0.0.1")
    code, _, err = jobs(served.address, "--ca", str(foreign))
    assert code == 1
    assert "is not trusted" in err


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    made = Served(tmp_path, "DNS:jobs.example")
    try:
        code, _, err = jobs(made.address, "--ca", str(made.ca))
    finally:
        made.close()
    assert code == 1
    assert "is not trusted" in err
    assert "127.0.0.1" in err


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_file_without_certificates_is_named(served: Served, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    code, out, err = jobs(served.address, "--ca", str(file))
    assert (code, out) == (1, "")
    assert f"--ca {file}" in err


def test_plain_http_to_a_port_of_https_says_so(served: Served) -> None:
    address = served.address.removeprefix("https://")
    code, _, err = jobs(address)
    assert code == 1
    assert f"no JobManager answers at {address}" in err
    assert f"https://{address}" in err


def test_https_to_a_port_of_plain_http_says_so() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), JobManager) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        code, _, err = jobs(f"https://{address}")
        server.shutdown()
        thread.join()
    assert code == 1
    assert f"https://{address} speaks no TLS; use http://{address}" in err
