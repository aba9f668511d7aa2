"""The program `fastnn serve` in a process: requests over HTTP, signals, and its messages."""

import contextlib
import errno
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from cli_cases import each_row
from interrupt import sigint_interrupts  # noqa: F401 - for the programs of all tests here
from play_pages import running
from processes import LIMIT, environment

import fastnn
from fastnn.cli import serve as cli_serve
from fastnn.tabular import stored_model
from fastnn.web import server as web_server

pytest.importorskip("uvicorn", reason="uvicorn is not installed")
responses = pytest.importorskip("starlette.responses", reason="starlette is not installed")
pytest.importorskip("pyarrow", reason="tables need the extra cli")


PIPES = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
ROW = {"a": 1, "city": "Rom"}
in_process = pytest.mark.slow("test_serve_tables.py and test_serve_app.py ask in this process")
in_part = pytest.mark.slow("test_serve_app.py: test_bodies_of_all_requests_are_limited")


@pytest.fixture
def served(folder):
    """start(arguments...) returns the process of `fastnn serve` and its port."""
    processes = []

    def start(*arguments):
        command = [sys.executable, "-m", "fastnn", "serve", *arguments, "--port", "0"]
        process = subprocess.Popen(command, cwd=folder, env=environment(), **PIPES)
        processes.append(process)
        line = process.stdout.readline()
        return process, int(re.search(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C to stop\)", line)[1])

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, out, errors) == (0, "", "Stopped.\n")


def connect(port):
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT))


def post(port, rows, query=""):
    with connect(port) as connection:
        connection.request("POST", f"/predict{query}", json.dumps(rows))
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


@in_process
def test_clients_at_the_same_time_and_ctrl_c(served, folder, rng):
    process, port = served("b.safetensors")
    model = stored_model.load(folder / "b.safetensors")
    cities = rng.choice(["Rom", "Köln"], 80).tolist()
    sent = [{"a": a, "city": city} for a, city in zip(rng.normal(size=80), cities)]
    with ThreadPoolExecutor(8) as clients:
        replies = clients.map(lambda row: post(port, row, "?proba=true"), sent)
    for row, p, (status, reply) in zip(sent, model.predict_proba(sent), replies, strict=True):
        assert status == 200
        (found,) = reply["predictions"]
        assert [found["probability_no"], found["probability_yes"]] == p.tolist()
        assert found["prediction"] == model.predict([row])[0]
    detail = "The request has no column 'city', but the model needs it. Its columns are a."
    assert post(port, {"a": 1}) == (422, {"detail": detail})
    end(process, signal.SIGINT)


@in_process
def test_requests_that_wait_are_answered_after_sigterm(served):
    process, port = served("n.safetensors", "--max-rows", "200000", "--max-bytes", "100000000")
    rows = [{"a": 1.0, "city": "Rom"}] * 50_000
    with connect(port) as connection:
        connection.request("POST", "/predict", json.dumps(rows))
        assert post(port, ROW)[0] == 200  # the large request has arrived, too
        process.send_signal(signal.SIGTERM)
        reply = connection.getresponse()
        assert reply.status == 200 and len(json.loads(reply.read())["predictions"]) == len(rows)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 0


@in_part
def test_clients_that_hang_up_or_stall_print_nothing_and_do_not_delay_the_end(served):
    process, port = served("n.safetensors")
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    beginnings = b"", b"POST /pre", head, head + b'[{"a": 1'
    for beginning in beginnings:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(beginning)
    with contextlib.ExitStack() as stack:
        for beginning in beginnings:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(beginning)
        assert post(port, ROW)[0] == 200  # the others have arrived, too
        end(process)


@in_part
def test_a_client_that_does_not_read_its_reply_does_not_delay_the_end(served):
    process, port = served("n.safetensors", "--max-rows", "300000")
    n = 300_000  # more than the buffers of the system hold
    body = json.dumps({"a": [1] * n, "city": ["Rom"] * n}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(head + body)
        assert client.recv(12) == b"HTTP/1.1 200"
        end(process)


@in_part
def test_connections_headers_and_bodies_have_limits(served):
    process, port = served("n.safetensors", "--max-connections", "5", "--max-bytes", "1000000")
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        status, reply = post(port, ROW)
        assert status == 503 and reply["detail"].startswith("The server has 5 connections, and")
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(500)]
        for client in clients:
            stack.enter_context(client)
        assert clients[-1].recv(1) == b""  # closed
        assert len(os.listdir(f"/proc/{process.pid}/fd")) < 5 + web_server.SPARE + 50
    while status != 200:  # until the server has seen that the others have gone
        assert process.poll() is None
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            status, _ = post(port, ROW)
    status, reply = post(port, ["x" * 4_000_000])
    assert status == 413 and reply["detail"].startswith("The body has more than 1,000,000 bytes")
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * web_server.MAX_HEAD)
        assert client.recv(12) in (b"HTTP/1.1 431", b"HTTP/1.1 400")  # the latter of h11
    end(process)


FAILING = """
import sys, time, warnings
from fastnn.cli import main
from fastnn.serving import app

def fail(requests):
    warnings.warn(f"a warning at {time.monotonic()} " + "x" * 5000)
    raise RuntimeError("x" * 5000)

class Handlers(app.Handlers):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.batches._predict = fail

app.Handlers = Handlers
sys.exit(main(["serve", sys.argv[1], "--port", "0"]))
"""


@in_part
def test_a_server_whose_errors_nobody_reads_answers_and_ends(folder):
    code = "-c", FAILING, str(folder / "n.safetensors")
    with subprocess.Popen([sys.executable, *code], env=environment(), **PIPES) as process:
        try:
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
            for _ in range(50):  # each prints 8 KB; a pipe holds 64 KB
                assert post(port, ROW)[0] == 500
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=LIMIT) == 0
            errors = process.stderr.read()
            assert "RuntimeError: xxx" in errors and "UserWarning: a warning at " in errors
        finally:
            process.kill()


# ---- messages, in this process ----


STATES = (True, False), (False, False), (False, True)
ANSWERED, ANSWERS, RECEIVES = (Mock(response_complete=a, more_body=b) for a, b in STATES)
STALLS = [  # bytes received and unsent at checks in four seconds, and whether the server ends
    *[(None, "0000", "0000", False, True), (ANSWERED, "5555", "0000", False, True)],
    *[(RECEIVES, "5555", "0000", False, True), (RECEIVES, "5678", "0000", False, False)],
    *[(RECEIVES, "5678", "0000", True, True), (ANSWERS, "5555", "0000", False, False)],
    *[(ANSWERS, "5678", "9999", False, True), (ANSWERS, "5555", "9876", False, False)],
]


@pytest.mark.parametrize(("cycle", "received", "unsent", "is_ending", "is_dropped"), STALLS)
def test_stalled_clients(monkeypatch, cycle, received, unsent, is_ending, is_dropped):
    """They are dropped after two seconds."""
    monkeypatch.setattr(web_server, "time", SimpleNamespace(monotonic=count().__next__))
    connection, dropped = web_server.limited(object, 1)(), []
    connection.cycle = cycle
    for i in range(4):
        connection.n_received, connection.transport = received[i], Mock()
        connection.transport.get_write_buffer_size.return_value = int(unsent[i])
        connection.drop_if_stalled(2, is_ending)
        dropped += [i] * connection.transport.abort.called
    assert dropped == [2, 3] * is_dropped


def test_connections_have_a_limit(monkeypatch):
    """Two are served, another one gets an answer, and a fourth one none."""
    replies = []
    monkeypatch.setattr(web_server, "SPARE", 1)
    with web_server.listen("127.0.0.1", 0) as listening, contextlib.ExitStack() as stack:
        server = web_server.Server(responses.PlainTextResponse("yes"), listening, 2, "-m")
        stack.enter_context(running(SimpleNamespace(server=server)))
        clients = [socket.create_connection(listening.getsockname(), LIMIT) for _ in range(4)]
        for client in map(stack.enter_context, clients):
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                replies.append(client.recv(1000).decode())
    assert [reply[:12] for reply in replies[:2]] == ["HTTP/1.1 200"] * 2
    refused, *others = replies[2:]
    assert refused.startswith("HTTP/1.1 503 ") and "\r\nRetry-After: 1\r\n" in refused
    assert refused.endswith(' in a second, or raise -m."}') and not any(others)


def test_standard_error_gets_what_it_has_room_for(monkeypatch, capsys):
    web_server.print_at_once("no file")
    assert capsys.readouterr().err == "no file\n"
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader, "rb", 0) as pipe, open(writer, "w") as errors:
        monkeypatch.setattr(sys, "stderr", errors)
        web_server.print_at_once("\xe9" * 3000)
        assert pipe.read(10_000).decode() == "\xe9" * 3000 + "\n"
        for _ in range(100):
            web_server.print_at_once("x" * 999)
        assert 60_000 < len(pipe.read(100_000)) < 70_000


@pytest.fixture
def serve(run, models):
    return lambda *arguments: run("serve", *arguments)


@pytest.mark.parametrize("number, message", [
    (errno.EADDRINUSE, "--port 80 is in use by another program. Pass another one, or --port 0 for"),
    (errno.EACCES, "--port 80 needs the rights of an administrator. Pass one from 1024 to 65535.\n"),
    (errno.EADDRNOTAVAIL, "--host ::9 cannot be used (Cannot assign requested address). Pass 127.0"),
])  # fmt: skip
def test_an_address_that_cannot_be_used(serve, monkeypatch, number, message):
    error = OSError(number, os.strerror(number))
    monkeypatch.setattr(web_server, "listen", Mock(side_effect=error))
    code, out, errors = serve("b.safetensors", "--host", "::9", "--port", "80")
    assert (code, out) == (2, "") and errors.startswith(f"fastnn serve: {message}")


@each_row("""
    arguments | message
    b --host no.such.host.invalid | --host no.such.host.invalid is not a name or an address
    b --host 192.0.2.1 | --host 192.0.2.1 cannot be used (
    b --port 70000 | argument --port: expected a whole number from 0 to 65535, got '70000'.
    b --port x | argument --port: expected a whole number from 0 to 65535, got 'x'.
    b --token-file none.txt | none.txt: No such file or directory. Pass a text file
    b --token-file new.csv | new.csv: its first line is not a token of at least 16 ASCII
    none | none.safetensors: No such file or directory.
    text | text.safetensors: not a fastnn model, or damaged
    many | many.safetensors: not a fastnn model, or damaged
""")
def test_wrong_arguments_and_models(serve, folder, arguments, message):
    fastnn.save_many([fastnn.MLP([2, 1], rng=0)], folder / "many.safetensors")
    shutil.copy(folder / "table.csv", folder / "text.safetensors")
    name, *options = arguments.split()
    code, out, errors = serve(f"{name}.safetensors", *options)
    assert (code, out) == (2, "") and errors.startswith(f"fastnn serve: {message}")


TOKENS = [
    ("a" * 15, "token.txt: its first line is not a token of at least 16 ASCII characters. "),
    ("a" * 15 + "é", "token.txt: its first line is not a token of at least 16 ASCII"),
    ("a" * 15 + "\x07", "token.txt: its first line is not a token of at least 16 ASCII"),
    ("a" * 16 + "\n", "--host no.such.host.invalid is not a name or an address"),
]


@pytest.mark.parametrize(("token", "message"), TOKENS, ids=["short", "é", "bell", "right"])
def test_tokens(serve, folder, token, message):
    (folder / "token.txt").write_text(token, encoding="utf-8")
    options = "--token-file token.txt --host no.such.host.invalid"
    code, out, errors = serve("b.safetensors", *options.split())
    assert (code, out) == (2, "") and errors.startswith(f"fastnn serve: {message}")


def test_missing_packages(serve, monkeypatch):
    found = "fastnn.cli.console.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None if name == "uvicorn" else name)
    message = "needs uvicorn, which is not installed. Run: python -m pip install"
    assert serve("b.safetensors") == (2, "", f'fastnn serve: {message} "fastnn-mlp[serve]"\n')


def test_more_connections_than_open_files(serve, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("resource"), "getrlimit", lambda kind: (1024, 4096))
    code, _, errors = serve("b.safetensors", "--max-connections", "5000")
    needed = "5000 needs 5,100 open files, but this process may have 4,096."
    advice = "Pass at most 3996, or raise the limit (ulimit -n)."
    assert (code, errors) == (2, f"fastnn serve: --max-connections {needed} {advice}\n")


def test_open_files_are_allowed_for_each_connection(serve, monkeypatch):
    resource, limits = pytest.importorskip("resource", reason="Windows has none"), []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda *arguments: limits.append(arguments))
    for most in (924, 925, 3996):
        cli_serve._check_open_files(most)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, resource.RLIM_INFINITY))
    cli_serve._check_open_files(5000)
    expected = (1025, 4096), (4096, 4096), (5100, resource.RLIM_INFINITY)
    assert limits == [(resource.RLIMIT_NOFILE, each) for each in expected]


@pytest.mark.parametrize("ends", [True, False])
def test_the_end_of_the_server(serve, monkeypatch, ends):
    monkeypatch.setattr("fastnn.web.server.Server.answer", lambda server: ends)
    code, out, errors = serve("b.safetensors", "--port", "0")
    assert code == (0 if ends else 130) and out.count("\n") == 1
    assert errors == ("Stopped.\n" if ends else "\nInterrupted.\n")


@pytest.mark.parametrize("token", [None, 16 * "a"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_other_machines_are_only_let_in_with_a_note(serve, folder, monkeypatch, host, token):
    (folder / "token.txt").write_text(str(token))
    seen = []
    monkeypatch.setattr("fastnn.serving.create_app", lambda *args, **more: seen.extend(args))
    monkeypatch.setattr("fastnn.web.server.Server.answer", lambda server: True)
    options = ["--token-file", "token.txt"] if token else []
    code, out, errors = serve("b.safetensors", "--host", host, "--port", "0", *options)
    assert code == 0 and out.startswith(f"Serving b.safetensors at http://{host}:")
    is_open = host == "0.0.0.0"
    assert ("no authentication" in errors) == (is_open and not token)
    _, name, access = seen
    assert (name, access.token, access.hosts is None) == ("b.safetensors", token, is_open)


OPTIONS = {
    "--max-rows 7 --max-bytes 8 --threads 1": dict(max_rows=7, max_bytes=8, n_threads=1),
    "": dict(max_rows=10_000, max_bytes=16_000_000, n_threads=-1),
}


@pytest.mark.parametrize("words", OPTIONS)
def test_options_reach_the_app(serve, monkeypatch, words):
    passed = {}
    monkeypatch.setattr("fastnn.serving.create_app", lambda *args, **more: passed.update(more))
    monkeypatch.setattr("fastnn.web.server.Server.answer", lambda server: True)
    assert serve("b.safetensors", "--port", "0", *words.split())[0] == 0
    assert passed == OPTIONS[words]
