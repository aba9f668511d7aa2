"""Checks on demand: the measurements of docs/guarantees.md, each in minutes to hours.

    python -m pip install nox
    nox --list              the sessions
    nox -s gradients        one of them
    nox -s forks -- 10      with 10 times the cases of the usual tests

`.ci/run` runs the same tests with fewer cases. nox is not needed for it.
"""

from pathlib import Path

import nox

nox.options.sessions = []  # none without a name
nox.options.reuse_existing_virtualenvs = True

TESTS = {  # session: (times the usual number of cases, tests)
    "gradients": (28, ["tests/networks/test_gradients.py"]),
    "invariance": (150, ["tests/training/test_fresh_processes.py"]),
    "promises": (
        20,
        [
            "tests/training/test_promises.py",
            "tests/training/test_many_sweep.py",
            "tests/training/test_interrupted_anywhere.py",
        ],
    ),
    "stream": (20, ["tests/training/test_stream_memory.py"]),
    "memory": (50, ["tests/training/test_threads.py", "-k", "memory"]),
    "allocations": (5, ["tests/training/test_memory_errors.py"]),
    "forks": (68, ["tests/training/test_threads.py", "-k", "fork or predict"]),
    "hooks": (8, ["tests/training/test_calls_in_hooks.py"]),
    "kills": (34, ["tests/bytes/test_save_crashes.py"]),
    "dask": (50, ["tests/training/test_dask_cluster.py", "-k", "killed"]),
    "rank_kills": (17, ["tests/training/test_mpi.py", "tests/training/test_torch_ranks.py"]),
    "damage": (
        2000,
        [
            "tests/bytes/test_damaged_files.py",
            "tests/bytes/test_collection_file.py",
            "tests/tabular/test_tabular_file.py",
            "-k",
            "truncation or flipped",
        ],
    ),
    "round_trips": (52, ["tests/tabular/test_round_trips.py"]),
    "hostile_files": (
        8,
        [
            "tests/bytes/test_foreign_text.py",
            "tests/bytes/test_file_memory.py",
            "tests/bytes/test_file_limits.py",
            "tests/bytes/test_table_sources.py",
        ],
    ),
}


def install(session, *packages):
    """Build fastnn in place, so that the tests run on the checkout."""
    session.install("-e", ".[test]", *packages)


def add_session(name, scale, arguments):
    @nox.session(name=name)
    def run(session):
        install(session)
        factor = int(session.posargs[0]) if session.posargs else scale
        session.run(
            "python", "-m", "pytest", "--all", *arguments, env={"FASTNN_TEST_SCALE": str(factor)}
        )

    run.func.__doc__ = f"{' '.join(arguments)}: {scale} times the usual cases"


for name, (scale, arguments) in TESTS.items():
    add_session(name, scale, arguments)


@nox.session(name="all")
def every_case(session):
    """All tests, with every combination of parameters."""
    install(session)
    session.run("python", "-m", "pytest", "--all", *session.posargs)


@nox.session
def newest(session):
    """Tests with the newest packages and pre-releases: their warnings of the future are errors, also
    in the commands and programs that the tests start."""
    session.install("--pre", "--upgrade", "--upgrade-strategy", "eager", "-e", ".[test]")
    kinds = "FutureWarning", "DeprecationWarning", "PendingDeprecationWarning"
    session.run(
        *("python", "-m", "pytest", *session.posargs),
        env={"PYTHONWARNINGS": ",".join(f"error::{kind}" for kind in kinds)},
    )


@nox.session(python="3.11")
def oldest(session):
    """Tests with the oldest supported packages. Their own warnings, long known, are ignored."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    extras = project["optional-dependencies"]
    # what users need, and the libraries of data frames; tools of tests are the newest
    used = [each for name in extras if name not in ("all", "docs", "test") for each in extras[name]]
    used += [
        each for each in extras["test"] if each.startswith(("pandas", "polars", "safetensors"))
    ]
    bounds = {}
    for each in [*project["dependencies"], *used]:
        name, bound = each.split(";")[0].strip().split(">=")
        bounds[name] = bound  # the last is the highest: scikit-learn's of the extra plot
    del bounds["mpi4py"]  # its 4.0 has no wheel
    session.install("--only-binary", ":all:", *(f"{name}=={bounds[name]}" for name in bounds))
    tools = "pytest pytest-benchmark pytest-xdist hypothesis mpmath meson ninja onnxruntime"
    session.install(*tools.split(), "Cython>=3.1", "setuptools>=77")
    session.install("--no-build-isolation", "--no-deps", "-e", ".")
    ignored = "DeprecationWarning", "FutureWarning", "PendingDeprecationWarning"
    session.run(
        *("python", "-m", "pytest", *(f"-Wignore::{kind}" for kind in ignored)),
        *session.posargs,
    )


@nox.session
def dask_memory(session):
    """Fits on 2 GB of rows made on the fly, or `-- ROWS`, with Dask workers of 512 MB."""
    install(session)
    session.run("python", "tests/on_demand/dask_memory.py", *session.posargs)


@nox.session
def floats(session):
    """Elementwise functions and losses of logits on all 2^32 float32 numbers."""
    install(session)
    session.run("python", "tests/on_demand/all_floats.py", *session.posargs)


@nox.session
def pytorch(session):
    """Gradients of 5,000 random networks for each instruction set, beside PyTorch's."""
    install(session, "torch")
    session.run(
        *("python", "-m", "pytest", "--all", "tests/on_demand/pytorch_gradients.py"),
        env={"FASTNN_TEST_SCALE": "50"},
    )


@nox.session
def fuzz(session):
    """Fuzz the readers of model files for ten minutes, or `-- SECONDS`."""
    install(session, "atheris")
    session.run("python", "tests/on_demand/fuzz_model_files.py", *(session.posargs or ["600"]))


@nox.session
def interruptions(session):
    """Ctrl-C at every point of Python code, and delays between Ctrl-C and the end of a call."""
    install(session)
    session.run(
        *("python", "-m", "pytest", "--all", "tests/training/test_interruption_sweep.py"),
        env={"FASTNN_TEST_SCALE": "60"},
    )
    session.run("python", "bench/interruptions.py", *session.posargs)


@nox.session
def mutants(session):
    """Small changes of the code: does a test fail? `-- --seed 2` for other changes."""
    install(session, "coverage>=7.10")
    session.run("python", "tests/on_demand/mutants.py", *session.posargs)


@nox.session
def c_coverage(session):
    """Lines and branches of src/ that no test reaches, by gcov."""
    install(session)
    session.run("python", "tests/on_demand/c_coverage.py", *session.posargs)


@nox.session
def same_work(session):
    """The check that all peers of the benchmarks do the same work, on every row."""
    install(session)
    session.run(
        *("python", "-m", "pytest", "bench/bench_programs.py", "-k", "learning_rate"),
        env={"FASTNN_TEST_SCALE": "2"},
    )


@nox.session
def elsewhere(session):
    """Compile the C code for macOS, Windows, musl and AArch64; nothing is run."""
    install(session, "ziglang")
    session.run("python", "setup.py", "build_ext", "--inplace")
    session.run("python", "tests/on_demand/compile_elsewhere.py")


@nox.session
def aarch64(session):
    """The recorded bits and the kernels on AArch64: cross-compiled, under qemu. Debian only."""
    session.run("bash", ".ci/aarch64", *session.posargs, external=True)


@nox.session
def frozen(session):
    """A program that PyInstaller freezes finds every instruction set, and the estimators."""
    session.install(".[sklearn]", "pyinstaller")
    session.run("python", "tests/on_demand/frozen_program.py")


@nox.session
def wheel(session):
    """Wheels for this Python and for later ones: equal bytes of two builds, ABI, size, golden bits."""
    session.run("bash", ".ci/wheel", external=True)


@nox.session
def sanitizers(session):
    """All tests under AddressSanitizer and UBSan; kernels and threads under LeakSanitizer and TSan."""
    install(session)
    for arguments in (["address", "all"], ["leak"], ["thread"]):
        session.run("bash", ".ci/sanitize", *arguments, external=True)


@nox.session
def valgrind(session):
    """Kernels, training and files under valgrind, which must be installed."""
    install(session)
    session.run(
        *("valgrind", "--error-exitcode=9", "--leak-check=no", "--quiet"),
        *(f"{session.bin}/python", "tests/on_demand/valgrind_smoke.py"),
        env={"PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"},
        external=True,
    )


@nox.session(python=["3.13t", "3.14t"])
def free_threading(session):
    """Tests of threads in a Python without the GIL, which must be installed."""
    session.install("--only-binary", ":all:", "numpy", "pytest", "pytest-xdist", "pytest-benchmark")
    session.install(
        "--only-binary", ":all:", "hypothesis", "mpmath", "Cython>=3.1", "setuptools>=77"
    )
    session.install("--no-build-isolation", "-e", ".")
    files = (
        "concurrency threads many training core mlp network workspace trainer twin callbacks golden"
    )
    session.run(
        *(
            "python",
            "-m",
            "pytest",
            *(str(next(Path("tests").rglob(f"test_{name}.py"))) for name in files.split()),
        ),
        env={"FASTNN_TEST_SCALE": "10"},
    )


@nox.session
def large(session):
    """Arrays of more than 2^31 elements, with 12 GB of free memory."""
    install(session)
    session.run("python", "-m", "pytest", "--all", "-n", "0", "tests/on_demand/large_arrays.py")


@nox.session
def calls(session):
    """Random calls of every public name for two hours, or `-- --seconds SECONDS`."""
    install(session)
    arguments = session.posargs or ["--seconds", "7200"]
    session.run("python", "tests/on_demand/random_calls.py", *arguments)


@nox.session
def companions(session):
    """Tools that take any estimator of scikit-learn: SHAP, LIME, MAPIE, skops and others."""
    install(session, "shap", "lime", "mapie", "skops")
    session.run("python", "-m", "pytest", "--all", "tests/estimators/test_companions.py")


@nox.session
def soak(session):
    """Mixed use for ten minutes, or `-- SECONDS`: memory stays flat."""
    install(session)
    session.run("python", "tests/on_demand/soak.py", *(session.posargs or ["600"]))
