"""The ASGI application of a model: what each path answers."""

import contextlib
import json

from ..core.validation import check_threads, describe_type
from ..mlp import MLP
from .access import Access, Guard
from .batches import Batches
from .bodies import Bodies
from .model_facts import describe_columns, describe_model, example_row
from .network_service import NetworkService
from .openapi import describe_api
from .page import POLICY, make_page, read_asset
from .replies import error_reply, reply, to_json
from .request_body import PredictOptions, parse_options, parse_rows
from .request_error import RequestError, from_value_error
from .table_service import FEW, MAX_EXPLAINED, TableService

MAX_ROWS, MAX_BYTES = 10_000, 16_000_000  # of a request
WAITING = 20  # times as many rows may wait
SMALL = 100_000  # bytes of a body that is parsed without a thread


def create_app(
    model, name="model", access=None, max_rows=MAX_ROWS, max_bytes=MAX_BYTES, n_threads=-1
):
    """Return the ASGI application that serves a model.

    Parameters
    ----------
    model : MLP, MLPClassifier, MLPRegressor, TabularClassifier or TabularRegressor
        Fitted, or loaded by `fastnn.load`. It must not be changed afterwards.
    name : str, default "model"
        Of the model, for its page.
    access : Access, optional
        Which requests are allowed; by default those to this machine.
    max_rows, max_bytes : int
        Largest size of a request.
    n_threads : int, default -1
        Maximum number of threads of a prediction; -1 is all CPUs. It replaces that of the model.

    Returns
    -------
    starlette.applications.Starlette

    Raises
    ------
    TypeError
        The model is not one of these, or not fitted.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn.serving import create_app
    >>> app = create_app(fastnn.MLP([4, 8, 1], rng=0), "net")

    ``uvicorn.run(app)`` serves it.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect
    from starlette.routing import Route

    is_table = hasattr(model, "features_")
    if not is_table and not isinstance(model, MLP) and not hasattr(model, "networks_"):
        raise TypeError(
            f"model must be an MLP or a fitted estimator of fastnn, got {describe_type(model)}. Fit "
            "it, or load it with fastnn.load."
        )
    n_threads = check_threads(n_threads)
    if hasattr(model, "n_threads"):
        model.n_threads = n_threads
    service = TableService(model) if is_table else NetworkService(model, n_threads)
    access = access or Access()
    server = Handlers(service, name, access.has_token, (max_rows, max_bytes))
    routes = [
        Route("/", server.page),
        Route("/page.css", server.asset),
        Route("/page.js", server.asset),
        Route("/health", server.health),
        Route("/model", server.model),
        Route("/openapi.json", server.openapi),
        Route("/predict", server.predict, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={
            RequestError: server.refuse,
            HTTPException: server.refuse_path,
            ClientDisconnect: server.drop,
            Exception: server.fail,
        },
    )
    app.router.redirect_slashes = False
    return app


class Handlers:
    """Answers requests. Each method takes a starlette Request and returns a Response.

    Parameters
    ----------
    service : TableService or NetworkService
    name : str
    has_token : bool
        Whether requests need a token.
    limits : (int, int)
        The most rows, and the most bytes, of a request.
    """

    def __init__(self, service, name, has_token, limits):
        self.service = service
        self.max_rows, max_bytes = limits
        self.bodies = Bodies(max_bytes)
        self.batches = Batches(service.predict, WAITING * self.max_rows)
        if service.facts.has_explanations:
            self.explanations = Batches(service.explain, WAITING * MAX_EXPLAINED)
        self.facts, columns = describe_model(service, name), describe_columns(service)
        example = example_row(service, columns)
        self._warm_up(example)
        self._model = json.dumps(self.facts).encode()
        self._api = json.dumps(describe_api(self.facts, columns, example, has_token)).encode()
        self._page = make_page(self.facts, columns, example)

    # ---- predictions ----

    def _warm_up(self, example):
        """Predict a row, few and many, so that the first request need not wait for imports."""
        with contextlib.suppress(ValueError, RequestError):  # which a request would get
            for n in (1, FEW + 1):
                read = self.service.read([example] * n)
                self.service.predict([(read, PredictOptions())])

    async def predict(self, request):
        options = parse_options(request.scope["query_string"])
        self.service.check(options)
        async with self.bodies.read(request) as body:
            return await self._predict(body, options)

    async def _predict(self, body, options):
        service, batches = self.service, self.batches
        arguments = body, service.has_names, self.max_rows
        if len(body) <= SMALL:
            parsed = parse_rows(*arguments)
        else:
            parsed = await batches.in_thread(parse_rows, *arguments)
        try:
            if service.is_few(parsed.rows):
                read = service.read(parsed.rows)
            else:
                read = await batches.in_thread(service.read, parsed.rows)
        except ValueError as error:
            raise from_value_error(error) from None
        if options.explain and read.n_rows > MAX_EXPLAINED:
            raise RequestError(
                413,
                f"The request has {read.n_rows:,} rows to explain, but at most {MAX_EXPLAINED} are "
                "allowed. Send several requests.",
            )
        columns = await batches.answer((read, options), read.n_rows)
        if options.explain:
            columns["explanation"] = await self.explanations.answer(read, read.n_rows)
        return reply(to_json(columns, read.notes, parsed.by_column))

    # ---- what the model is ----

    async def page(self, request):
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return reply(self._page, media_type="text/html; charset=utf-8", headers=headers)

    async def asset(self, request):
        name = request.url.path.removeprefix("/")
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return reply(read_asset(name), media_type=kind)

    async def health(self, request):
        return reply(b'{"status": "ok"}')

    async def model(self, request):
        return reply(self._model)

    async def openapi(self, request):
        return reply(self._api)

    # ---- errors ----

    async def refuse(self, request, error):
        return error_reply(error)

    async def drop(self, request, error):
        """Return a reply that nobody gets: the client has gone."""
        return reply(b"")

    async def refuse_path(self, request, error):
        """Answer for a path or a method that does not exist."""
        routes = reversed(request.app.routes)
        paths = ", ".join(route.path for route in routes if route.name != "asset")
        path = request.url.path
        detail = f"There is no {path!r:.100}. The paths are {paths}."
        if error.status_code == 405:
            methods = (error.headers or {}).get("Allow", "")
            detail = f"{request.method} is not allowed for {path!r}. Use {methods}."
        refused = RequestError(error.status_code, detail, headers=dict(error.headers or {}))
        return await self.refuse(request, refused)

    async def fail(self, request, error):
        """Answer for an error that should not be: the server prints it."""
        text = "The server failed; its standard error has the details."
        return await self.refuse(request, RequestError(500, text))
