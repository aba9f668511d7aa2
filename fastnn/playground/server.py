"""The local server of the playground: the files of the page, commands, and server-sent events.

It listens on loopback alone, and answers the browser that has the token of the address that `fastnn
play` prints: see `web.requests.PageAccess`.
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
from ..web.application import JSON, Route, file_routes, in_thread, make_app
from ..web.requests import Bodies, PageAccess, RequestError
from ..web.server import Server, listen
from ..web.templates import page_headers, render
from . import settings
from .data_sets import DATA_SETS, PlayError, refusing
from .playback import source_of_state
from .trainings import VARIATIONS, GridTraining, NetworkTraining, PageTraining

HOST = "127.0.0.1"
MAX_BODY = 1_000_000  # bytes of a request
MAX_CONNECTIONS = 100  # so few that no check of the limit of open files is needed
FRAME_SECONDS = 1 / 60
MAX_TRAININGS = 16  # those without a page are dropped first
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
        As in `playback.DataSource`.
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
        self.trainings: dict[str, PageTraining] = {}
        #: By name of a training: the pages that show it.
        self.watched: Counter[str] = Counter()
        self.lock = threading.Lock()
        app = make_app(self._routes(), self.access, Bodies(MAX_BODY), HEADERS, PlayError)
        self.server = Server(app, listening, MAX_CONNECTIONS)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/?token={self.access.token}"

    def _routes(self):
        """The table of routes: method, path, and what answers."""
        page = "play.html" if self.explorer is None else "explore.html"
        files = [
            Route("GET", "/", HTMLResponse(render(__package__, page))),
            *file_routes("fastnn.web"),
            *file_routes(__package__),
        ]
        if self.explorer is not None:
            return [
                *files,
                Route("GET", "/api/model", self.describe_model),
                Route("POST", "/api/answer", self.answer),
                Route("POST", "/api/explain", self.explain),
            ]
        return [
            *files,
            Route("GET", "/api/start", self.choices),
            Route("POST", "/api/tabs", self.open_training),
            Route("POST", "/api/command", self.command),
            Route("GET", "/api/events", self.events),
            Route("GET", "/api/code", self.code),
            Route("GET", "/api/state", self.state_of_page),
            Route("GET", "/api/network.safetensors", self.model_file),
        ]

    # ---- a trained model ----

    def describe_model(self, request):
        return self.explorer.describe()

    def answer(self, request, body):
        return self.explorer.answer(*_row_and_output(request, body))

    def explain(self, request, body):
        return self.explorer.explain(*_row_and_output(request, body))

    # ---- trainings ----

    def choices(self, request):
        """Return the choices of the page."""
        table = self.table
        return {
            "data_sets": DATA_SETS,
            "activations": settings.ACTIVATIONS,
            "losses": settings.LOSSES,
            "optimizers": settings.OPTIMIZERS,
            "schedules": list(settings.SCHEDULES),
            "lessons": settings.LESSONS,
            "help": settings.HELP,
            "variations": VARIATIONS,
            "max_layers": settings.MAX_LAYERS,
            "max_units": settings.MAX_UNITS,
            "table": table and {"name": os.path.basename(table[0]), "target": table[1]},
            "state": self.state,
        }

    def open_training(self, request, body):
        """Return the name and the description of a new training, of one network or of a variation."""
        message, name = _parse(request, body), secrets.token_urlsafe(9)
        state, variation = message.get("state") or self.state, message.get("variation")
        if variation is None:
            training: PageTraining = NetworkTraining(state, self.table)
        else:
            training = GridTraining(source_of_state(state, self.table), variation)
        with self.lock:
            unwatched = [each for each in self.trainings if each not in self.watched]
            for each in unwatched[: max(0, len(self.trainings) + 1 - MAX_TRAININGS)]:
                del self.trainings[each]
            if len(self.trainings) >= MAX_TRAININGS:
                raise RequestError(422, f"{MAX_TRAININGS} pages are open already. Close one.")
            self.trainings[name] = training
        return {"tab": name} | training.description()

    def command(self, request, body):
        message = _parse(request, body)
        return self._training(request).command(message)

    def code(self, request):
        return {"code": self._network(request).code(request.query_params.get("kind", "python"))}

    def state_of_page(self, request):
        return self._network(request).state()

    def model_file(self, request):
        return Response(
            self._network(request).model_file(),
            media_type="application/octet-stream",
            headers={"Content-Disposition": 'attachment; filename="network.safetensors"'},
        )

    def events(self, request):
        """Return the stream of the frames of a training."""
        return Frames(self._training(request), request.query_params["tab"], self)

    def _training(self, request):
        training = self.trainings.get(request.query_params.get("tab", ""))
        if training is None:
            raise RequestError(410, "This training is gone. Load the page again.")
        return training

    def _network(self, request):
        """Return the training, which must be of one network."""
        if not isinstance(training := self._training(request), NetworkTraining):
            raise RequestError(404, "This page shows many networks. Choose one of them.")
        return training


def _parse(request, body):
    """Return the JSON object of a request."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise RequestError(415, f"Send JSON, with the header Content-Type: {JSON}.")
    with refusing():
        message = settings.parse_play_json(body)
    if not isinstance(message, dict):
        raise PlayError("the request must be a JSON object")
    return message


def _row_and_output(request, body):
    """Return the row of a request about a trained model, and the position of an output."""
    message = _parse(request, body)
    if not isinstance(row := message.get("row"), dict):
        raise RequestError(422, 'The request must have the "row", an object.')
    return row, message.get("output", 0)


class Frames(StreamingResponse):
    """A frame of a training whenever something changes, at most 60 a second, until the page closes.

    Parameters
    ----------
    training : PageTraining
    name : str
        Of the training.
    play : PlayServer
    """

    def __init__(self, training, name, play):
        super().__init__(self._frames(), media_type="text/event-stream")
        self.training, self.name, self.play = training, name, play
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
                self.training.playing = False

    async def _frames(self):
        while not self.play.server.should_exit:
            began = time.perf_counter()
            yield await in_thread(self._next)
            await asyncio.sleep(FRAME_SECONDS - (time.perf_counter() - began))

    def _next(self):
        """Wait for a change, and return it as an event; an empty one if there is none for a while."""
        self.training.wait(self.seen, 0.25)
        frame = self.training.frame()
        if frame["version"] == self.seen:
            return b": nothing new\n\n"
        self.seen = frame["version"]
        if "losses" in frame:  # only those that the page has not got
            (branch, train, test), n = frame.pop("losses"), frame["epoch"]
            start = self.sent[1] if self.sent[0] == branch else 0
            frame["losses"] = {"from": start, "train": train[start:n], "test": test[start:n]}
            self.sent = branch, n
        text = json.dumps(nan_to_null(frame), allow_nan=False, separators=(",", ":"))
        return f"data: {text}\n\n".encode()
