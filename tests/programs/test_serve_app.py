"""What the paths of `fastnn serve` answer: methods, limits, hosts, tokens, pages, OpenAPI."""

import asyncio
import threading
import tracemalloc
from unittest.mock import Mock

import numpy as np
import pytest
from serving_client import ask, ask_all

from fastnn import MLP, TabularClassifier, __version__
from fastnn.serving import Access, create_app
from fastnn.serving.batches import Batches
from fastnn.serving.description import describe_columns, example_row
from fastnn.serving.service import TableService
from fastnn.web.requests import Bodies, RequestError

validate = pytest.importorskip("openapi_spec_validator", reason="it is not installed").validate
pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
ROW = [1, 2, 3]


@pytest.fixture(scope="module")
def app():
    return create_app(MLP([3, 2, 1], rng=0), "net", max_rows=5, max_bytes=200)


@pytest.fixture(scope="module")
def table_app():
    rng = np.random.default_rng(0)
    days = (np.datetime64("2026-01-01") + np.arange(40)).astype(str)
    columns = {"<b>a</b>": rng.normal(size=40), "c & d": rng.choice([*"\xe8\xe9"], 40)}
    table = pa.table(columns | {'e"f': [*"pq"] * 20, "day": days})
    y = np.where(table[0].to_numpy() > 0, "yes", "no")
    model = TabularClassifier(2, hidden_layer_sizes=4, random_state=0).fit(table, y)
    return create_app(model, "<model>")


WRONG_BODIES = [
    (b"", 400, "The body is empty. Send a row"),
    (b"{", 400, "The body is not JSON (Expecting property name"),
    (b"\xff", 400, "The body is not JSON ('utf-8' codec"),
    (b"[" * 190, 400, "The body is not JSON"),
    (b"1" * 190, 422, "The body is 1111"),
    (b"null", 422, "The body is null. Send a row such as [1, 2], or a list"),
    (b" " * 200, 400, "The body is empty."),
    (b'[{"b": 1, "a": 1, "a": 2}]', 422, "An object has the key 'a' twice."),
    (b"[" + b"[1,2,3]," * 5 + b"[1,2,3]]", 413, "The request has 6 rows, but at most 5 are"),
    (b" " * 201, 413, "The body has more than 200 bytes."),
]


@pytest.mark.parametrize(("body", "status", "detail"), WRONG_BODIES)
def test_bodies_that_are_refused(app, body, status, detail):
    found, reply = ask(app, "/predict", body)
    assert found == status and reply["detail"].startswith(detail), reply
    assert ask(app, "/predict", [ROW] * 5)[0] == 200


class Request:
    """A request with a body of two halves. It does not end before an asyncio.Event is set."""

    def __init__(self, may_end, size=100, n_parts=2, **headers):
        self.headers, self.may_end, self.half = headers, may_end, size // 2
        self.n_parts, self.n_read = n_parts, 0

    async def stream(self):
        for _ in range(self.n_parts):
            self.n_read += 1
            yield b"x" * self.half
        await self.may_end.wait()


async def send(bodies, request):
    """Read the body of a request. Return the status, and the size or what is wrong."""
    try:
        async with bodies.read(request) as body:
            return 200, len(body)
    except RequestError as error:
        return error.status_code, f"{error.detail} {error.headers}"


def test_a_long_body_is_read_in_part():
    """A client sees the answer while it sends, or before it if it waits for it."""
    waits = {"expect": "100-continue"}
    for size, others, n_read in (0, {}, 21), (1000, {}, 21), (1000, waits, 0), (100, waits, 21):
        request = Request(set_event(), n_parts=30, **{"content-length": str(size)} | others)
        text = "The body has more than 100 bytes. Send several requests."
        assert asyncio.run(send(Bodies(100), request)) == (413, f"{text} {{'Connection': 'close'}}")
        assert request.n_read == n_read


def set_event():
    event = asyncio.Event()
    event.set()
    return event


def test_bodies_of_all_requests_are_limited():
    """A request waits with its body, until the others are in memory; then it is refused."""
    bodies = Bodies(100)

    async def send_all():
        first = asyncio.Event()
        tasks = [asyncio.create_task(send(bodies, Request(first))) for _ in range(5)]
        while bodies.n_held < 400:
            await asyncio.sleep(0)
        first.set()
        return [*await asyncio.gather(*tasks), await send(bodies, Request(first))]

    statuses = asyncio.run(send_all())
    refused = "The bodies of other requests take 400 bytes already. Try again in a second."
    headers = {"Retry-After": "1", "Connection": "close"}
    assert sorted(statuses[:5], key=str) == [(200, 100)] * 4 + [(503, f"{refused} {headers}")]
    assert statuses[5] == (200, 100) and bodies.n_held == 0


def test_bodies_that_are_too_large_are_not_held_until_they_end():
    bodies = Bodies(100)

    async def send_all():
        may_end = asyncio.Event()
        requests = [Request(may_end, 180) for _ in range(10)]
        tasks = [asyncio.create_task(send(bodies, request)) for request in requests]
        await asyncio.sleep(0)  # the bodies come, and do not end
        held, (status, _) = bodies.n_held, await send(bodies, Request(set_event()))
        may_end.set()
        return held, status, [status for status, _ in await asyncio.gather(*tasks)]

    assert asyncio.run(send_all()) == (0, 200, [413] * 10) and bodies.n_held == 0


def test_a_body_is_in_memory_once():
    async def send():
        async with Bodies(10**7).read(Request(set_event(), 10**7)) as body:
            return len(body), tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        size, in_memory = asyncio.run(send())
    finally:
        tracemalloc.stop()
    assert size == 10**7 and in_memory < 1.8 * size


def test_deep_and_long_json():
    app = create_app(MLP([3, 2, 1], rng=0))
    for body in (b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000):
        assert ask(app, "/predict", body)[0] in (400, 422)
    assert [ask(app, "/predict", [ROW] * n)[0] for n in (10_000, 10_001)] == [200, 413]
    assert [ask(app, "/predict", b" " * n)[0] for n in (16_000_000, 16_000_001)] == [400, 413]


def test_methods_and_paths(app):
    (reply,) = ask_all(app, [("GET", "/predict", {})])
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert reply.json() == {"detail": "GET is not allowed for '/predict'. Use POST."}
    status, reply = ask(app, "/predict/", ROW)
    paths = "/predict, /model, /health, /openapi.json, /"
    assert (status, reply["detail"]) == (404, f"There is no '/predict/'. The paths are {paths}.")
    assert {*paths.split(", ")} == {"/", "/openapi.json", *ask(app, "/openapi.json")[1]["paths"]}
    assert ask(app, "/health") == (200, {"status": "ok"})
    for encoding, status in ("gzip", 415), ("identity", 200):
        assert ask(app, "/predict", ROW, headers={"Content-Encoding": encoding})[0] == status


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, ValueError])
def test_an_error_in_the_server_is_not_shown(monkeypatch, error):
    model, forward = MLP([3, 2, 1], rng=0), Mock(side_effect=error("n_threads"))
    app = create_app(model, n_threads=1)
    monkeypatch.setattr(model, "forward", forward)
    detail = "The server failed; its standard error has the details."
    assert ask(app, "/predict", ROW) == (500, {"detail": detail})
    assert forward.call_args.kwargs == {"n_threads": 1}


# ---- access ----


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil", ""])
def test_other_hosts_are_refused(app, host):
    for own in ("localhost", "127.0.0.1:80", "[::1]:8000", "LOCALHOST:1"):
        assert ask(app, "/health", headers={"Host": own})[0] == 200
    for path in ("/", "/health", "/model", "/nothing"):
        status, reply = ask(app, path, headers={"Host": host})
        assert status == 400 and reply["detail"].startswith(f"The Host header {host!r} is not")
    open_app = create_app(MLP([3, 1]), access=Access(None))
    assert ask(open_app, "/health", headers={"Host": host})[0] == 200


def test_tokens():
    token = "secret-secret-secret"
    app = create_app(MLP([3, 2, 1], rng=0), access=Access(token=token))
    assert ask(app, "/health")[0] == 200
    for headers in {}, {"Authorization": "Bearer wrong"}, {"Authorization": token}:
        for path, content in (("/predict", ROW), ("/model", ...), ("/openapi.json", ...)):
            assert ask(app, path, content, headers=headers)[0] == 401
    open_app = create_app(MLP([3, 2, 1], rng=0), access=Access(None, token))
    for host in ("x/health?", "x/health#"):  # `request.url` of older Starlettes has it as the path
        assert ask(open_app, "/model", headers={"Host": host})[0] == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert ask(app, "/predict", ROW, headers=headers)[0] == 200
    document = ask(app, "/openapi.json", headers=headers)[1]
    validate(document)
    paths = document["paths"]
    assert document["security"] == [{"token": []}] and "security" not in paths["/model"]["get"]
    assert "401" in paths["/predict"]["post"]["responses"]
    assert not paths["/health"]["get"]["security"]


# ---- descriptions ----


def test_openapi_is_valid_and_its_examples_are_predicted(app, table_app):
    for each, options in (app, []), (table_app, ["proba", "explain"]):
        document = ask(each, "/openapi.json")[1]
        validate(document)
        predict = document["paths"]["/predict"]["post"]
        assert [each["name"] for each in predict["parameters"]] == options
        assert list(predict["responses"]) == ["200", "400", "413", "422", "503"]
        assert predict["requestBody"]["required"]
        examples = predict["requestBody"]["content"]["application/json"]["examples"].values()
        for example in examples:
            status, reply = ask(each, "/predict", example["value"])
            assert (status, reply["notes"]) == (200, [])
        if each is app:
            assert [example["value"] for example in examples] == [[0] * 3, [[0] * 3] * 2]
    row = document["components"]["schemas"]["Row"]
    assert list(row["properties"]) == row["required"] == ["<b>a</b>", "c & d", 'e"f', "day"]
    assert row["properties"]["c & d"]["examples"] == [*"\xe8\xe9"]


def test_the_model(table_app):
    kinds = {"<b>a</b>": "number", "c & d": "category", 'e"f': "category", "day": "date"}
    what = dict(name="<model>", fastnn=__version__, estimator="TabularClassifier", target=None)
    learned = dict(task="classes", classes=["no", "yes"], threshold=None, quantiles=None)
    has = dict(has_intervals=False, has_explanations=True, score=dict(name="accuracy", value=1))
    size = dict(folds=2, folds_left=0, networks=2, hidden=[4], parameters=260, left_out={})
    assert ask(table_app, "/model")[1] == what | learned | has | size | {"columns": kinds}


def test_the_page_escapes_the_texts_of_the_model(table_app):
    requests = [("GET", path, {}) for path in ("/", "/page.css", "/page.js", "/model")]
    page, style, script, facts = ask_all(table_app, requests)
    assert facts.headers["content-type"] == "application/json"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<b>a</b>" not in page.text and "&lt;b&gt;a&lt;/b&gt;" in page.text
    text = "&lt;model&gt; predicts one of the classes no, yes from 4 columns. Out of fold, its accuracy"
    assert f"<p>{text} is 1.</p>" in page.text and "<model>" not in page.text
    form = '<form data-names="yes" data-columns="4" data-query="?proba=true&amp;explain=true">'
    assert form in page.text and "/predict -d &#39;{&#34;&lt;b&gt;a" in page.text
    assert any(f"c &amp; d&#34;: &#34;{x}&#34;" in page.text for x in "\xe8\xe9")
    assert any(f"<td>&#34;{x}&#34;</td>" in page.text for x in "\xe8\xe9")
    assert style.headers["content-type"].startswith("text/css") and "form" in style.text
    assert script.headers["content-type"].startswith("text/javascript") and "fetch" in script.text


# ---- batches ----


def answers(predict, requests, max_waiting=100):
    async def send():
        batches = Batches(predict, max_waiting)
        sent = [batches.answer(request, n) for request, n in requests]
        return await asyncio.gather(*sent, return_exceptions=True)

    return asyncio.run(send())


def test_an_error_of_a_batch_is_that_of_the_wrong_request():
    calls = []

    def predict(requests):
        calls.append(requests)
        if "b" in requests:
            raise ValueError("b is wrong")
        return [request.upper() for request in requests]

    a, b, c = answers(predict, [("a", 1), ("b", 1), ("c", 1)])
    assert (a, c) == ("A", "C") and isinstance(b, ValueError) and calls[0] == ["a", "b", "c"]


def test_too_many_rows_wait():
    large, refused = answers(lambda requests: requests, [("large", 200), ("a", 1)])
    assert large == "large"
    assert (refused.status_code, refused.headers) == (503, {"Retry-After": "1"})
    assert refused.detail == "200 rows wait already. Try again in a second."
    assert answers(lambda requests: requests, [("a", 60), ("b", 40)]) == ["a", "b"]


def test_batches_are_limited():
    sizes = []

    def predict(requests):
        sizes.append(len(requests))
        return requests

    assert answers(predict, [(i, 10_000) for i in range(5)], 10**6) == [*range(5)]
    assert answers(predict, [("a", 10_000), ("b", 10_001)], 10**6) == ["a", "b"]
    assert sizes == [2, 2, 1, 1, 1]


def test_a_client_that_goes_leaves_the_answers_of_its_batch():
    begun, goes_on = threading.Event(), threading.Event()

    def predict(requests):
        begun.set()
        goes_on.wait(60)
        return requests

    async def send():
        batches = Batches(predict, 100)
        tasks = [asyncio.create_task(batches.answer(request, 1)) for request in "abc"]
        await asyncio.to_thread(begun.wait, 60)
        tasks[0].cancel()
        goes_on.set()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
        return [*answers, await batches.answer("d", 100)]

    first, *others = asyncio.run(send())
    assert isinstance(first, asyncio.CancelledError) and others == ["b", "c", "d"]


def test_other_models():
    for model in (TabularClassifier(), TabularClassifier, [1], "model.safetensors"):
        with pytest.raises(TypeError, match="model must be an MLP or a fitted estimator of fastnn"):
            create_app(model)
    with pytest.raises(TypeError, match="access must be an Access, got a str"):
        create_app(MLP([2, 1]), access="token")
    with pytest.raises(TypeError, match=r"^name must be a str, got an int$"):
        create_app(MLP([2, 1]), name=3)


def test_the_example_has_medians_and_the_commonest_categories():
    numbers = np.random.default_rng(0).normal(size=301)  # a profile has 64 quantiles of them
    table = pa.table({"a": numbers, "city": (["Aachen"] * 50 + ["Zwolle"] * 251)})
    model = TabularClassifier(2, hidden_layer_sizes=4, random_state=0)
    model.fit(table, np.where(numbers > 0, "yes", "no"))
    service = TableService(model)
    example = example_row(service, describe_columns(service))
    assert example == {"a": float(f"{np.median(numbers):.4g}"), "city": "Zwolle"}
