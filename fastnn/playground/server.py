"""The local server of the playground: the files of the page, commands, and server-sent events.

It listens on loopback alone, and answers the browser that has the token of the address that `fastnn
play` prints: see `web.access.PageAccess`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import threading
import time
from collections import Counter
from typing import Any

from starlette.responses import HTMLResponse, Response, StreamingResponse

from ..core.messages import nan_to_null
from ..web.access import PageAccess, page_headers
from ..web.application import JSON, Route, file_routes, in_thread, make_app
from ..web.bodies import Bodies
from ..web.errors import RequestError
from ..web.server import Server, listen
from ..web.templates import render
from . import as_code
from .data_sets import DATA_SETS, PlayError, refusing
from .lessons import HELP, LESSONS
from .live import Live
from .many_networks import VARIATIONS, ManyTab
from .settings import ACTIVATIONS, LOSSES, MAX_LAYERS, MAX_UNITS, OPTIMIZERS, SCHEDULES, parse_json
from .tab import FRAME_SECONDS, Tab

HOST = "127.0.0.1"
MAX_BODY = 1_000_000  # bytes of a request
MAX_CONNECTIONS = 100  # so few that no check of the limit of open files is needed
MAX_TABS = 16  # trainings; those without a page are dropped first
HEADERS = page_headers("play") | {"Cache-Control": "no-store"}  # replies hold rows of the table


class PlayServer:
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
    server : Server
    """

    def __init__(self, port: int, state: Any, table: Any = None, explorer: Any = None) -> None:
        listening = listen(HOST, port)
        self.state, self.table, self.explorer = state, table, explorer
        self.port = listening.getsockname()[1]
        self.access = PageAccess("fastnn play", self.port, secrets.token_urlsafe(24))
        self.tabs: dict[str, Live] = {}
        #: By name of a tab: the pages that show it.
        self.watched: Counter[str] = Counter()
        self.lock = threading.Lock()
        app = make_app(self._routes(), self.access, Bodies(MAX_BODY), HEADERS, PlayError)
        self.server = Server(app, listening, MAX_CONNECTIONS)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/?token={self.access.token}"

    def _routes(self):
        page = "play.html" if self.explorer is None else "explore.html"
        routes = [
            Route("GET", "/", HTMLResponse(render(__package__, page))),
            *file_routes("fastnn.web"),
            *file_routes(__package__),
        ]
        if self.explorer is not None:
            return [
                *routes,
                Route("GET", "/api/model", lambda request: self.explorer.describe()),
                Route("POST", "/api/answer", self._explore(self.explorer.answer)),
                Route("POST", "/api/explain", self._explore(self.explorer.explain)),
            ]
        return [
            *routes,
            Route("GET", "/api/start", self._choices()),
            Route("POST", "/api/tabs", self.open_tab),
            Route("POST", "/api/command", self.command),
            Route("GET", "/api/events", self.events),
            Route("GET", "/api/code", self.code),
            Route("GET", "/api/state", lambda request: self._network(request).state()),
            Route("GET", "/api/network.safetensors", self.model_file),
        ]

    # ---- a trained model ----

    def _explore(self, work):
        def answer(request, body):
            message = _parse(request, body)
            if not isinstance(row := message.get("row"), dict):
                raise RequestError(422, 'The request must have the "row", an object.')
            return work(row, message.get("output", 0))

        return answer

    # ---- trainings ----

    def _choices(self):
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

    def open_tab(self, request, body):
        """Return the name and the description of a new tab, of one network or of a variation."""
        message, name = _parse(request, body), secrets.token_urlsafe(9)
        state, variation = message.get("state") or self.state, message.get("variation")
        if variation is None:
            tab: Live = Tab(state, self.table)
        else:
            tab = ManyTab(as_code.rows_of(state, self.table), variation)
        with self.lock:
            unwatched = [each for each in self.tabs if each not in self.watched]
            for each in unwatched[: max(0, len(self.tabs) + 1 - MAX_TABS)]:
                del self.tabs[each]
            if len(self.tabs) >= MAX_TABS:
                raise RequestError(422, f"{MAX_TABS} pages are open already. Close one.")
            self.tabs[name] = tab
        return {"tab": name} | tab.description()

    def command(self, request, body):
        message = _parse(request, body)
        return self._tab(request).command(message)

    def code(self, request):
        return {"code": self._network(request).code(request.query_params.get("kind", "python"))}

    def model_file(self, request):
        return Response(
            self._network(request).model_file(),
            media_type="application/octet-stream",
            headers={"Content-Disposition": 'attachment; filename="network.safetensors"'},
        )

    def events(self, request):
        """Return the stream of the frames of a tab."""
        return Frames(self._tab(request), request.query_params["tab"], self)

    def _tab(self, request):
        tab = self.tabs.get(request.query_params.get("tab", ""))
        if tab is None:
            raise RequestError(410, "This training is gone. Load the page again.")
        return tab

    def _network(self, request):
        """Return the tab, which must show one network."""
        if not isinstance(tab := self._tab(request), Tab):
            raise RequestError(404, "This page shows many networks. Choose one of them.")
        return tab


def _parse(request, body):
    """Return the JSON object of a request."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise RequestError(415, f"Send JSON, with the header Content-Type: {JSON}.")
    with refusing():
        message = parse_json(body)
    if not isinstance(message, dict):
        raise PlayError("the request must be a JSON object")
    return message


class Frames(StreamingResponse):
    """A frame of a tab whenever something changes, at most 60 a second, until the page closes.

    Parameters
    ----------
    tab : Live
    name : str
        Of the tab.
    play : PlayServer
    """

    def __init__(self, tab, name, play):
        super().__init__(self._frames(), media_type="text/event-stream")
        self.tab, self.name, self.play = tab, name, play
        self.seen, self.sent = -1, (-1, 0)

    async def __call__(self, scope, receive, send):
        watched = self.play.watched
        watched[self.name] += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            watched[self.name] -= 1
            if not watched[self.name]:
                del watched[self.name]
                self.tab.playing = False

    async def _frames(self):
        while not self.play.server.should_exit:
            began = time.perf_counter()
            yield await in_thread(self._next)
            await asyncio.sleep(FRAME_SECONDS - (time.perf_counter() - began))

    def _next(self):
        """Wait for a change, and return it as an event; an empty one if there is none for a while."""
        self.tab.wait(self.seen, 0.25)
        frame = self.tab.frame()
        if frame["version"] == self.seen:
            return b": nothing new\n\n"
        self.seen = frame["version"]
        if "losses" in frame:
            self.sent = self._new_losses(frame, self.sent)
        text = json.dumps(nan_to_null(frame), allow_nan=False, separators=(",", ":"))
        return f"data: {text}\n\n".encode()

    def _new_losses(self, frame, sent):
        """Leave only those losses in the frame that the page has not got; return what it has then."""
        (branch, train, test), n = frame.pop("losses"), frame["epoch"]
        start = sent[1] if sent[0] == branch else 0
        frame["losses"] = {"from": start, "train": train[start:n], "test": test[start:n]}
        return branch, n
