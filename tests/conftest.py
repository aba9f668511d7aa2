"""Fixtures of all tests: instruction sets and dtypes. The summary says on which of them tests ran,
with which optional packages and which sanitizers."""

import gc
import os
import textwrap
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import find, settings, strategies
from thread_trials import begin_at_once

import fastnn
from fastnn import MLP, SGD, EarlyStopping, kernels
from fastnn.activations import ACTIVATIONS
from fastnn.core.threads import ThreadChoice
from fastnn.schedules import ReduceOnPlateau

pytest_plugins = ["selection"]

settings.register_profile("fastnn", derandomize=True, deadline=None, print_blob=False)
settings.load_profile("fastnn")

FORCED = os.environ.get("FASTNN_ISA")
VARIANTS = [FORCED] if FORCED else list(kernels.SUPPORTED)
DTYPES = {"float32": np.dtype("float32"), "float64": np.dtype("float64")}
PACKAGES = [
    *("numpy", "scipy", "scikit-learn", "pandas", "polars", "pyarrow", "openpyxl", "onnx"),
    *("onnxruntime", "torch", "matplotlib", "rich", "safetensors", "mpmath", "hypothesis"),
]
TOLERANCES = {"float32": 2e-5, "float64": 2e-13}

ran = Counter()  # (instruction set, dtype or "other") -> number of tests that ran on it


@pytest.fixture(autouse=True, scope="session")
def thread_trials():
    """Try several threads in the second slice. Returns the options of trials that users have."""
    options = begin_at_once()
    yield options
    for name, value in options.items():
        setattr(ThreadChoice, name, value)
    kernels.await_all_helpers(False)


@pytest.fixture(params=VARIANTS)
def isa(request):
    """The instruction set of this test: each one that this CPU supports, or that of FASTNN_ISA."""
    before = kernels.CHOSEN
    kernels.use(request.param)
    assert kernels.CHOSEN == request.param
    dtype = request.node.callspec.params.get("dtype", "other")
    request.node.user_properties.append(("ran on", (request.param, dtype)))
    yield request.param
    kernels.use(before)


@pytest.fixture(params=DTYPES)
def dtype(request):
    return DTYPES[request.param]


@pytest.fixture(params=ACTIVATIONS)
def activation(request):
    """Every activation by name, softmax among them."""
    return request.param


@pytest.fixture
def tolerance(dtype):
    """The relative error allowed for a function of a sum of some hundred terms."""
    return TOLERANCES[dtype.name]


@pytest.fixture
def eps(dtype):
    """The distance from 1 to the next number: twice the largest relative error of one rounding."""
    return float(np.finfo(dtype).eps)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def assert_derivative():
    """assert_derivative(gradient, f, x): compare gradient with central differences of 4th order
    of f(), which reads x; to 1e-7 of the largest number."""

    def check(gradient, f, x, h=1e-3):
        expected = np.empty_like(x)
        for i in np.ndindex(x.shape):
            x0, values = x[i], []
            for step in (-2, -1, 1, 2):
                x[i] = x0 + step * h
                values.append(f())
            x[i] = x0
            expected[i] = np.dot([1, -8, 8, -1], values) / (12 * h)
        assert gradient.shape == x.shape
        assert np.abs(gradient - expected).max() <= 1e-7 * np.abs(expected).max()

    return check


@pytest.fixture
def sizes_with_signal_checks():
    """Layer sizes such that a step of 256 rows checks for signals (above 10 ms by the trainer's
    estimate), yet updates in phase B (below 25 ms).

    Most of its time passes between the last check of phase A and the first of phase B, when the
    lower layer is not updated yet."""
    rate = {"avx512": 64, "avx2": 32}.get(kernels.CHOSEN, 8)  # multiply-adds a ns
    width = int((16e6 / 256 * rate / 3) ** 0.5)
    return [8, width, width]


@pytest.fixture
def net_stopped_within_an_epoch():
    """net_stopped_within_an_epoch(**options of MLP): a network with an order and a row in its state."""

    def make(**options):
        X = np.random.default_rng(1).normal(size=(70, 3))
        net = MLP([3, 4, 1], rng=0, **options)
        net.fit(X, X[:, 0], epochs=2, batch_size=8)
        net.state.row, net.state.loss_sum, net.state.order = 16, 1.25, net.rng.permutation(70)
        return net

    return make


@pytest.fixture
def net_with_full_state():
    """net_with_full_state(**options of MLP): an average, a plateau, a best epoch, seeds,
    and an epoch that was stopped."""

    def make(**options):
        X = np.random.default_rng(1).normal(size=(70, 3))
        net = MLP([3, 4, 1], rng=0, dropout=[0.1, 0.2], **options)
        optimizer = SGD(ReduceOnPlateau(0.3, patience=0, min_delta=0.5), clip_norm=1.0, average=0.9)
        net.fit(
            X,
            X[:, 0],
            "huber",
            optimizer,
            3,
            8,
            validation_fraction=0.3,
            callbacks=EarlyStopping(2),
        )
        net.state.row, net.state.loss_sum, net.state.order = 16, 1.25, net.rng.permutation(49)
        state = net.state
        assert (
            state.seed
            and state.split_seed
            and state.plateau.lr < 0.3
            and state.best
            and state.params is not None
        )
        return net

    return make


@pytest.fixture
def quick_recipe(monkeypatch):
    """quick_recipe(n_epochs): networks of estimators for tables train for so many epochs, 2 without
    a call. `fit` does not compare splits of the rows, which takes longer than that."""
    return set_epochs_by(monkeypatch)


@pytest.fixture(scope="module")
def quick_module():
    """Like `quick_recipe` for all tests of a module, and for fitted models that they share."""
    with pytest.MonkeyPatch.context() as patch:
        yield set_epochs_by(patch)


@pytest.fixture
def compared_splits(quick_recipe, monkeypatch):
    """Like `quick_recipe`, but `fit` compares splits of the rows, however long that takes."""
    from fastnn.tabular import split_check

    monkeypatch.setattr(split_check, "MAX_SECONDS", np.inf)
    return quick_recipe


def set_epochs_by(monkeypatch):
    pytest.importorskip("sklearn", reason="estimators for tables need the extra sklearn")
    from fastnn.tabular import split_check
    from fastnn.tabular.fitting import recipe

    def set_epochs(n_epochs):
        monkeypatch.setattr(recipe, "n_epochs", lambda configuration, n: n_epochs)

    set_epochs(2)
    monkeypatch.setattr(split_check, "MAX_SECONDS", 0)
    return set_epochs


@pytest.fixture
def interrupt_after_a_fold(monkeypatch):
    """interrupt_after_a_fold(n_folds=1): Ctrl-C arrives in the next fit of an estimator for tables, as
    soon as so many folds are done. Returns a context that expects it."""
    pytest.importorskip("sklearn", reason="estimators for tables need the extra sklearn")
    from fastnn.tabular.fitting.out_of_fold import OutOfFold

    update = OutOfFold.update

    def set_number(n_folds=1):
        def interrupt(self):
            update(self)
            if len(self.done) >= n_folds:
                monkeypatch.setattr(OutOfFold, "update", update)
                raise KeyboardInterrupt

        monkeypatch.setattr(OutOfFold, "update", interrupt)
        return pytest.raises(KeyboardInterrupt)

    return set_number


@pytest.fixture(params=["threads", pytest.param("processes", marks=pytest.mark.slow("threads"))])
def workers(request):
    """An executor of two threads, or of two processes that are spawned."""
    processes = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    with (ThreadPoolExecutor if request.param == "threads" else processes)(2) as executor:
        yield executor


@pytest.fixture
def calls_of(monkeypatch):
    """calls_of(owner, name) -> the arguments of each call from now on, a list of tuples."""

    def watch(owner, name):
        function, seen = getattr(owner, name), []

        def record(*args, **options):
            seen.append(args)
            return function(*args, **options)

        monkeypatch.setattr(owner, name, record)
        return seen

    return watch


@pytest.fixture
def reload(tmp_path):
    """reload(model, **options of save) -> the model that fastnn.load reads from tmp_path / "model"."""

    def save_and_load(model, **options):
        model.save(tmp_path / "model", **options)
        return fastnn.load(tmp_path / "model")

    return save_and_load


@pytest.fixture
def file(tmp_path):
    """file(name, text or bytes) -> path"""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def table(file):
    """table(text, **options) -> ({column: values}, notes without the path)"""
    from table_media import columns_with_notes

    return lambda text, **options: columns_with_notes(file("a.csv", text), **options)


@pytest.fixture
def workbook(tmp_path):
    """workbook({sheet: rows}) -> path of an Excel file"""
    openpyxl = pytest.importorskip("openpyxl", reason="the extra excel is not installed")

    def write(sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / "a.xlsx")
        return str(tmp_path / "a.xlsx")

    return write


def pytest_configure():
    """Workers compute NumPy's matrix products in one thread: more would wait in loops for those of
    the other workers. argparse looks for no translations of its texts."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ["LANGUAGE"] = "C"


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_disks():
    """Files that the tests themselves save need not survive a loss of power. Other processes wait
    for the disk, as users do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect no garbage among thousands of cases, neither now nor in the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        # In its first run, hypothesis looks for references to its generator, which it does not find
        # among frozen objects.
        find(strategies.none(), lambda _: True)
        gc.collect()
        gc.freeze()


def pytest_xdist_auto_num_workers(config):
    """Run in one process, whose output can be seen, with `-s` and when single tests are named."""
    if config.option.capture == "no" or any("::" in argument for argument in config.args):
        return 0
    return None  # as many as the machine has cores


def pytest_runtest_logreport(report):
    """Count the tests of each variant, in the process that the workers report to."""
    if report.when == "call" and not report.skipped:
        ran.update(tuple(ran_on) for name, ran_on in report.user_properties if name == "ran on")


def pytest_report_header():
    forced = f" (FASTNN_ISA={FORCED})" if FORCED else ""
    return (
        f"fastnn: built for {', '.join(kernels.BUILT)}; this CPU runs {', '.join(kernels.SUPPORTED)}; "
        f"tested: {', '.join(VARIANTS)}{forced}; {kernels.COMPILER}"
    )


def installed_packages():
    """The packages that tests use: those installed, with versions, and the names of the others."""
    installed, missing = [], []
    for name in PACKAGES:
        try:
            installed.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    return ", ".join(installed), ", ".join(missing) or "none"


def loaded_sanitizers():
    """The names of the sanitizers in this process, on Linux."""
    maps = Path("/proc/self/maps")
    libraries = maps.read_text("utf-8") if maps.exists() else ""
    return [name for name in ("asan", "ubsan", "tsan") if f"/lib{name}." in libraries]


def pytest_terminal_summary(terminalreporter):
    terminalreporter.section("environment", sep="-")
    installed, missing = installed_packages()
    for line in textwrap.wrap(f"packages: {installed}", 80, break_on_hyphens=False):
        terminalreporter.line(line)
    terminalreporter.line(f"not installed: {missing}")
    terminalreporter.line(f"sanitizers: {', '.join(loaded_sanitizers()) or 'none'}")
    if not ran:
        return
    terminalreporter.section("kernel variants", sep="-")
    for isa in kernels.BUILT:
        counts = [f"{name} {ran[isa, name] or 'NO'} tests" for name in (*DTYPES, "other")]
        remark = "" if isa in kernels.SUPPORTED else "   (this CPU cannot run it)"
        terminalreporter.line(f"{isa:10} {', '.join(counts)}{remark}")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*arguments) of the command line -> (exit code, standard output, standard error).

    run.ok, run.output and run.notes -> both outputs, or one of them, of a command that succeeds;
    run.error -> the standard error of one that fails. The working directory is empty, and the
    terminal has 80 columns.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        from fastnn import cli

        try:
            code = cli.main(list(arguments))
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    def of_exit(expected, *parts):
        def outputs(*arguments):
            code, *found = run(*arguments)
            assert code == expected, found
            return found[parts[0]] if parts else found

        return outputs

    run.ok, run.output, run.notes = of_exit(0), of_exit(0, 0), of_exit(0, 1)
    run.error = of_exit(2, 1)
    return run
