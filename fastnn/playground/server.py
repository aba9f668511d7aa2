"""The local server of the playground: files of the page, commands, and server-sent events.

It listens on loopback alone. Every request needs the token of the address that `fastnn play` prints,
which the first one exchanges for a cookie. Host and Origin must be its own, so that no other page of
the browser can reach it, nor another name for this address. It serves the files of `FILES` and no
other.
"""

from __future__ import annotations

import hmac
import http.cookies
import json
import os
import secrets
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from ..cli.console import to_json
from . import as_code
from .data_sets import DATA_SETS
from .lessons import HELP, LESSONS
from .live import Live
from .many_networks import VARIATIONS, ManyTab
from .settings import ACTIVATIONS, LOSSES, MAX_LAYERS, MAX_UNITS, OPTIMIZERS, SCHEDULES, parse_json
from .tab import FRAME_SECONDS, Tab

HOST = "127.0.0.1"
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
#: The files of static/ that are served, besides the page itself, which is at /.
FILES = (
    *("page.js", "play.js", "details.js", "pen.js", "many.js", "explore.js", "drawing.js"),
    *("style.css", "icon.svg"),
)
PAGE, MODEL_PAGE = "play.html", "explore.html"
MAX_BODY = 1_000_000  # bytes of a request
MAX_TABS = 16  # trainings; those without a page are dropped first
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PlayServer(ThreadingHTTPServer):
    """The server.

    Parameters
    ----------
    port : int
        0: any that is free.
    state : dict
        What a new page shows.
    table : tuple, optional
        As in `as_code.Rows`.
    explorer : Explorer, optional
        Show a trained model instead.

    Attributes
    ----------
    address : str
        That of the page, with the token.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, state: Any, table: Any = None, explorer: Any = None) -> None:
        super().__init__((HOST, port), Handler)
        self.state, self.table, self.explorer = state, table, explorer
        self.token = secrets.token_urlsafe(24)
        self.port = self.server_address[1]
        self.cookie = f"fastnn-play-{self.port}"
        self.hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        self.tabs: dict[str, Live] = {}
        self.watched: set[str] = set()
        self.is_ending = False
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a browser has closed its connection."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def shutdown(self) -> None:
        """End the event streams and the server."""
        self.is_ending = True
        super().shutdown()

    def open_tab(self, state: Any, variation: Any = None) -> tuple[str, Live]:
        """Return a new tab and its name.

        variation : of many networks, a name of `many_networks.VARIATIONS`; None for one network
        """
        name = secrets.token_urlsafe(9)
        if variation is None:
            tab: Live = Tab(state, self.table)
        else:
            tab = ManyTab(as_code.rows_of(state, self.table), variation)
        with self.lock:
            unwatched = [each for each in self.tabs if each not in self.watched]
            for each in unwatched[: max(0, len(self.tabs) + 1 - MAX_TABS)]:
                del self.tabs[each]
            if len(self.tabs) >= MAX_TABS:
                raise ValueError(f"{MAX_TABS} pages are open already. Close one.")
            self.tabs[name] = tab
        return name, tab

    def start_page(self) -> dict[str, Any]:
        """Return the choices of the page."""
        return {
            "data_sets": DATA_SETS,
            "activations": ACTIVATIONS,
            "losses": LOSSES,
            "optimizers": OPTIMIZERS,
            "schedules": list(SCHEDULES),
            "lessons": LESSONS,
            "help": HELP,
            "variations": VARIATIONS,
            "max_layers": MAX_LAYERS,
            "max_units": MAX_UNITS,
            "table": self.table
            and {"name": os.path.basename(self.table[0]), "target": self.table[1]},
            "state": self.state,
        }


class RequestError(Exception):
    """A request that gets an error. status, message: of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Handler(BaseHTTPRequestHandler):
    """Answers one request after another of a connection."""

    server: PlayServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # else the body of an answer waits 40 ms for the browser's receipt
    )
    server_version, sys_version = "fastnn", ""

    def log_message(self, format, *args):
        """Print nothing: a page makes many requests."""

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def _answer(self, work):
        try:
            self.url = urllib.parse.urlsplit(self.path)
            self.query = dict(urllib.parse.parse_qsl(self.url.query))
            if self._is_allowed():
                work()
        except RequestError as error:
            self._send_json({"error": error.message}, error.status)
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            text = f"missing {error}" if isinstance(error, KeyError) else str(error)
            self._send_json({"error": text}, 422)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # ---- who may ask ----

    def _is_allowed(self):
        """Check Host, Origin and token. Return False if the answer has been sent."""
        server = self.server
        host = self.headers.get("Host", "")
        if host not in server.hosts:
            raise RequestError(403, "This server answers to its own address only.")
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            raise RequestError(403, "Requests of other pages are refused.")
        if self.url.path == "/" and "token" in self.query:
            if not self._is_token(self.query["token"]):
                raise RequestError(
                    403, "The token is wrong. Open the address that fastnn play printed."
                )
            self.send_response(303)
            self.send_header("Location", "/")
            self.send_header(
                "Set-Cookie", f"{server.cookie}={server.token}; Path=/; HttpOnly; SameSite=Strict"
            )
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        cookie = cookies.get(server.cookie)
        if cookie is None or not self._is_token(cookie.value):
            raise RequestError(
                403, "The token is missing. Open the address that fastnn play printed."
            )
        return True

    def _is_token(self, text):
        return hmac.compare_digest(text.encode(), self.server.token.encode())

    # ---- requests ----

    def _get(self):
        path = self.url.path
        if path == "/":
            self._send_file(PAGE if self.server.explorer is None else MODEL_PAGE)
        elif path[1:] in FILES:
            self._send_file(path[1:])
        elif path == "/api/model" and self.server.explorer is not None:
            self._send_json(self.server.explorer.describe())
        elif path == "/api/start":
            self._send_json(self.server.start_page())
        elif path == "/api/events":
            self._send_events(self.query.get("tab", ""))
        elif path == "/api/code":
            self._send_json({"code": self._network().code(self.query.get("kind", "python"))})
        elif path == "/api/state":
            self._send_json(self._network().state())
        elif path == "/api/network.safetensors":
            self._send(
                self._network().model_file(),
                "application/octet-stream",
                ("Content-Disposition", 'attachment; filename="network.safetensors"'),
            )
        else:
            raise RequestError(404, f"There is no {path}.")

    def _post(self):
        body = self._body()
        if self.url.path == "/api/tabs":
            state = body.get("state") or self.server.state
            name, tab = self.server.open_tab(state, body.get("variation"))
            self._send_json({"tab": name} | tab.description())
        elif self.url.path in ("/api/answer", "/api/explain") and self.server.explorer is not None:
            explorer = self.server.explorer
            work = explorer.answer if self.url.path == "/api/answer" else explorer.explain
            self._send_json(work(body["row"], int(body.get("output", 0))))
        elif self.url.path == "/api/command":
            self._send_json(self._tab().command(body))
        else:
            raise RequestError(404, f"There is no {self.url.path}.")

    def _body(self):
        """Return the JSON object of the request."""
        length = int(self.headers.get("Content-Length", 0))
        if length < 0:
            self.close_connection = True
            raise RequestError(400, "Content-Length must not be negative.")
        if length > MAX_BODY:
            self.close_connection = True
            self.rfile.read(min(length, 10 * MAX_BODY))  # else a sender does not see the answer
            raise RequestError(413, f"A request has at most {MAX_BODY:,} bytes.")
        text = self.rfile.read(length)
        if self.headers.get_content_type() != "application/json":
            raise RequestError(415, "Send JSON, with the header Content-Type: application/json.")
        body = parse_json(text)
        if not isinstance(body, dict):
            raise ValueError("the request must be a JSON object")
        return body

    def _tab(self):
        tab = self.server.tabs.get(self.query.get("tab", ""))
        if tab is None:
            raise RequestError(410, "This training is gone. Load the page again.")
        return tab

    def _network(self):
        """Return the tab, which must show one network."""
        if not isinstance(tab := self._tab(), Tab):
            raise RequestError(404, "This page shows many networks. Choose one of them.")
        return tab

    # ---- answers ----

    def _send_events(self, name):
        """Send a frame whenever something changes, at most 60 a second, until the page closes."""
        tab, server = self._tab(), self.server
        self.send_response(200)
        self._send_headers("text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        server.watched.add(name)
        seen, sent = -1, (-1, 0)
        try:
            while not server.is_ending:
                began = time.perf_counter()
                frame = tab.frame()
                if frame["version"] != seen:
                    seen = frame["version"]
                    if "losses" in frame:
                        sent = self._new_losses(frame, sent)
                    self._event(frame)
                else:
                    self.wfile.write(b": nothing new\n\n")  # finds out whether the page is open
                tab.wait(seen, 0.25)
                time.sleep(max(0.0, FRAME_SECONDS - (time.perf_counter() - began)))
        finally:
            server.watched.discard(name)
            tab.playing = False

    def _new_losses(self, frame, sent):
        """Leave only those losses in the frame that the page has not got; return what it has then."""
        (branch, train, test), n = frame.pop("losses"), frame["epoch"]
        start = sent[1] if sent[0] == branch else 0
        frame["losses"] = {"from": start, "train": train[start:n], "test": test[start:n]}
        return branch, n

    def _event(self, frame):
        text = json.dumps(to_json(frame), allow_nan=False, separators=(",", ":"))
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()

    def _send_file(self, name):
        body = resources.files(__package__).joinpath("static", name).read_bytes()
        self._send(body, f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8")

    def _send_json(self, value, status=200):
        self._send(json.dumps(to_json(value)).encode(), "application/json", status=status)

    def _send(self, body, kind, *headers, status=200):
        self.send_response(status)
        self._send_headers(kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_headers(self, kind):
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
