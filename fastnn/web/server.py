"""Run an application on uvicorn, with limits of its connections: number, headers, stalled clients."""

import asyncio
import json
import logging
import os
import select
import socket
import sys
import time
from typing import Any

import uvicorn

PART = getattr(select, "PIPE_BUF", 0)  # bytes that a pipe takes at once if it takes any
BACKLOG = 2048  # connections that wait to be accepted
KEEP_ALIVE = 30  # seconds that a connection may be idle
GRACE = 30  # seconds for waiting requests after Ctrl-C
STALLED = 30  # seconds that the server waits for a client in the midst of a request or a reply
STALLED_AT_END = 2  # the same after Ctrl-C
CHECK_SECONDS = 0.2
SPARE = 64  # connections above the limit that get an answer; further ones are closed
MAX_HEAD = 64_000  # bytes of a request line and its headers
CLOSING_SECONDS = 1  # for a refused client to read the answer
TOO_MANY = "503 Service Unavailable"
MANY = "The server has {:,} connections, and allows no more. Try again in a second{}."
TOO_LONG = "431 Request Header Fields Too Large"
LONG = f"The headers have more than {MAX_HEAD:,} bytes. Send shorter ones."


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


class Server(uvicorn.Server):
    """Answers requests until Ctrl-C or SIGTERM, or until `should_exit` is set.

    Then requests that wait are answered. Clients that stall are disconnected.

    Parameters
    ----------
    app : ASGI application
    listening : socket.socket
    max_connections : int
        Further ones get status 503.
    option : str, optional
        The option of the command that allows more, for messages.
    """

    def __init__(self, app, listening, max_connections, option=None):
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
        config.http_protocol_class = limited(config.http_protocol_class, max_connections, option)
        super().__init__(config)
        self.listening = listening

    def answer(self):
        """Answer requests. Return whether the server has ended in order, without a second Ctrl-C."""
        try:
            self.run(sockets=[self.listening])
        except KeyboardInterrupt:  # uvicorn raises its signals again when it has ended
            pass
        return not self.force_exit

    async def startup(self, sockets=None):
        self.watch = asyncio.create_task(self.drop_stalled())
        await super().startup(sockets)

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


# ---- connections ----


def limited(base: Any, max_connections, option=None):
    """Return a class of HTTP connections of uvicorn with limits.

    Parameters
    ----------
    base : type
        The class without limits.
    max_connections : int
        Further connections get status 503.
    option : str, optional
        As of `Server`.
    """
    advice = "" if option is None else f", or raise {option}"
    limits = {"max_connections": max_connections, "advice": advice}
    return type("LimitedConnection", (_ConnectionLimits, base), limits)


Connection: Any = asyncio.Protocol  # and what the two classes of uvicorn have besides


class _ConnectionLimits(Connection):
    """The limits of an HTTP connection of uvicorn, whose class is the other base of a subclass.

    Attributes
    ----------
    max_connections : int
        Further connections get status 503.
    advice : str
        The end of their message.
    """

    max_connections: int
    advice: str

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.n_received = self.n_head = 0  # bytes
        # h11 limits headers itself, and does not call on_headers_complete.
        self.is_in_head = hasattr(super(), "on_headers_complete")
        self.is_too_many = self.is_refused = False
        self.progress, self.since = None, time.monotonic()

    def connection_made(self, transport):
        super().connection_made(transport)
        self.is_too_many = len(self.connections) > self.max_connections
        if len(self.connections) > self.max_connections + SPARE:
            transport.abort()

    def data_received(self, data):
        self.n_received += len(data)
        if self.is_refused:
            return
        if self.is_too_many:
            self.refuse(TOO_MANY, MANY.format(self.max_connections, self.advice))
            return
        if self.is_in_head:
            self.n_head += len(data)
        super().data_received(data)
        if not self.is_in_head or self.n_head <= MAX_HEAD or self.transport.is_closing():
            return
        if self.waits_for_request:
            self.refuse(TOO_LONG, LONG)
        else:
            self.flow.pause_reading()  # until uvicorn has answered the request before

    def on_headers_complete(self):
        self.is_in_head, self.n_head = False, 0
        super().on_headers_complete()

    def on_message_complete(self):
        self.is_in_head = True
        super().on_message_complete()

    def refuse(self, status, detail):
        """Answer, and close the connection when the client has read it."""
        content = json.dumps({"detail": detail})
        retry = "Retry-After: 1\r\n" if status == TOO_MANY else ""
        self.is_refused = True
        self.transport.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{retry}"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n{content}".encode()
        )
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self.transport.abort)

    @property
    def waits_for_request(self):
        """Whether no request is being received or answered."""
        return self.cycle is None or self.cycle.response_complete

    def drop_if_stalled(self, seconds, is_ending):
        """Close the connection if the server has waited for the client for too long.

        seconds : without progress
        is_ending : whether the server ends; then it waits no longer for a client that still sends
        """
        is_receiving = self.waits_for_request or self.cycle.more_body
        n_unsent = self.transport.get_write_buffer_size()
        progress = (is_ending or self.n_received) if is_receiving else None, n_unsent
        now = time.monotonic()
        if not (is_receiving or n_unsent) or progress != self.progress:
            self.progress, self.since = progress, now
        elif now - self.since >= seconds:
            self.transport.abort()


# ---- standard error ----


def print_errors():
    """Let what uvicorn logs, and warnings, be printed in a way that never waits for a reader."""
    logging.basicConfig(handlers=[_ErrorOutput()], level=logging.ERROR)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING)


class _ErrorOutput(logging.Handler):
    """Prints the records of loggers on standard error, and drops what nobody reads."""

    def emit(self, record):
        error = record.exc_info and record.exc_info[1]
        if not isinstance(error, asyncio.CancelledError):  # of requests that did not end in time
            print_at_once(self.format(record))


def print_at_once(text):
    """Print a line on standard error, or the part of it for which a pipe has room.

    Parameters
    ----------
    text : str
        May have several lines.
    """
    try:
        file = sys.stderr.fileno()
    except (OSError, ValueError):  # not a file
        file = None
    if file is None or not PART:
        print(text, file=sys.stderr, flush=True)
        return
    data = f"{text}\n".encode(errors="backslashreplace")
    try:
        for start in range(0, len(data), PART):
            if not select.select([], [file], [], 0)[1]:
                return
            os.write(file, data[start : start + PART])
    except OSError:  # the reader has gone
        pass
