"""A real HTTP server that keeps what it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """A server that keeps what it is told and answers with `status`."""

    port: int = 0
    status: int = 204
    path: str = "/hook?token=query-secret"
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: Callable[[], None] = lambda: None

    @property
    def address(self) -> str:
        """Where it listens, with a user and a password."""
        return f"http://ops:path-secret@127.0.0.1:{self.port}{self.path}"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """The server, for as long as the block lasts."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.headers.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            found.answers()
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", found.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
