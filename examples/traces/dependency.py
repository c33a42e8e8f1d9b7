"""The way of the functions to ClickHouse, which can be made slow or closed: a dependency with a fault."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

from traces.collector import host_and_port

CHUNK = 65_536


class Dependency:
    """Forwards connections to the server, from `with` to the end of its block."""

    def __init__(self, url: str, port: int):
        self.target, self.port = host_and_port(url), port
        # Seconds by which each question waits.
        self.delay = 0.0
        self._is_closed = False
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Dependency:
        dependency = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                dependency._forward(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", self.port), Connection)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.close()

    def close(self) -> None:
        """From now on nobody gets through. Open connections end."""
        self._is_closed = True
        for connection in list(self._open):
            _end(connection)

    def open(self) -> None:
        self._is_closed = False

    def _forward(self, client: socket.socket) -> None:
        if self._is_closed:
            return
        with socket.create_connection(self.target) as server:
            self._open |= {client, server}
            back = threading.Thread(target=_copy, args=(server, client, lambda: 0.0), daemon=True)
            back.start()
            _copy(client, server, lambda: self.delay)
            back.join()
            self._open -= {client, server}


def _copy(source: socket.socket, target: socket.socket, delay) -> None:
    try:
        while chunk := source.recv(CHUNK):
            time.sleep(delay())
            target.sendall(chunk)
    except OSError:
        pass  # One of the two ends is gone, and so is the connection.
    _end(source)
    _end(target)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # It has ended before.
