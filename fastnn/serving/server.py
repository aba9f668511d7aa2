"""Run the ASGI application of a model on uvicorn, until Ctrl-C or SIGTERM."""

import socket

BACKLOG = 2048  # connections that wait to be accepted
KEEP_ALIVE = 30  # seconds that a connection may be idle
GRACE = 30  # seconds for waiting requests after Ctrl-C


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
