"""The ASGI application of a model: what each path answers."""

import contextlib
import json

from starlette.responses import HTMLResponse

from ..core.validation import check_threads, describe_type
from ..web.application import Route, file_routes, make_app
from ..web.requests import Access, Bodies, RequestError
from ..web.templates import page_headers
from .batches import Batches
from .description import describe_api, describe_columns, describe_served, example_row, make_page
from .request import PredictOptions, parse_options, parse_rows
from .service import MAX_EXPLAINED, MAX_EXPLAINED_BYTES, NetworkService, TableService

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
    try:
        is_table = model.facts().is_table
    except (AttributeError, TypeError) as error:  # no model, a class, or not fitted
        raise TypeError(
            f"model must be an MLP or a fitted estimator of fastnn, got {describe_type(model)}. Fit "
            "it, or load it with fastnn.load."
        ) from error
    n_threads = check_threads(n_threads)
    if hasattr(model, "n_threads"):
        model.n_threads = n_threads
    service = TableService(model) if is_table else NetworkService(model, n_threads)
    if access is not None and not isinstance(access, Access):
        raise TypeError(f"access must be an Access, got {describe_type(access)}")
    access = access or Access()
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {describe_type(name)}")
    handlers = Handlers(service, name, access.token is not None, max_rows)
    return make_app(handlers.routes, access, Bodies(max_bytes, "--max-bytes of 'fastnn serve'"))


class Handlers:
    """Answers requests.

    Parameters
    ----------
    service : TableService or NetworkService
    name : str
    has_token : bool
        Whether requests need a token.
    max_rows : int
        The most rows of a request.

    Attributes
    ----------
    routes : list of Route
        What each path answers.
    """

    def __init__(self, service, name, has_token, max_rows):
        self.service, self.max_rows = service, max_rows
        self.batches = Batches(service.predict, WAITING * self.max_rows)
        if service.facts.has_explanations:
            self.explanations = Batches(service.explain, WAITING * MAX_EXPLAINED)
        columns = describe_columns(service)
        facts = describe_served(service, columns, name)
        example = example_row(service, columns)
        self._warm_up(example)
        page = HTMLResponse(make_page(facts, columns, example), headers=page_headers("serve"))
        routes = [
            Route("POST", "/predict", self.predict, "Predict rows"),
            Route("GET", "/model", facts, "What the model is"),
            Route("GET", "/health", {"status": "ok"}, "Whether the server answers"),
        ]
        api = describe_api(routes, facts, columns, example, has_token)
        self.routes = [
            *routes,
            Route("GET", "/openapi.json", api),
            Route("GET", "/", page),
            *file_routes("fastnn.web"),
            *file_routes(__package__),
        ]

    # ---- predictions ----

    def _warm_up(self, example):
        """Predict a row, few and many, so that the first request need not wait for imports."""
        with contextlib.suppress(ValueError, RequestError):  # which a request would get
            for n in (1, self.service.few + 1):
                read = self.service.read([example] * n)
                self.service.predict([(read, PredictOptions())])

    async def predict(self, request, body):
        options = parse_options(request.scope["query_string"])
        self.service.check(options)
        service, batches = self.service, self.batches
        arguments = body, service.has_names, self.max_rows
        if len(body) <= SMALL:
            parsed = parse_rows(*arguments)
        else:
            parsed = await batches.in_thread(parse_rows, *arguments)
        if len(parsed.rows) <= service.few:
            read = service.read(parsed.rows)
        else:
            read = await batches.in_thread(service.read, parsed.rows)
        if options.explain and read.n_rows > MAX_EXPLAINED:
            raise RequestError(
                413,
                f"The request has {read.n_rows:,} rows to explain, but at most {MAX_EXPLAINED} are "
                "allowed. Send several requests.",
            )
        if options.explain and service.reads_text and len(body) > MAX_EXPLAINED_BYTES:
            raise RequestError(
                413,
                f"The request has {len(body):,} bytes, but at most {MAX_EXPLAINED_BYTES:,} are allowed "
                "if free text is explained. Send several requests.",
            )
        columns = await batches.answer((read, options), read.n_rows)
        if options.explain:
            columns["explanation"] = await self.explanations.answer(read, read.n_rows)
        return _to_json(columns, read.notes, parsed.by_column)


def _to_json(columns, notes, by_column):
    """Return the content of a reply with predictions.

    Parameters
    ----------
    columns : dict of str to ndarray
    notes : list of str
    by_column : bool
        Whether it has columns, not rows.

    Returns
    -------
    bytes
        ``{"predictions": [{"prediction": 3.5}], "notes": []}``
    """
    lists = {name: values.tolist() for name, values in columns.items()}
    predictions = lists if by_column else [dict(zip(lists, row)) for row in zip(*lists.values())]
    return json.dumps({"predictions": predictions, "notes": notes}, allow_nan=False).encode()
