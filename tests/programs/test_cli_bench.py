"""fastnn bench: it compares speeds only of libraries that compute the same."""

import io
import json
import re
import sys
from types import SimpleNamespace
from unittest import mock

import numpy as np
import processes
import pytest
from cli_cases import Terminal

import fastnn
from fastnn import reference
from fastnn.cli import bench


@pytest.fixture
def run(run, monkeypatch):
    for name in bench.THREAD_VARIABLES:  # otherwise the benchmark continues in a new process
        monkeypatch.setenv(name, "1")
    return lambda *arguments: run("bench", *arguments)


@pytest.fixture
def small(monkeypatch):
    """Small networks, and no other libraries."""
    monkeypatch.setattr(bench, "NETWORKS", (([5, 4, 1], 32), ([5, 4, 3], 256)))
    monkeypatch.setattr(bench, "MIN_BLOCK_SECONDS", {"step": 1e-3, "row": 1e-4})
    monkeypatch.setattr(bench, "LIBRARIES", {"fastnn": bench.Fastnn, "reference": bench.Reference})


def test_the_screen(run, small):
    code, out, errors = run("--seconds", "0.01")
    assert (code, errors) == (0, "") and max(map(len, out.splitlines())) <= 80
    first = f"fastnn         {fastnn.__version__}, {fastnn.kernels.CHOSEN}"
    assert out.startswith(f"{first}\ncompared with  reference (NumPy {np.__version__})")

    def found(pattern):
        return re.findall(f"^{pattern}$", out, re.M)

    assert len(found(r"peak +[1-9]\d* GFLOP/s: multiply-adds in registers.*")) == 1
    shares = found(r"  fastnn's step: [\d.]+ GFLOP/s, ([\d.]+) % of the peak")
    assert len(shares) == 2 and all(0 < float(share) < 100 for share in shares)
    assert "one thread" in out and "losses and outputs agree" in out
    assert len(found(r"5-4-[13], batch size (?:32|256) +step +rows/s +ratio +one row +ratio")) == 2
    rows = found(r"  (\S+) +([\d.]+) (us|ms) +([\d,]+) +([\d.]+) +([\d.]+) (us|ms) +([\d.]+)")
    assert [row[0] for row in rows] == ["fastnn", "reference"] * 2
    assert all(row[4] == row[7] == "1.0" for row in rows[::2])
    assert all(float(row[4]) > 1 and float(row[7]) > 1 for row in rows[1::2])


def test_json(run, small):
    code, out, _ = run("--seconds", "0.01", "--json")
    report = json.loads(out)
    versions = {"fastnn": fastnn.__version__, "reference": f"NumPy {np.__version__}"}
    facts = dict(isa=fastnn.kernels.CHOSEN, dtype="float32", threads=1, versions=versions)
    first, second = report.pop("networks")
    assert code == 0 and report == facts | {"peak_flops": report["peak_flops"]}
    assert (first["layer_sizes"], first["batch_size"]) == ([5, 4, 1], 32)
    assert second["layer_sizes"] == [5, 4, 3]
    ours, theirs = (first["libraries"][name] for name in ("fastnn", "reference"))
    flops, seconds = first["flops_a_step"], ours["seconds_a_step"]
    assert flops == bench.count_flops([5, 4, 1], 32) and ours["row_ratio"] == 1
    assert ours["peak_share"] == pytest.approx(flops / seconds / report["peak_flops"])
    assert ours["rows_per_second"] == pytest.approx(32 / seconds)
    assert theirs["step_ratio"] == pytest.approx(theirs["seconds_a_step"] / seconds)


@pytest.mark.parametrize(("other", "module"), [("scikit-learn", "sklearn"), ("PyTorch", "torch")])
@pytest.mark.parametrize(("sizes", "batch"), [([30, 32, 1], 32), ([30, 8, 8, 5], 64)])
def test_other_libraries_do_the_same_work(other, module, sizes, batch):
    pytest.importorskip(module, reason=f"{other} is not installed")
    classes = {name: bench.LIBRARIES[name] for name in ("fastnn", "reference", other)}
    libraries, rows = bench._set_up(classes, sizes, batch)
    assert (len(libraries[other].data[0]), rows.shape) == (8192, (1000, 30))
    assert bench._find_difference(libraries, rows) is None
    for library in libraries.values():
        library.one_row(rows[:1])()


OUTPUTS = [(1, "BCEWithLogitsLoss", "sigmoid"), (2, "CrossEntropyLoss", "softmax")]


@pytest.mark.parametrize(("n_out", "loss", "output"), OUTPUTS)
def test_what_pytorch_gets(monkeypatch, n_out, loss, output):
    """Of a made-up one: PyTorch need not be installed."""
    torch = mock.MagicMock()
    torch.from_numpy.return_value.__len__.return_value = 8
    monkeypatch.setitem(sys.modules, "torch", torch)
    net, X, y = fastnn.MLP([3, 4, n_out], rng=0), np.ones((8, 3), "f"), np.arange(8) % 2
    library = bench.Torch(net, X, y, 4)
    torch.set_num_threads.assert_called_once_with(1)
    assert torch.nn.Linear.call_args_list == [mock.call(3, 4), mock.call(4, n_out)]
    layers = torch.nn.Linear.return_value, torch.nn.ReLU.return_value
    torch.nn.Sequential.assert_called_once_with(*layers, layers[0])
    torch.optim.SGD.assert_called_once_with(library.model.parameters.return_value, lr=0.01)
    *_, inputs, targets = (each.args[0] for each in torch.from_numpy.call_args_list)
    assert inputs is X and np.array_equal(targets, y[:, None] if n_out == 1 else y)
    loss = getattr(torch.nn, loss).return_value.return_value
    torch.zeros.return_value = np.float32(0)
    loss.detach.return_value = np.float32(3)
    assert library.train(2) == [3, 3]  # means of two batches
    for step in library.optimizer.zero_grad, loss.backward, library.optimizer.step:
        assert step.call_count == 4
    rows = [each.args[0] for each in torch.from_numpy.return_value.__getitem__.call_args_list]
    assert rows == 2 * [*[slice(0, 4)] * 2, *[slice(4, 8)] * 2]
    output = getattr(torch, output)
    assert library.predict(X) is output.return_value.numpy.return_value
    assert library.one_row(X)() is output.return_value
    output.assert_called_with(library.model.return_value, *[1] * (n_out - 1))


def test_the_networks_of_the_bench():
    sizes = [30, 32, 1], [30, 64, 64, 1], [28, 256, 256, 1], [784, 128, 10], [784, 512, 512, 10]
    assert bench.NETWORKS == tuple(zip(sizes, (32, 32, 256, 128, 256), strict=True))


@pytest.fixture
def clock(monkeypatch):
    """The clock of the bench, which only tests move: `clock.now`."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def timed(clock, epoch, row):
    """A library whose epochs and rows take this long, but the first epochs a little longer."""

    def train(n):
        library.epochs.append(n)
        clock.now += n * epoch * (1.001 if len(library.epochs) < 4 else 1)

    def predict():
        library.n_rows += 1
        clock.now += row

    library = SimpleNamespace(data=[np.empty(64)], epochs=[], n_rows=0, train=train)
    library.one_row = {(7,): predict}.get
    return library


@pytest.mark.parametrize(("seconds", "rounds", "rounds_of_rows"), [(0.1, 5, 4), (0.0, 2, 2)])
def test_the_best_of_some_blocks_counts(clock, seconds, rounds, rounds_of_rows):
    """Those of training take at least 5 ms, and those of single rows 2 ms."""
    ours, theirs = timed(clock, 2**-9, 2**-11), timed(clock, 2**-8, 2**-10)
    found = bench._measure({"fastnn": ours, "other": theirs}, (7, 8), 32, seconds)
    names = "seconds_a_step rows_per_second seconds_for_one_row step_ratio row_ratio".split()
    expected = [2**-10, 2**15, 2**-11, 1, 1], [2**-9, 2**14, 2**-10, 2, 2]
    values = [[each[name] for name in names] for each in found.values()]
    assert [*found] == ["fastnn", "other"] and values == [pytest.approx(row) for row in expected]
    assert ours.epochs == [1, 2, 4, *[4] * rounds] and theirs.epochs == [1, 2, *[2] * rounds]
    assert (ours.n_rows, theirs.n_rows) == (15 + 8 * rounds_of_rows, 7 + 4 * rounds_of_rows)


def test_the_peak_is_that_of_the_best_block(clock, monkeypatch):
    blocks = []

    def multiply_adds(factor_and_addend, n):
        blocks.append((factor_and_addend.tolist(), n))
        factor_and_addend[0] = 3
        clock.now += 2**-7 if len(blocks) == 500 else 1
        return 2 * n

    monkeypatch.setattr(bench.kernels, "multiply_adds", multiply_adds)
    assert bench._measure_peak() == 2 * 20_000_000 * 2**7
    assert blocks == [([1, 0], 10_000_000)] * 1000


def test_flops_of_a_step_are_those_of_its_products():
    # layer 1: outputs and dW; layer 2: also the gradient of its inputs
    assert bench.count_flops([5, 4, 3], 10) == 2 * 10 * (2 * 5 * 4 + 3 * 4 * 3)


DIFFERENT_WORK = [
    ("fit", lambda losses: [1.01 * loss for loss in losses], "a loss differs by 1 %"),
    ("fit", lambda losses: [float("nan")] * 2, "a loss differs by nan"),
    ("forward", lambda P: P + 0.01, "a probability differs by "),
]


@pytest.mark.parametrize(("name", "change", "message"), DIFFERENT_WORK)
def test_no_speed_is_shown_where_the_work_differs(run, small, monkeypatch, name, change, message):
    right = getattr(reference, name)
    monkeypatch.setattr(reference, name, lambda *a, **k: change(right(*a, **k)))
    code, out, errors = run()
    assert code == 1 and " us " not in out and errors.endswith(". No times are compared.\n")
    start = "fastnn bench: 5-4-1, batch size 32: fastnn and reference disagree: "
    assert errors.startswith(start + message)


def test_missing_libraries_are_named(run, small, monkeypatch):
    libraries = {**bench.LIBRARIES, "scikit-learn": None, "PyTorch": None}
    monkeypatch.setattr(bench, "LIBRARIES", libraries)
    absent = mock.Mock(side_effect=bench.metadata.PackageNotFoundError)
    monkeypatch.setattr(bench.metadata, "version", absent)
    code, out, _ = run("--seconds", "0.01")
    assert code == 0 and "\nnot installed  scikit-learn, PyTorch\n" in out


@pytest.mark.parametrize("is_busy", [True, False])
def test_ctrl_c_ends_the_new_process(monkeypatch, is_busy):
    """Also one that is too busy to end."""
    start = mock.MagicMock()
    child = start.return_value.__enter__.return_value
    end = bench.subprocess.TimeoutExpired("", 2) if is_busy else 0
    child.wait.side_effect = KeyboardInterrupt, end
    monkeypatch.setattr(bench.subprocess, "Popen", start)
    assert bench._rerun_single_threaded(1.0, False) == 130
    assert child.mock_calls == [mock.call.wait(), mock.call.wait(2), mock.call.terminate()]


@pytest.mark.parametrize(("status", "code"), [(0, 0), (2, 2), (-9, 128 + 9)])
def test_the_new_process_ends_with_a_status_or_by_a_signal(monkeypatch, status, code):
    start = mock.MagicMock()
    start.return_value.__enter__.return_value.wait.return_value = status
    monkeypatch.setattr(bench.subprocess, "Popen", start)
    assert bench._rerun_single_threaded(1.0, False) == code


@pytest.mark.parametrize(("stream", "shown"), [(Terminal, "text\r    \r"), (io.StringIO, "")])
def test_a_terminal_shows_what_is_measured(monkeypatch, stream, shown):
    monkeypatch.setattr("sys.stderr", stream())
    with pytest.raises(ValueError, match="stop"), bench._status("text"):
        assert bench.sys.stderr.getvalue() == shown[:5]
        raise ValueError("stop")
    assert bench.sys.stderr.getvalue() == shown


def test_durations_in_words():
    words = [bench._format_duration(seconds) for seconds in (4.123e-7, 1.23456e-5, 0.00123)]
    assert words == ["0.41 us", "12.3 us", "1.23 ms"]


def test_libraries_get_one_thread_in_a_new_process():
    code = """
import os, sys
from fastnn.cli import bench
for name in bench.THREAD_VARIABLES:
    os.environ.pop(name, None)
bench.subprocess.Popen = type("Popen", (bench.subprocess.Popen,), {"__init__": lambda self, command, env: (
    print({name: env[name] for name in bench.THREAD_VARIABLES}, command[2], flush=True),
    bench.subprocess.sys.stdout.flush(),
    type(self).__mro__[1].__init__(self, [sys.executable, "-c", "import sys; sys.exit(7)"]))[-1]})
from fastnn import cli
sys.exit(cli.main(["bench", "--json", "--seconds", "3"]))
"""
    result = processes.run(code)
    assert result.returncode == 7, result.stderr
    assert all(f"'{name}': '1'" in result.stdout for name in bench.THREAD_VARIABLES)
    assert "main(['bench', '--seconds', '3.0', '--json'])" in result.stdout
