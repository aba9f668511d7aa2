"""Applications of Starlette: a table of routes, replies in JSON, and errors in JSON."""

import asyncio
import contextlib
import inspect
import json
import threading
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from starlette import routing
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ..core.errors import DataError
from ..core.messages import join, nan_to_null
from .requests import Guard, RequestError, refusal

JSON = "application/json"
FAILED = "The server failed; its standard error has the details."
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Route:
    """A row of the table of routes: what answers a method of a path.

    Attributes
    ----------
    method : {"GET", "POST"}
    path : str
    answer : callable, or what is always the answer
        answer(request), or answer(request, body) of POST, returns a Response, or what JSON can
        hold. It is a coroutine function, or it is called in a thread.
    about : str, optional
        What it answers, for the schema of the server.
    is_file : bool
        Whether it is a file that pages load; messages list the other paths.
    """

    method: str
    path: str
    answer: Any
    about: str | None = None
    is_file: bool = False


def make_app(routes, access, bodies, headers=None, refused=DataError):
    """Return the Starlette application of a table of routes.

    A RequestError, a DataError or an error of the class `refused` is a mistake of the client. Any
    other error is one of the server: the client gets status 500, and uvicorn logs it.

    Parameters
    ----------
    routes : list of Route
    access : Access
        Which requests are answered.
    bodies : Bodies
        Reads the bodies of POST requests, and limits them.
    headers : dict of str to str, optional
        Of every reply.
    refused : type, default DataError
    """
    app = Starlette(
        routes=[
            routing.Route(each.path, _endpoint(each, bodies), methods=[each.method])
            for each in routes
        ],
        middleware=[Middleware(Guard, access=access, answer=_error_reply, headers=headers or {})],
        exception_handlers={
            **dict.fromkeys((DataError, refused), lambda _, error: _error_reply(refusal(error))),
            HTTPException: partial(_refuse, routes),
            ClientDisconnect: lambda *_: Response(),  # nobody gets it
            # Its reply does not pass through Guard.
            Exception: lambda *_: _error_reply(RequestError(500, FAILED, headers=headers)),
        },
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(route, bodies):
    is_constant = isinstance(route.answer, Response) or not callable(route.answer)
    response = reply(route.answer) if is_constant else None
    is_async = inspect.iscoroutinefunction(route.answer)

    async def call(*arguments):
        answer = route.answer(*arguments) if is_async else in_thread(route.answer, *arguments)
        return reply(await answer)

    async def endpoint(request):
        if is_constant:
            return response
        if route.method == "GET":
            return await call(request)
        async with bodies.read(request) as body:
            return await call(request, body)

    return endpoint


async def in_thread(function, *arguments):
    """Return function(*arguments), called in a thread for which the program does not wait at its end."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(outcome):
        if not future.done():  # cancelled
            future.set_result(outcome)

    def work():
        outcome: Any
        try:
            outcome = function(*arguments), None
        except Exception as error:
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, daemon=True).start()
    result, error = await future
    if error is not None:
        raise error
    return result


# ---- replies ----


def reply(content, **options):
    """Return a Response in JSON. A Response is returned as it is.

    content : what JSON can hold, bytes of JSON, or a Response
    options : of Response
    """
    if isinstance(content, Response):
        return content
    if not isinstance(content, bytes):
        content = json.dumps(nan_to_null(content), allow_nan=False).encode()
    return Response(content, **{"media_type": JSON, **options})


def file_routes(package):
    """Return the routes of the files that pages load: those of the folder pages of a package."""
    return [
        Route("GET", f"/{file.name}", Response(file.read_bytes(), media_type=kind), is_file=True)
        for file in resources.files(package).joinpath("pages").iterdir()
        if (kind := TYPES.get(file.name.rpartition(".")[2]))
    ]


# ---- errors ----


def _error_reply(error):
    """Return the Response of a RequestError."""
    content = {"detail": error.detail, **error.facts}
    return reply(content, status_code=error.status_code, headers=error.headers)


def _refuse(routes, request, error):
    """Answer for a RequestError, or for a path or a method that does not exist."""
    if isinstance(error, RequestError):
        return _error_reply(error)
    path = request.scope["path"]
    paths = join((each.path for each in routes if not each.is_file), len(routes), quoted=False)
    detail = f"There is no {path!r:.100}. The paths are {paths}."
    if error.status_code == 405:
        methods = (error.headers or {}).get("Allow", "")
        detail = f"{request.method} is not allowed for {path!r}. Use {methods}."
    return _error_reply(RequestError(error.status_code, detail, headers=error.headers))
