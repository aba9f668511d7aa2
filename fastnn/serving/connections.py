"""Connections of uvicorn with limits: their number, their headers, and how long a client may stall."""

import asyncio
import json
import time
from typing import Any

SPARE = 64  # connections above the limit that get an answer; further ones are closed
MAX_HEAD = 64_000  # bytes of a request line and its headers
CLOSING_SECONDS = 1  # for a refused client to read the answer
TOO_MANY = "503 Service Unavailable"
MANY = (
    "The server has {:,} connections, and allows no more. Try again in a second, or raise "
    "--max-connections of 'fastnn serve'."
)
TOO_LONG = "431 Request Header Fields Too Large"
LONG = f"The headers have more than {MAX_HEAD:,} bytes. Send shorter ones."


def limited(base: Any, max_connections):
    """Return a class of HTTP connections of uvicorn with limits.

    Parameters
    ----------
    base : type
        The class without limits.
    max_connections : int
        Further connections get status 503.
    """

    class LimitedConnection(base):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.n_received = self.n_head = 0  # bytes
            # h11 limits headers itself, and does not call on_headers_complete.
            self.is_in_head = hasattr(base, "on_headers_complete")
            self.is_too_many = self.is_refused = False
            self.progress, self.since = None, time.monotonic()

        def connection_made(self, transport):
            super().connection_made(transport)
            self.is_too_many = len(self.connections) > max_connections
            if len(self.connections) > max_connections + SPARE:
                transport.abort()

        def data_received(self, data):
            self.n_received += len(data)
            if self.is_refused:
                return
            if self.is_too_many:
                self.refuse(TOO_MANY, MANY.format(max_connections))
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

    return LimitedConnection
