"""The server of the playground: who may ask, what it answers, and how it ends."""

import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from browser import wait_until
from cli_cases import each_row
from interrupt import sigint_interrupts  # noqa: F401 - for the programs of all tests here
from play_pages import running
from processes import LIMIT

import fastnn
from fastnn.playground import server as play_server
from fastnn.playground.playback import Playback
from fastnn.playground.server import PlayServer
from fastnn.tables import read
from fastnn.web import server as web_server
from fastnn.web.server import SPARE

SETTINGS = {"data": "xor", "n": 60, "hidden": [4], "activations": ["tanh"]}
STATE = {"step": 0, "settings": [[0, SETTINGS]]}


@pytest.fixture
def server(request):
    with running(PlayServer(0, STATE, *getattr(request, "param", ()))) as server:
        yield server


@pytest.fixture
def ask(server):
    """ask(path, body=None, **headers) -> (status, value, headers of the answer)"""

    def ask(path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT)
        values = {"Cookie": cookie_of(server), "Content_Type": "application/json"} | headers
        values = {name.replace("_", "-"): each for name, each in values.items() if each is not None}
        text = body if isinstance(body, str | None) else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, text, values)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(content) if is_json else content, answer.headers

    return ask


@pytest.fixture
def tab(ask):
    """The name of a training."""
    return ask("/api/tabs", {})[1]["tab"]


def cookie_of(server):
    return f"{server.access.cookie}={server.access.token}"


def request(server, path):
    """The bytes of a GET request of the page."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    return f"{head}Cookie: {cookie_of(server)}\r\n\r\n".encode()


def stream(server, tab):
    """Yield the frames of a tab."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT) as connection:
        connection.sendall(request(server, f"/api/events?tab={tab}"))
        for line in connection.makefile():
            if line.startswith("data: "):
                yield json.loads(line[6:])


def check_headers(headers):
    """Of every reply, which does not say what has sent it; the policy has more."""
    names = "Cache-Control", "Referrer-Policy", "X-Content-Type-Options"
    assert [headers[name] for name in names] == ["no-store", "no-referrer", "nosniff"]
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "Server" not in headers


SCRIPTS = "page.js play.js details.js pen.js many.js explore.js drawing.js"


@pytest.mark.parametrize("name", ["", "base.css", "style.css", "icon.svg", *SCRIPTS.split()])
def test_the_page_and_its_files(ask, name):
    status, content, headers = ask(f"/{name}")
    assert status == 200 and len(content) > 100
    check_headers(headers)
    for word in (b"http://", b"https://"):  # no address of another place
        assert word not in content.replace(b"http://www.w3.org/2000/svg", b"")


OTHERS = [("Cookie", None), ("Cookie", "fastnn-play=x"), ("Host", "example.com")]
OTHERS += [("Host", "127.0.0.1"), ("Origin", "http://example.com"), ("Origin", "null")]


@pytest.mark.parametrize(("name", "value"), OTHERS)
@pytest.mark.parametrize("path", ["/", "/api/start", "/play.js"])
def test_others_are_refused(ask, path, name, value):
    status, answer, own = ask(path, **{name: value})
    assert status in (400, 403) and "detail" in answer
    check_headers(own)


def test_the_token_becomes_a_cookie(ask, server):
    status, _, headers = ask(f"/?token={server.access.token}", Cookie=None)
    assert status == 303 and headers["Location"] == "/"
    cookie = headers["Set-Cookie"]
    assert server.access.token in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert ask("/?token=wrong", Cookie=None)[0] == 403


EXPLORER = SimpleNamespace(
    describe=lambda: {"is_daemon": threading.current_thread().daemon},
    answer=lambda *arguments: ["answer", *arguments],
    explain=lambda *arguments: ["explain", *arguments],
)


@pytest.mark.parametrize("server", [(None, EXPLORER)], indirect=True)
def test_a_page_asks_a_model(ask):
    assert b"explore.js" in ask("/")[1] and ask("/api/start")[0] == 404
    assert ask("/api/model")[:2] == (200, {"is_daemon": True})  # no program waits for an answer
    for name in ("answer", "explain"):
        for body, expected in ({"row": {"x": 1}}, 0), ({"row": {"x": 1}, "output": 2}, 2):
            assert ask(f"/api/{name}", body)[:2] == (200, [name, {"x": 1}, expected])
        status, answer, _ = ask(f"/api/{name}", {"row": [1]})
        assert status == 422 and 'must have the "row", an object' in answer["detail"]


FOREIGN = "pages/play.html play.html ../pyproject.toml %2e%2e/setup.py api/no tab.py widget.js"


@pytest.mark.parametrize("path", FOREIGN.split())
def test_no_other_file_is_served(ask, path):
    assert ask(f"/{path}")[0] == 404


SET = '{"do": "settings", "settings": {%s}}'
ONE_POINT = {"do": "points", "points": [[0, 0, 1]], "settings": {}}
WRONG_REQUESTS = [
    ("tabs", "[]", 422, "must be a JSON object"),
    ("tabs", "{", 422, "Expecting"),
    ("tabs", '{"state": {"step": 1e400}}', 422, "1e400 is not a finite number"),
    ("command?tab=none", '{"do": "seek", "step": NaN}', 422, "NaN is not a finite"),
    ("tabs", "[" * 100_000, 422, "the JSON is nested too deeply"),
    ("tabs", '{"x": [{"\\ud800": 1}]}', 422, "a lone surrogate"),
    ("tabs", "x" * (play_server.MAX_BODY + 1), 413, "1,000,000 bytes"),
    ("tabs", {"state": {"settings": [[0, {"n": 1}]]}}, 422, "n must be"),
    ("tabs", {"state": {"settings": [[0, {"data": "table"}]]}}, 422, "fastnn play TABLE"),
    ("command?tab=none", {"do": "play"}, 410, "Load the page again"),
    ("other", {}, 404, "no '/api/other'"),
    ("other", {}, 404, "/api/state, /api/network.safetensors."),  # all paths
    ("code?tab={tab}&kind=c", None, 422, "kind must be one of python, command, got 'c'"),
    ("command?tab={tab}", {"do": "fly"}, 422, "unknown command"),
    ("command?tab={tab}", {"do": "seek"}, 422, "needs 'step', a number"),
    ("command?tab={tab}", {"do": "select", "unit": [9, 0]}, 422, "layer must be"),
    ("command?tab={tab}", {"do": "settings", "settings": {"batch": 0}}, 422, "batch must be"),
    ("command?tab={tab}", SET % '"activations": ["cube"], "hidden": [1]', 422, "one of identity"),
    ("command?tab={tab}", SET % '"activations": ["tanh"], "hidden": [99]', 422, "units must be"),
    ("command?tab={tab}", ONE_POINT, 422, "both classes"),
]


@pytest.mark.parametrize(("path", "body", "status", "message"), WRONG_REQUESTS)
def test_wrong_requests(ask, tab, path, body, status, message):
    found, answer, _ = ask(f"/api/{path.format(tab=tab)}", body)
    assert found == status and message in answer["detail"]
    found, answer, _ = ask("/api/tabs", "{}", Content_Type="text/plain")
    assert found == 415 and "Content-Type" in answer["detail"]


def test_a_page_trains_pauses_and_goes_back(ask, server):
    _, tab, _ = ask("/api/tabs", {})
    name = tab["tab"]
    frames = stream(server, name)
    first = next(frames)
    assert first["step"] == 0 and not first["playing"]

    def command(**message):
        status, answer, _ = ask(f"/api/command?tab={name}", message)
        assert status == 200, answer
        return answer

    curve = []

    def until(condition):
        for frame in frames:
            curve[frame["losses"]["from"] :] = frame["losses"]["train"]
            assert len(curve) == frame["epoch"]
            if condition(frame):
                return frame

    command(do="stop", epochs=3)
    command(do="speed", steps=1000)
    command(do="play")
    assert until(lambda frame: frame["step"] > 0 and not frame["playing"])["epoch"] == 3
    command(do="stop", epochs=0)
    command(do="speed", steps=10)
    command(do="play")
    assert until(lambda frame: frame["epoch"] >= 30)["loss"] < first["loss"]
    command(do="pause")
    paused = until(lambda frame: not frame["playing"])
    command(do="seek", step=7)
    command(do="select", unit=[0, 1])
    back = until(lambda frame: "unit" in frame)
    assert back["step"] == 7 and back["last"] >= paused["step"]
    command(do="seek", step=paused["step"])
    again = until(lambda frame: frame["step"] == paused["step"])
    assert again["weights"] == paused["weights"] and again["loss"] == paused["loss"]
    command(do="settings", settings=tab["settings"] | {"lr": 0.5})
    command(do="epoch")
    assert until(lambda frame: frame["step"] > paused["step"])["lr"] in (0.01, 0.5)
    answer = command(do="settings", settings=tab["settings"] | {"hidden": [3], "lr": 0.5})
    assert answer["sizes"] == [2, 3, 1]
    assert until(lambda frame: frame["step"] == 0)["losses"]["from"] == 0
    frames.close()


def test_code_state_and_file(ask, tab):
    ask(f"/api/command?tab={tab}", {"do": "epoch"})
    assert "fastnn.MLP(" in ask(f"/api/code?tab={tab}&kind=python")[1]["code"]
    assert "fastnn play --state" in ask(f"/api/code?tab={tab}&kind=command")[1]["code"]
    state = ask(f"/api/state?tab={tab}")[1]
    assert state["step"] == 2 and "token" not in json.dumps(state)
    _, content, headers = ask(f"/api/network.safetensors?tab={tab}")
    assert b"safetensors" not in content[:8]
    assert headers["Content-Disposition"] == 'attachment; filename="network.safetensors"'
    check_headers(headers)


def test_a_page_of_many_networks(ask, server):
    body = {"state": STATE, "variation": "seeds"}
    _, opened, _ = ask("/api/tabs", body)
    assert opened["points"]["train"]["at"] and opened["losses"] == "two classes"
    frames = stream(server, opened["tab"])
    assert next(frames)["epoch"] == 0
    path = f"/api/command?tab={opened['tab']}"
    ask(path, {"do": "play"})
    assert next(frame for frame in frames if frame["epoch"] > 3)["playing"]
    ask(path, {"do": "pause"})
    state = ask(path, {"do": "open", "network": 5})[1]
    assert ask("/api/tabs", {"state": state})[1]["settings"]["seed"] == 5
    status, answer, _ = ask(f"/api/code?tab={opened['tab']}&kind=python")
    assert status == 404 and "Choose one" in answer["detail"]
    status, answer, _ = ask("/api/tabs", body | {"variation": "all"})
    assert status == 422 and "variation must be one of" in answer["detail"]
    frames.close()


def test_the_number_of_trainings_has_a_limit(ask, server):
    names = [ask("/api/tabs", {})[1]["tab"] for _ in range(19)]
    assert list(server.trainings) == names[3:]
    server.watched.update(server.trainings)
    assert "pages are open already" in ask("/api/tabs", {})[1]["detail"]


def test_a_training_goes_on_while_a_page_shows_it(ask, server, tab):
    pages = [stream(server, tab) for _ in range(2)]
    for page in pages:
        next(page)
    ask(f"/api/command?tab={tab}", {"do": "play"})
    pages[0].close()
    wait_until(lambda: len(server.server.server_state.connections) == 1)
    assert next(pages[1])["playing"] and server.trainings[tab].playing and tab in server.watched
    pages[1].close()
    wait_until(lambda: not server.watched)
    assert not server.trainings[tab].playing


def test_connections_leave_room_for_files():
    assert play_server.MAX_CONNECTIONS + SPARE < 256  # open files, by default on macOS


@pytest.mark.skipif(os.name != "posix", reason="signals are sent the POSIX way")
@pytest.mark.slow("test_a_page_trains_pauses_and_goes_back")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server(number):
    command = [sys.executable, "-m", "fastnn", "play", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("The page: http://127.0.0.1:")
    connection = http.client.HTTPConnection(line.split("/")[2], timeout=LIMIT)
    connection.request("GET", "/")
    assert connection.getresponse().status == 403  # it answers
    connection.close()
    process.send_signal(number)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode in (0, 130, 143) and errors == ""


@pytest.mark.parametrize("path", ["/", "/api/events"])
def test_a_browser_that_leaves_prints_nothing(server, tab, path, capfd, caplog):
    """Its connection is reset, with SO_LINGER 0, in an answer or after it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LIMIT) as connection:
        connection.sendall(request(server, f"{path}?tab={tab}"))
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        assert (tab in server.watched) == (path == "/api/events")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_until(lambda: not (server.server.server_state.connections or server.watched))
    assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.parametrize("error", [KeyError, ValueError, TypeError])
def test_a_bug_is_not_a_mistake_of_the_client(ask, tab, monkeypatch, caplog, error):
    def fail(*arguments):
        raise error("lr")

    monkeypatch.setattr(Playback, "advance", fail)
    status, answer, headers = ask(f"/api/command?tab={tab}", {"do": "step"})
    assert status == 500 and "The server failed" in answer["detail"]
    check_headers(headers)
    wait_until(lambda: "in fail" in caplog.text)  # the traceback


@pytest.mark.parametrize("table", ["", "none.csv --target y"])
def test_the_page_without_its_packages(run, monkeypatch, table):
    find_spec = "fastnn.cli.console.importlib.util.find_spec"
    monkeypatch.setattr(find_spec, lambda name: None if name == "starlette" else name)
    message = "the page needs starlette, which is not installed. Run: python -m pip install"
    result = 2, "", f'fastnn play: {message} "fastnn-mlp[web]"\n'
    assert run("play", "--no-browser", *table.split()) == result
    code, out, _ = run("play", "--state", json.dumps(STATE), "--out", "net.safetensors")
    assert code == 0 and out.startswith("Saved net.safetensors")


def test_a_bad_line_of_a_table(run):
    """`fastnn play` has no options for files: the message says which command has them."""
    pathlib.Path("bad.csv").write_text("a,b\n1,2\n3,4,5\n")
    code, _, error = run("play", "bad.csv", "--target", "a", "--no-browser")
    assert code == 2 and error.startswith("fastnn play: bad.csv, line 3: has 3 values")
    assert error.endswith("in quotes. fastnn train --skip-bad-lines leaves such lines out.\n")


class Program:
    """The server and the thread of a program that Ctrl-C ends."""

    def __init__(self, monkeypatch, has_browser):
        self.calls, self.address = [], "http://x"
        self.server = SimpleNamespace(should_exit=False, answer=object())
        monkeypatch.setattr("fastnn.cli.play.threading", SimpleNamespace(Thread=self.thread))
        monkeypatch.setattr(play_server, "PlayServer", self.make)
        monkeypatch.setattr(web_server, "print_errors", lambda: self.calls.append("errors"))
        monkeypatch.setattr("webbrowser.open", lambda url: self.calls.append(url) or has_browser)

    def make(self, *arguments):
        self.arguments = arguments
        return self

    def thread(self, target, daemon):
        self.calls.append((target is self.server.answer, daemon))
        return self

    def start(self):
        self.calls.append("start")

    def is_alive(self):
        return len(self.calls) < 6

    def join(self, seconds):
        self.calls.append((seconds, self.server.should_exit))
        if seconds == 0.2 and self.arguments[0] == 8000:
            raise KeyboardInterrupt


@pytest.mark.parametrize("has_browser", [True, False])
def test_the_program_of_a_page(run, monkeypatch, has_browser):
    program = Program(monkeypatch, has_browser)
    code, out, errors = run("play", "--port", "8000")
    assert (code, out) == (0, "The page: http://x\nCtrl-C ends it.\n\n")
    assert errors == ("" if has_browser else "No browser was found. Open the address yourself.\n")
    end = (1, True)
    assert program.calls == ["errors", (True, True), "start", "http://x", (0.2, False), end]
    assert program.arguments == (8000, {"step": 0, "settings": [[0, {}]]}, None, None)
    program = Program(monkeypatch, has_browser)  # whose server ends by itself
    assert run("play", "--no-browser") == (0, "The page: http://x\nCtrl-C ends it.\n", "")
    assert program.calls == ["errors", (True, True), "start", *[(0.2, False)] * 3, end]
    assert program.arguments[0] == 0


@each_row("""
    words | target | n_rows | note
    b.safetensors | b | 0 |
    b.safetensors new.csv --target y | y | 2 |
    m.safetensors city.csv | None | 1 | note: similar rows are found without 'a', which the table does not have
""")
def test_the_page_of_a_model(run, models, monkeypatch, words, target, n_rows, note):
    pathlib.Path("city.csv").write_text("city\nRom\n")
    table = read("table.csv").select(["a", "city", "n"])
    fastnn.TabularRegressor(1, hidden_layer_sizes=2).fit(table, "n").save("m.safetensors")
    program = Program(monkeypatch, True)
    run_of_model = run("play", *words.split(), "--no-browser")
    assert run_of_model == (0, "The page: http://x\nCtrl-C ends it.\n", note and f"{note}\n")
    *others, explorer = program.arguments
    assert others == [0, None, None] and explorer.name == words.split()[0]
    assert str(explorer.target) == target and explorer.notes == [note[6:]] * bool(note)
    assert (explorer.table.num_rows if explorer.table else 0) == int(n_rows)


@each_row("""
    rows | message
    x,y | the table has no column of the model, which reads 'a', 'city'. Pass a table like that of its
    a,city | column 'a' holds
""")
def test_a_table_that_a_model_cannot_read(run, models, rows, message):
    pathlib.Path("rows.csv").write_text(f"title\n{rows},z\nsoon,Rom,1\nnow,Rom,2\nlater,Rom,3\n")
    note, error = run.error("play", "b.safetensors", "rows.csv", "--no-browser").splitlines()
    assert note == "note: rows.csv: 1 line before the column names left out ('title')"
    assert error.startswith(f"fastnn play: b.safetensors: {message}")


def test_a_port_in_use_is_an_error(run, server):
    code, _, error = run("play", "--no-browser", "--port", str(server.port))
    assert code == 2 and f"port {server.port} cannot be used" in error
