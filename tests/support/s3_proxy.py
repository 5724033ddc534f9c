"""A proxy before a real S3 server that breaks conditional writes: as gateways do that drop a header, and stores that look before they write.

It may also hold a write that is on its way, for as long as its writer has to be killed.
"""

from __future__ import annotations

import enum
import http.client
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

#: Seconds for which a writer that looked waits for a second one, before it writes.
_COMPANY_WITHIN = 10.0
#: Seconds for which a write is held at most.
_HELD_WITHIN = 60.0
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Fault(enum.Enum):
    """What happens to a PUT with ``If-None-Match``."""

    NONE = enum.auto()
    STRIPS = enum.auto()  #: the header is gone, so the object is replaced
    LOOKS_FIRST = enum.auto()  #: refused if the object is there, else written, and others may do so meanwhile
    REFUSES_YET_WRITES = enum.auto()  #: an object that is there is replaced, and the answer is 412
    NOT_IMPLEMENTED = enum.auto()


class Proxy(http.server.ThreadingHTTPServer):
    """Passes everything on as it came, so that signatures hold."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, endpoint: str, fault: Fault) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = urlsplit(endpoint).netloc
        self.fault = fault
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.conditional = 0
        #: Paths of the objects that were written through this proxy and not deleted.
        self.there: set[str] = set()
        #: Bytes of objects that were read through it, by path.
        self.read: Counter[str] = Counter()
        self._looked: Counter[str] = Counter()
        self._company = threading.Condition()
        self._holding = threading.Condition()
        self._wanted: str | None = None
        #: The path of the write that is held.
        self.held: str | None = None

    def hold(self, part: str) -> None:
        """The next write of an object whose path has this part is held until :meth:`let_go`."""
        with self._holding:
            self._wanted = part

    def let_go(self) -> None:
        """What is held goes on to the server."""
        with self._holding:
            self._wanted = self.held = None
            self._holding.notify_all()

    def pass_gate(self, path: str) -> None:
        """A write comes here once it has arrived whole, and before the server hears of it."""
        with self._holding:
            if self._wanted is not None and self._wanted in path:
                self._wanted, self.held = None, path
                self._holding.wait_for(lambda: self.held is None, _HELD_WITHIN)

    def wait_for_company(self, path: str) -> None:
        """Until a second writer of this object has looked, too."""
        with self._company:
            self._looked[path] += 1
            self._company.notify_all()
            if path.count("/race/"):
                self._company.wait_for(lambda: self._looked[path] > 1, _COMPANY_WITHIN)


@contextmanager
def proxied(endpoint: str, fault: Fault) -> Iterator[Proxy]:
    """A proxy before the server at ``endpoint``."""
    proxy = Proxy(endpoint, fault)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Proxy
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        conditional = self.command == "PUT" and self.headers.get("If-None-Match") is not None
        fault = self.server.fault if conditional else Fault.NONE
        if conditional:
            self.server.conditional += 1
        if fault is not Fault.NONE:
            headers = {name: value for name, value in headers.items() if name.lower() != "if-none-match"}
        path = self.path.partition("?")[0]
        if self.command == "PUT":
            self.server.pass_gate(path)
        match fault:
            case Fault.NOT_IMPLEMENTED:
                self._answer(
                    501, {}, b"<Error><Code>NotImplemented</Code><Message>a header</Message></Error>"
                )
                return
            case Fault.LOOKS_FIRST | Fault.REFUSES_YET_WRITES:
                there = path in self.server.there
                if there and fault is Fault.LOOKS_FIRST:
                    self._answer(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
                    return
                self.server.wait_for_company(path)
                answer = self._pass_on(self.command, self.path, headers, body)
                if there:
                    answer = (412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
                self._answer(*answer)
                return
        self._answer(*self._pass_on(self.command, self.path, headers, body))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _handle

    def _pass_on(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.backend, timeout=60)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            response = connection.getresponse()
            if method in ("PUT", "DELETE") and response.status < 300:
                change = self.server.there.add if method == "PUT" else self.server.there.discard
                change(path.partition("?")[0])
            content = response.read()
            if method == "GET" and response.status < 300:
                self.server.read[path.partition("?")[0]] += len(content)
            return response.status, dict(response.getheaders()), content
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP | {"content-length", "date", "server"}:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        if status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
