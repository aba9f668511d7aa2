"""The program `fastnn serve` in a process: requests over HTTP, signals, and its messages."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from cli_models import call, models_folder
from processes import environment

import fastnn
from fastnn.tabular import stored_model

pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("pyarrow", reason="tables need the extra cli")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models_folder(tmp_path_factory)


@pytest.fixture
def served(folder):
    """start(arguments...) returns the process of `fastnn serve` and its port."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "fastnn", "serve", *arguments, "--port", "0"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        line = process.stdout.readline()
        return process, int(re.search(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C to stop\)", line)[1])

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def connect(port):
    return contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60))


def post(port, rows, query=""):
    with connect(port) as connection:
        connection.request("POST", f"/predict{query}", json.dumps(rows))
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


@pytest.mark.slow("test_serve_tables.py and test_serve_app.py ask the application in this process")
def test_clients_at_the_same_time_and_ctrl_c(served, folder):
    process, port = served("b.safetensors")
    model = stored_model.load(folder / "b.safetensors")
    rng = np.random.default_rng(0)
    rows = [
        {"a": a, "city": str(c)}
        for a, c in zip(rng.normal(size=80), rng.choice(["Rom", "Köln"], 80))
    ]
    found: dict = {}

    def client(k):
        for i in range(k, len(rows), 8):
            found[i] = post(port, rows[i], "?proba=true")

    threads = [threading.Thread(target=client, args=[k]) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    P = model.predict_proba(rows)
    for i in range(len(rows)):
        status, reply = found[i]
        assert status == 200
        (row,) = reply["predictions"]
        assert [row["probability_no"], row["probability_yes"]] == P[i].tolist()
        assert row["prediction"] == model.predict([rows[i]])[0]
    assert post(port, {"a": 1}) == (
        422,
        {"detail": "The request has no column 'city', but the model needs it. Its columns are a."},
    )
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "Stopped.\n")


@pytest.mark.slow("test_serve_tables.py and test_serve_app.py ask the application in this process")
def test_requests_that_wait_are_answered_after_sigterm(served):
    process, port = served("n.safetensors", "--max-rows", "200000", "--max-bytes", "100000000")
    rows = [{"a": 1.0, "city": "Rom"}] * 50_000
    with connect(port) as connection:
        connection.request("POST", "/predict", json.dumps(rows))
        assert post(port, {"a": 1, "city": "Rom"})[0] == 200  # the large request has arrived, too
        process.send_signal(signal.SIGTERM)
        reply = connection.getresponse()
        assert reply.status == 200 and len(json.loads(reply.read())["predictions"]) == len(rows)
    process.communicate(timeout=60)
    assert process.returncode == 0


# ---- messages, in this process ----


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    return lambda *arguments: call(capsys, "serve", *arguments)


def test_a_port_in_use(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, errors = run("b.safetensors", "--port", str(port))
    assert (code, out) == (2, "")
    assert errors == (
        f"fastnn serve: --port {port} is in use by another program. Pass another one, or --port 0 "
        "for a free one.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--host", "no.such.host.invalid"],
            "--host no.such.host.invalid is not a name or an address",
        ),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 cannot be used ("),
        (["--port", "70000"], "--port 70000: a port is at most 65535."),
        (["--port", "x"], "argument --port: expected a whole number of at least 0, got 'x'."),
        (["--token-file", "none.txt"], "none.txt: No such file or directory. Pass a text file"),
        (
            ["--token-file", "new.csv"],
            "new.csv: its first line is not a token of at least 16 ASCII",
        ),
    ],
)
def test_wrong_arguments(run, arguments, message):
    code, out, errors = run("b.safetensors", *arguments)
    assert (code, out) == (2, "") and errors.startswith(f"fastnn serve: {message}")


def test_wrong_models(run, folder):
    fastnn.save_many([fastnn.MLP([2, 1], rng=0)], folder / "many.safetensors")
    for name, message in (
        ("none.safetensors", "none.safetensors: No such file or directory. "),
        ("table.csv", "table.csv: not a fastnn model, or damaged"),
        ("many.safetensors", "many.safetensors: not a fastnn model, or damaged"),
    ):
        code, _, errors = run(name)
        assert code == 2 and errors.startswith(f"fastnn serve: {message}")


def test_missing_packages(run, monkeypatch):
    found = "fastnn.cli.serve.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None if name == "uvicorn" else name)
    assert run("b.safetensors") == (
        2,
        "",
        "fastnn serve: needs uvicorn, which is not installed. Run: python -m pip install "
        '"fastnn-mlp[serve]"\n',
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_other_machines_are_only_let_in_with_a_note(run, monkeypatch, host):
    apps = []
    monkeypatch.setattr(
        "fastnn.serving.server.run", lambda app, listening: apps.append(app) or True
    )
    code, out, errors = run("b.safetensors", "--host", host, "--port", "0")
    assert code == 0 and out.startswith(f"Serving b.safetensors at http://{host}:")
    assert ("no authentication" in errors) == (host == "0.0.0.0")
