"""Run the ASGI application of a model on uvicorn, until Ctrl-C or SIGTERM."""

import errno
import socket

from ..core.errors import Argument, DataError

KEEP_ALIVE = 30  # seconds that a connection may be idle
GRACE = 30  # seconds for waiting requests after Ctrl-C


def listen(host, port):
    """Return a socket that listens. Its port is free if `port` is 0.

    Raises
    ------
    DataError
        The host is unknown, or the port is in use or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise DataError(
            "{argument} is not a name or an address of this machine.",
            "Pass 127.0.0.1, or 0.0.0.0 for all of its addresses.",
            argument=Argument("host", host),
        ) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise _explain(error, host, port) from None
    return listening


def _explain(error, host, port):
    if error.errno == errno.EADDRINUSE:
        return DataError(
            "{argument} is in use by another program.",
            "Pass another one, or {zero} for a free one.",
            argument=Argument("port", port),
            zero=Argument("port", 0),
        )
    if error.errno == errno.EACCES:
        return DataError(
            "{argument} needs the rights of an administrator.",
            "Pass one from 1024 to 65535.",
            argument=Argument("port", port),
        )
    return DataError(
        "{argument} cannot be used ({reason}).",
        "Pass 127.0.0.1, or an address of this machine.",
        argument=Argument("host", host),
        reason=error.strerror,
    )


def address_of(listening):
    """Return the URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def run(app, listening):
    """Serve an application until Ctrl-C or SIGTERM. Requests that wait are answered.

    Returns
    -------
    bool
        Whether the server has ended in order; False after a second Ctrl-C.
    """
    import uvicorn

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
    server = uvicorn.Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn raises its signals again when it has ended
        pass
    return not server.force_exit
