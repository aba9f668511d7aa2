"""Run the ASGI application of a model on uvicorn, until Ctrl-C or SIGTERM."""

import asyncio
import logging
import socket
from typing import Any

from .connections import limited
from .error_output import ErrorOutput

BACKLOG = 2048  # connections that wait to be accepted
KEEP_ALIVE = 30  # seconds that a connection may be idle
GRACE = 30  # seconds for waiting requests after Ctrl-C
STALLED = 30  # seconds that the server waits for a client in the midst of a request or a reply
STALLED_AT_END = 2  # the same after Ctrl-C
CHECK_SECONDS = 0.2


def listen(host, port):
    """Return a socket that listens. Its port is free if `port` is 0.

    Raises
    ------
    socket.gaierror
        The host is unknown.
    OSError
        The port is in use or not allowed, or the address is not of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def address_of(listening):
    """Return the URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def run(app, listening, max_connections):
    """Serve an application until Ctrl-C or SIGTERM. Requests that wait are answered.

    Clients that stall are disconnected. What the server prints never waits for a reader.

    Parameters
    ----------
    app : ASGI application
    listening : socket.socket
    max_connections : int
        Further ones get status 503.

    Returns
    -------
    bool
        Whether the server has ended in order; False after a second Ctrl-C.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def main_loop(self):
            self.watch = asyncio.create_task(self.drop_stalled())
            await super().main_loop()

        async def shutdown(self, sockets=None):
            await super().shutdown(sockets)
            self.watch.cancel()

        async def drop_stalled(self):
            while True:
                connections: Any = list(self.server_state.connections)
                is_ending = self.should_exit
                for each in connections:
                    each.drop_if_stalled(STALLED_AT_END if is_ending else STALLED, is_ending)
                await asyncio.sleep(CHECK_SECONDS)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    config.load()
    config.http_protocol_class = limited(config.http_protocol_class, max_connections)
    logging.basicConfig(handlers=[ErrorOutput()], level=logging.ERROR)
    logging.captureWarnings(True)
    server = Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn raises its signals again when it has ended
        pass
    return not server.force_exit
