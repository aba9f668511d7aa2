"""Limits of the connections of `fastnn serve`, in this process: the headers of each request."""

import asyncio
import logging
import socket
import warnings

import pytest
from processes import LIMIT

from fastnn.web.server import MAX_HEAD, Server, limited, listen, print_errors

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
ServerState = pytest.importorskip("uvicorn.server").ServerState


def head(path, size=0):
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % (path, size)


END = b"\r\n"
IN_TWO_PIECES = head(b"/right"), END
LONG = head(b"/right") + b"X: " + b"x" * 40_000, b"x" * 25_900
WRONG = head(b"/wrong", 200_000) + END
MANY = [head(b"/right") + b"X: " + b"x" * 10_000 + END + END] * 10
BODY, SLOW = b"x" * 100_000, head(b"/slow") + END
CASES = {
    "many requests, and then one in two pieces": ([*MANY, *IN_TWO_PIECES], [200] * 11),
    "large bodies": ([head(b"/right", 100_000) + END + BODY, *IN_TWO_PIECES] * 2, [200] * 4),
    "a large body to a wrong path": ([WRONG, BODY, BODY, *IN_TWO_PIECES], [404, 200]),
    "long headers": (LONG, ["refused"]),
    "long headers of the second request": ([head(b"/right") + END, *LONG], [200, "refused"]),
    "long headers after a body that was not read": ([WRONG, BODY * 2, *LONG], [404, "refused"]),
    "empty lines": ([b"\r\n" * 20_000] * 2, ["refused"]),
    "long headers while a request is answered": ([SLOW, b"".join(LONG), b"x"], [200, "refused"]),
}


@pytest.mark.parametrize(("http", "refused"), [("httptools", 431), ("h11", 400)])
@pytest.mark.parametrize("name", CASES)
def test_headers_of_each_request_are_limited(http, refused, name):
    pytest.importorskip(http, reason="it is not installed")
    assert sum(map(len, LONG)) > MAX_HEAD
    pieces, statuses = CASES[name]
    found = asyncio.run(exchange(http, pieces))
    assert found == [refused if each == "refused" else each for each in statuses]


async def exchange(http, pieces):
    """Send pieces to a server, each when it has answered those before. Return the statuses.

    It has not answered /slow yet when it gets the next piece.
    """

    async def application(scope, receive, send):
        """Answer /wrong before the body has come, and /slow when the connection is not read."""
        path = scope["path"]
        while path != "/wrong" and (await receive())["more_body"]:
            pass
        if path == "/slow":
            await wait_for(lambda: connection.flow.read_paused)
        length = [(b"content-length", b"0")]
        status = 404 if path == "/wrong" else 200
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body"})

    state = ServerState()
    config = uvicorn.Config(application, http=http, log_config=None, ws="none", lifespan="off")
    config.load()
    protocol = limited(config.http_protocol_class, 10)
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await wait_for(lambda: state.connections)
    (connection,) = state.connections
    n = 0

    def has_come():
        return connection.n_received == n or connection.transport.is_closing()

    for piece in pieces:
        if connection.transport.is_closing():
            break
        writer.write(piece)
        n += len(piece)
        await wait_for(has_come)
        if b"/slow" not in piece:
            await wait_for(lambda: connection.waits_for_request)
    writer.write_eof()
    replies = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    server.close()
    await wait_for(lambda: not state.connections)
    return [int(reply[:3]) for reply in replies.split(b"HTTP/1.1 ")[1:]]


async def wait_for(condition):
    async with asyncio.timeout(LIMIT):
        while not condition():
            await asyncio.sleep(0)


async def say_nothing(scope, receive, send):
    """An application that answers nothing."""


def test_a_server_that_is_stopped_before_it_has_started_ends_in_order():
    with listen("127.0.0.1", 0) as listening:
        # a server that starts again has its port, while the system remembers old connections
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        server = Server(say_nothing, listening, 4)
        server.should_exit = True
        assert server.answer()


def test_what_is_printed_of_errors(capsys):
    root, level = logging.getLogger(), logging.getLogger().level
    handlers, root.handlers[:] = root.handlers[:], []
    logging.captureWarnings(False)  # an earlier test may have served
    try:
        print_errors()
        log = logging.getLogger("made up")
        log.error("one")
        log.error("two", exc_info=ValueError("three"))
        # of a request that did not end in time
        log.error("four", exc_info=asyncio.CancelledError())
        log.warning("five")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("six", stacklevel=1)
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)
    out, errors = capsys.readouterr()
    start = "ERROR:made up:one\nERROR:made up:two\nValueError: three\nWARNING:py.warnings:"
    assert out == "" and errors.startswith(start) and "UserWarning: six" in errors
    assert "four" not in errors and "five" not in errors
