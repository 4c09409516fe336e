"""A real HTTP server on the loopback, which behaves as well or as badly as a test asks for."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Home(ThreadingHTTPServer):
    """Sends `files[path]`; `behaviour[path]` is a status, "truncate", "stall" or "no ranges"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.behaviour: dict[str, int | str] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.release = threading.Event()

    def url(self, folder: str = "") -> str:
        return f"http://127.0.0.1:{self.server_port}/{folder}"


class Handler(BaseHTTPRequestHandler):
    server: Home

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        home, asked = self.server, self.headers.get("Range")
        home.requests.append((self.path, asked))
        behaviour = home.behaviour.get(self.path)
        if isinstance(behaviour, int) or self.path not in home.files:
            self.send_error(behaviour if isinstance(behaviour, int) else 404)
            return
        content = home.files[self.path]
        start = int(asked[6:-1]) if asked and behaviour != "no ranges" else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if behaviour in ("truncate", "stall"):
            self.wfile.write(content[start : (start + len(content)) // 2])
            self.wfile.flush()
            if behaviour == "stall":
                home.release.wait(20)
        else:
            self.wfile.write(content[start:])


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Home()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager[None]]:
    """A context in which permissions count, also where the tests are run as root."""

    @contextmanager
    def drop() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        folder = tmp_path
        while folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
            folder = folder.parent
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return drop
