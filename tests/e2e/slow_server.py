"""A server that never gets anywhere: a registry or a data host, whichever asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAUSE = 0.2
"""Seconds from byte to byte."""


@contextmanager
def slow_server() -> Iterator[str]:
    """Serve on loopback; yields ``host:port``. Who waits is let go at the end."""
    over = threading.Event()

    class Dribble(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if self.path == "/v2/":  # by which a registry is known
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_header("Content-Length", "50000")
            self.end_headers()
            while not over.wait(PAUSE):
                self.wfile.write(b".")

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Whoever hung up, hung up."""

    server = Server(("127.0.0.1", 0), Dribble)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
