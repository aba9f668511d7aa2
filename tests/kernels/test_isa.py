"""Instruction sets: AVX2, AVX-512 and NEON give the same bits, FASTNN_ISA forces one, and a broken
variant is an error. The baseline of x86-64 has no FMA: it multiplies, then adds, and gives other
bits.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import processes
import pytest
from checks import assert_same_bits
from instruction_sets import FORCED, assert_same_on_every_variant, same_bits, using

import fastnn
from fastnn import MLP, SGD, Adam, kernels
from fastnn import functional as F
from fastnn.activations import ACTIVATIONS, HIDDEN

SHAPES = [(1, 1, 1), (3, 17, 1), (7, 5, 33), (8, 1, 9), (9, 33, 2), (16, 16, 16), (40, 100, 17)]
SHAPES += [(257, 31, 1), (300, 7, 100), (20, 300, 31)]


def of_all_sizes(dtype, n):
    """n numbers whose bit patterns have equal distances, among them infinities and NaN."""
    bits = np.arange(n, dtype=np.uint64) * np.uint64(2**64 // n)
    if dtype == np.float32:
        return (bits >> np.uint64(32)).astype(np.uint32).view(np.float32)
    return bits.view(np.float64)


# ---- the same bits -------------------------------------------------------------------------------


@same_bits
def test_linear_has_the_same_bits(dtype, activation):
    rng = np.random.default_rng(1)
    for n, n_in, n_out in SHAPES:
        sizes = (n, n_in), (n_in, n_out), n_out, (n, n_out)
        X, W, b, dY = (rng.normal(size=size).astype(dtype) for size in sizes)
        for bias in (b, None):

            def compute(a=(dY, X, W, bias, dY)):
                results = F.linear(*a[1:4], activation), *F.linear_backward(*a, activation)
                return [a for a in results if a is not None]

            assert_same_on_every_variant(compute)


@same_bits
def test_activations_have_the_same_bits(dtype, activation):
    rng = np.random.default_rng(2)
    numbers = of_all_sizes(dtype, 200_000)
    numbers = numbers[np.isfinite(numbers)][:190_000].reshape(-1, 19)
    for Z in (numbers, rng.normal(size=(300, 37)).astype(dtype) * 4):
        dA = rng.normal(size=Z.shape).astype(dtype)
        with np.errstate(all="ignore"):
            assert_same_on_every_variant(lambda Z=Z: [F.activation(Z, activation)])
            # a NaN (of inf * 0) has no bits worth comparing
            assert_same_on_every_variant(
                lambda Z=Z, dA=dA: [np.nan_to_num(F.activation_backward(dA, Z, activation), nan=7)]
            )


@same_bits
@pytest.mark.parametrize("name", [kind.name for kind in kernels.VectorFunction])
def test_vector_functions_have_the_same_bits(dtype, name):
    x = of_all_sizes(dtype, 1_000_000)
    x = np.concatenate([x, np.linspace(-20, 20, 200_000).astype(dtype)])
    out = np.empty_like(x)

    def compute():
        kernels.vector_function(kernels.VectorFunction[name], x, out)
        return [np.isnan(out), np.nan_to_num(out, nan=0, posinf=np.inf, neginf=-np.inf)]

    assert_same_on_every_variant(compute)


PAIRS = [(output, "mse") for output in ACTIVATIONS]
PAIRS += [("sigmoid", "bce"), ("identity", "bce_with_logits"), ("softmax", "cross_entropy")]


def random_problem(seed, dtype):
    """A random architecture, data and settings of a training, drawn from the seed."""
    rng = np.random.default_rng(seed)
    output, loss = PAIRS[seed % len(PAIRS)]
    widths = rng.choice([1, 2, 5, 8, 16, 17, 31, 33, 64, 100], rng.integers(2, 7)).tolist()
    if output == "softmax":
        widths[-1] = max(2, widths[-1])
    hidden = rng.choice(list(HIDDEN), len(widths) - 2).tolist()
    n = int(rng.choice([1, 7, 8, 20, 100, 300]))
    X = rng.normal(size=(n, widths[0])).astype(dtype)
    classes, shape = loss == "cross_entropy", (n, widths[-1])
    y = rng.integers(0, widths[-1], n) if classes else rng.uniform(size=shape)
    w = rng.uniform(0.5, 2, n) if seed % 2 else None
    optimizers = [SGD(0.01), SGD(0.01, 0.9, True), Adam(0.001), Adam(0.001, weight_decay=0.01)]
    batch_size = int(rng.choice([1, 5, 8, 32, 300]))
    settings = dict(loss=loss, optimizer=optimizers[seed % 4], batch_size=batch_size, epochs=2)
    options = dict(bias=bool(rng.integers(2)), dtype=dtype, rng=seed)
    return partial(MLP, widths, hidden, output, **options), X, y, settings | dict(sample_weight=w)


@same_bits
@pytest.mark.parametrize("seed", range(26))
def test_networks_have_the_same_bits(dtype, seed):
    make, X, y, settings = random_problem(seed, dtype)

    def compute():
        net = make()
        few, many = net.forward(X[:7]), net.forward(X)
        loss = net.loss_and_grad(X, y, settings["loss"], settings["sample_weight"])
        grads = net.grads.copy()
        net.forward(X, keep=True)
        dX = net.backward(np.ones_like(many))
        history = net.fit(X, y, **settings)
        trained = net.grads, net.params, net.state.moments, history.loss
        return [few, many, loss, grads, dX, *trained]

    assert_same_on_every_variant(compute)


def test_baseline_differs_by_rounding_only(isa, dtype, tolerance):
    for seed in (0, 10, 11, 12):
        make, X, y, settings = random_problem(seed, dtype)
        nets = [make()]
        with using(kernels.SUPPORTED[0]):
            nets.append(make())
        losses = [net.loss_and_grad(X, y, settings["loss"]) for net in nets]
        assert losses[0] == pytest.approx(losses[1], rel=tolerance)
        scale = np.abs(nets[1].grads).max()
        assert np.abs(nets[0].grads - nets[1].grads).max() <= 10 * tolerance * scale


def test_a_network_keeps_the_variant_it_was_made_on():
    if len(kernels.SUPPORTED) < 2 or FORCED:
        pytest.skip("needs two instruction sets")
    X = np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)
    with using():
        for isa in kernels.SUPPORTED:
            kernels.use(isa)
            net = MLP([30, 50, 10], rng=0)
            output = net.forward(X)
            for other in kernels.SUPPORTED:
                kernels.use(other)
                assert_same_bits(net.forward(X), output, f"made on {isa}, called on {other}")


# ---- the choice ----------------------------------------------------------------------------------


def python(code, FASTNN_ISA=""):
    """A fresh interpreter: (return code, output, errors)."""
    done = processes.run(code, FASTNN_ISA=FASTNN_ISA)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("isa", kernels.SUPPORTED)
def test_FASTNN_ISA_forces_a_variant_and_loads_no_other(isa):
    code = """if True:
        import sys, fastnn
        loaded = [name for name in sys.modules if name.startswith("fastnn._")]
        print(fastnn.kernels.CHOSEN, *sorted(loaded))"""
    status, output, errors = python(code, FASTNN_ISA=isa)
    assert (status, errors) == (0, "")
    assert output.split() == [isa, f"fastnn._{isa}_float32", f"fastnn._{isa}_float64"]


@pytest.mark.skipif(bool(FORCED), reason="an instruction set is forced")
def test_without_FASTNN_ISA_the_best_is_chosen():
    for environment in ({}, {"FASTNN_ISA": ""}):
        done = processes.run("import fastnn; print(fastnn.kernels.CHOSEN)", **environment)
        assert (done.returncode, done.stdout.strip()) == (0, kernels.SUPPORTED[-1])


@pytest.mark.parametrize("wrong", ["avx1024", "AVX2", "sse2", "avx2 "])
def test_unknown_FASTNN_ISA_is_an_error_that_lists_the_possible_ones(wrong):
    status, _, errors = python("import fastnn", FASTNN_ISA=wrong)
    assert status == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: Instruction set {wrong!r} is not available")
    assert all(isa in last for isa in kernels.SUPPORTED)
    assert "FASTNN_ISA" in last


def test_use_refuses_a_missing_variant_and_keeps_the_current_one():
    before = kernels.CHOSEN
    message = f"Instruction set .* is not available.*{kernels.SUPPORTED[0]}"
    for wrong in ("avx1024", None, 2, "not-built"):
        with pytest.raises(ImportError, match=message):
            kernels.use(wrong)
    assert kernels.CHOSEN == before


BREAK = """if True:
    import sys
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "fastnn._{isa}_{dtype}":
                raise ImportError(name + ": undefined symbol, as from a build gone wrong")
    sys.meta_path.insert(0, Broken())
    import fastnn
    print(fastnn.kernels.CHOSEN)"""


@pytest.mark.parametrize("broken", ["float32", "float64"])
@pytest.mark.parametrize("isa", kernels.SUPPORTED)
def test_broken_variant_is_an_error_when_it_is_forced(isa, broken):
    status, output, errors = python(BREAK.format(isa=isa, dtype=broken), FASTNN_ISA=isa)
    assert (status, output) == (1, "")
    assert f"fastnn._{isa}_{broken}: undefined symbol" in errors.splitlines()[-1]


@pytest.mark.parametrize("error", ["ImportError", "ModuleNotFoundError"])
def test_a_broken_or_missing_variant_is_an_error_and_not_silently_replaced(error):
    best = kernels.SUPPORTED[-1]
    code = BREAK.format(isa=best, dtype="float32").replace("ImportError(", f"{error}(")
    status, output, errors = python(code)
    assert (status, output) == (1, "")
    assert f"_{best}_float32: undefined symbol" in errors.splitlines()[-1]


def test_a_broken_variant_does_not_affect_another():
    if len(kernels.SUPPORTED) < 2:
        pytest.skip("needs two instruction sets")
    isa, other = kernels.SUPPORTED[:2]
    status, output, _ = python(BREAK.format(isa=other, dtype="float32"), FASTNN_ISA=isa)
    assert (status, output.strip()) == (0, isa)


# ---- memory --------------------------------------------------------------------------------------

FENCED = """if True:
    import ctypes, mmap
    import numpy as np
    from fastnn import functional as F, kernels

    PAGE = mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)

    class Fence:
        # one page of memory between two protected ones
        def __init__(self):
            self.pages = mmap.mmap(-1, 3 * PAGE)
            begin = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
            for page in (begin, begin + 2 * PAGE):
                assert libc.mprotect(ctypes.c_void_p(page), PAGE, 0) == 0

        def hold(self, a, at_end):
            offset = 2 * PAGE - a.nbytes if at_end else PAGE
            view = np.frombuffer(self.pages, a.dtype, a.size, offset).reshape(a.shape)
            view[...] = a
            return view

    fences = [Fence() for _ in range(6)]
    for dtype in ("f4", "f8"):
        for at_end in (True, False):
            def held(*arrays):
                return [fence.hold(a.astype(dtype), at_end) for fence, a in zip(fences, arrays)]
            for m in (*range(1, 20), 31, 32, 33):
                for n in (1, 7, 8, 9):
                    for k, j in ((m, 5), (5, m), (m, 1), (1, m)):
                        X, W, b, dY, out = held(np.ones((n, k)), np.ones((k, j)), np.ones(j), np.ones((n, j)), np.ones((n, j)))
                        F.linear(X, W, b, "tanh", out=out)
                        F.linear_backward(dY, X, W, b, dY, "gelu")
                    Z, y, w, grad = held(np.full((n, m), 0.5), np.ones((n, m)), np.ones(n), np.ones((n, m)))
                    for loss in (F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.mean_squared_error, F.cross_entropy):
                        loss(Z, np.zeros(n, int) if loss is F.cross_entropy else y, w, grad=grad)
                    for name in ("sigmoid", "silu", "identity", "softmax"):
                        F.activation(Z, name, out=grad)
                        F.activation_backward(y, Z, name, out=grad)
                p, g, v1, v2, out = held(*[np.full(m, 0.5)] * 5)
                F.sgd_step_(p, g, 0.1)
                F.sgd_step_(p, g, 0.1, momentum=0.9, velocity=v1)
                F.adam_step_(p, g, v1, v2, 1)
                for function in kernels.VectorFunction:
                    kernels.vector_function(function, g, out)
    print(kernels.CHOSEN, "stayed inside")"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to guard the pages around an array")
def test_kernels_stay_inside_their_arrays(isa):
    status, output, errors = python(FENCED, FASTNN_ISA=isa)
    assert (status, output.strip()) == (0, f"{isa} stayed inside"), errors


# ---- what show_config says -----------------------------------------------------------------------


def test_show_config_names_version_variants_compiler_and_numpy(isa, capsys):
    assert fastnn.show_config() is None
    text, errors = capsys.readouterr()
    assert errors == ""
    lines = text.splitlines()
    assert lines[0] == f"fastnn {fastnn.__version__}"
    facts = dict(line.split(": ", 1) for line in lines[1:])
    assert facts["instruction sets built"] == ", ".join(kernels.BUILT)
    assert facts["supported by this CPU"] == ", ".join(kernels.SUPPORTED)
    assert facts["in use"].split()[0] == isa and facts["compiler"] == kernels.COMPILER
    assert facts["numpy"] == np.__version__
    assert facts["python"].startswith(sys.version.split()[0])


@pytest.mark.parametrize("installed", [True, False])
def test_show_config_names_optional_packages_without_importing_them(installed, tmp_path):
    path = tmp_path / "scikit_learn-1.99.dist-info" / "METADATA"
    path.parent.mkdir()
    path.write_text("Metadata-Version: 2.1\nName: scikit-learn\nVersion: 1.99\n")
    code = f"""if True:
        import sys
        import fastnn
        sys.path = [path for path in sys.path if "site-packages" not in path]
        if {installed}:
            sys.path.append({str(tmp_path)!r})
        fastnn.show_config()
        print("sklearn" in sys.modules)"""
    status, output, errors = python(code)
    assert (status, errors) == (0, "")
    assert ("scikit-learn: 1.99" in output.splitlines()) == installed
    assert ("scikit-learn" in output) == installed and output.splitlines()[-1] == "False"


@pytest.mark.parametrize("package", ["jinja2", "starlette", "uvicorn"])  # of the extra web
def test_show_config_names_the_packages_of_pages(package):
    assert package in fastnn.config.PACKAGES


def test_supported_is_a_part_of_built():
    assert set(kernels.SUPPORTED) <= set(kernels.BUILT)
    assert kernels.CHOSEN in kernels.SUPPORTED
    for isa in kernels.BUILT:
        for dtype in ("float32", "float64"):
            assert list(Path(fastnn.__file__).parent.glob(f"_{isa}_{dtype}.*")), (
                f"{isa} {dtype} is listed as built, but has no file"
            )
