"""The binding of Trainer and CompiledNetwork: invalid arguments, object lifetimes, and
interruption."""

import ctypes
import gc
import os
import sysconfig
import threading
import time
from types import SimpleNamespace

import numpy as np
import processes
import pytest
from checks import assert_same_bits
from interrupt import interrupted, sigint_interrupts  # noqa: F401 - for all tests here
from trainers import make_trainer as loaded_trainer
from trainers import new_trainer

import fastnn
from fastnn import MLP, kernels
from fastnn.kernels import Loss, Trainer

NO_GIL = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
rebinds = pytest.mark.skipif(NO_GIL, reason="without the GIL, a network is not bound again")


def make_trainer(net, n=8, **options):
    X, y = np.ones((n, net.layer_sizes[0]), net.dtype), np.ones((n, 1), net.dtype)
    return new_trainer(net, X, y, **options)


# ---- builds ----


def test_an_extension_of_another_build_is_refused(monkeypatch, isa):
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, pointer = ctypes.py_object, ctypes.c_void_p
    new.argtypes = pointer, ctypes.c_char_p, pointer
    memory, name = ctypes.create_string_buffer(1000), b"fastnn.EncodedTable 0123456789abcdef"
    other = SimpleNamespace(__file__="other.so", capsule=new(ctypes.addressof(memory), name, None))
    other.table = other.capsule
    monkeypatch.setattr(kernels.importlib, "import_module", lambda _: other)
    message = r"other\.so is from another build of fastnn than .*kernels.*\. Build all extensions"
    with pytest.raises(ImportError, match=f"{message} again"):
        kernels.use(isa)
    monkeypatch.undo()
    assert kernels.CHOSEN == isa and MLP([2, 1], rng=0).forward(np.ones((1, 2))).shape == (1, 1)


# ---- arguments ----


CALLS_OF_NETWORKS = {
    "forward": lambda net: net.forward(ROWS),
    "_forward_finite": lambda net: net._forward_finite(np.ones((2, 0), int)),
    "_forward_into": lambda net: net._forward_into(ROWS, ROWS),
    "forward_many": lambda net: kernels.forward_many([net], ROWS, ROWS),
    "forward_mean": lambda net: kernels.forward_mean([net], ROWS, ROWS),
    "forward_mean_finite": lambda net: kernels.forward_mean_finite([net], np.ones((2, 0), int)),
    "forward_bytes": lambda net: kernels.forward_bytes(net, 3),
    "training_bytes": lambda net: kernels.training_bytes(net, 3, loss=1, optimizer=SGD_OPTIONS),
    "Trainer": lambda net: Trainer(net, ROWS, ROWS, loss=1, batch_size=2),
}
CALLS_OF_LISTS = {
    "forward_many": lambda: kernels.forward_many([], ROWS, ROWS),
    "forward_mean": lambda: kernels.forward_mean([], ROWS, ROWS),
    "forward_mean_finite": lambda: kernels.forward_mean_finite([], ROWS),
    "Reading": lambda: kernels.Reading([None]),
    "InTraining": lambda: kernels.InTraining([None]).__enter__(),
    "twin": lambda: make_trainer(MLP([3, 1], rng=0)).twin(None, batch_size=2),
    "TrainerQueue, None": lambda: kernels.TrainerQueue().run([None], [ROWS], 1, 0.1),
}
ROWS, SGD_OPTIONS = np.ones((2, 3)), fastnn.SGD(0.1).to_kernel()
REFUSED = TypeError, ValueError, AttributeError, IndexError


@pytest.mark.parametrize("call", CALLS_OF_NETWORKS.values(), ids=CALLS_OF_NETWORKS)
def test_a_network_without_layers_and_none_are_refused(call):
    for network in (kernels.CompiledNetwork(), None):
        with pytest.raises(REFUSED):
            call(network)


@pytest.mark.parametrize("call", CALLS_OF_LISTS.values(), ids=CALLS_OF_LISTS)
def test_empty_lists_and_none_in_lists_are_refused(call):
    with pytest.raises(REFUSED):
        call()


def test_sizes_and_inputs_are_checked():
    net = MLP([3, 2], rng=0)
    with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
        kernels.training_bytes(net, 0, loss=1, optimizer=SGD_OPTIONS)
    X, J = np.ones((4, 3), "float32"), np.empty((4, 2, 2), "float32")
    for inputs in ([0, 3], [-1, 0]):
        with pytest.raises(IndexError, match="Expected numbers of inputs"):
            net._derivative_into(kernels.DerivativeKind.JACOBIAN, X, None, np.array(inputs), J)


def test_a_queue_needs_losses_for_each_trainer_and_each_once():
    queue = kernels.TrainerQueue()
    trainer = make_trainer(MLP([3, 1], rng=0), workspace=queue.workspace)
    with pytest.raises(IndexError):
        queue.run([trainer], [], 1, 0.1)
    with pytest.raises(ValueError, match="holds a Trainer twice"):
        queue.run([trainer, trainer], [np.empty((3, 1))] * 2, 2, 0.1)


def test_a_queue_that_runs_is_refused():
    queue = kernels.TrainerQueue()
    trainer = make_trainer(MLP([3, 1], rng=0), workspace=queue.workspace)

    class Again:
        def __len__(self):
            return queue.run([], [], 1, 0.1)

    with pytest.raises(RuntimeError, match="This queue is in use"):
        queue.run([trainer], [[Again()]], 1, 0.1)
    assert queue.run([], [], 1, 0.1) == 0


@pytest.mark.parametrize("dtype", ["V0", "V4", "V8", "S0", "i4", "c8", "f2"])
def test_all_finite_refuses_arrays_that_are_not_float(dtype):
    with pytest.raises((TypeError, ValueError)):
        kernels.all_finite(np.zeros(3, dtype))


@pytest.mark.parametrize("bad", [-1, 8, 2**62, -(2**62)])
def test_every_row_number_of_an_order_is_checked(bad):
    net, order = MLP([2, 1], rng=0), np.arange(8, dtype=np.intp)
    make_trainer(net, order=order)
    for place in (0, 5, 7):
        order = np.arange(8, dtype=np.intp)
        order[place] = bad
        with pytest.raises(ValueError, match="row numbers from 0 to 7"):
            make_trainer(net, order=order)


def all_rows_in(lengths, **options):
    return kernels.ShardedRows(np.array(lengths), 0, len(lengths), 4, **options)


@pytest.mark.parametrize("lengths", [[0, 0, 5], [1, 6, 2]])
def test_batches_of_shards_without_rows_are_left_out(lengths):
    n, params = sum(lengths), []
    for n_threads in (1, 3):  # of which one has all parameters
        net, shards = MLP([2, 1], rng=0), kernels.ShardedRows(np.array(lengths), 0, 3, 1)
        trainer = make_trainer(net, n, batch_size=1, shards=shards, n_threads=n_threads)
        trainer.load()
        trainer.run(n_threads, 1e9, np.empty(2))
        assert trainer.position()[:3] == (2 * n, 2, 0)  # a row for each step
        trainer.store()
        params.append(net.params)
    assert_same_bits(*params)


WHOLE = np.arange(8, dtype=np.intp)
NEEDS_A_FUNCTION = "A custom loss needs custom_loss, custom_outputs and custom_gradient"
AT_LEAST = "needs at least 1 row and a batch_size of 1 or more, got"
SHARDED = "Shards take a compiled loss, and neither validation, generator, order, rows nor dX"
CUSTOM = dict(loss=Loss.CUSTOM_LOSS, custom_loss=lambda first, n: 0.0)
CUSTOM |= dict(custom_outputs=np.empty((8, 1), "f4"), custom_gradient=np.zeros((8, 1), "f4"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(n=0, batch_size=1), f"{AT_LEAST} 0 and 1"),
        (dict(batch_size=0), f"{AT_LEAST} 8 and 0"),
        (CUSTOM | dict(custom_loss=None), NEEDS_A_FUNCTION),
        (CUSTOM | dict(custom_outputs=None), NEEDS_A_FUNCTION),
        (CUSTOM | dict(custom_gradient=None), NEEDS_A_FUNCTION),
        (CUSTOM | dict(rows=WHOLE), "A custom loss needs all rows"),
        (dict(rows=WHOLE + 1), "rows must hold row numbers from 0 to 7, but it holds others"),
        (dict(rows=WHOLE - 1), "rows must hold row numbers from 0 to 7, but it holds others"),
        (dict(shards=all_rows_in([5, 4])), "The shards have 9 rows, but X has 8"),
        (CUSTOM | dict(shards=all_rows_in([8])), SHARDED),
        (dict(shards=all_rows_in([8]), loss=Loss.GIVEN_GRADIENT), SHARDED),
        (dict(shards=all_rows_in([8]), generator=np.random.PCG64(0)), SHARDED),
        (dict(shards=all_rows_in([8]), order=WHOLE), SHARDED),
        (dict(shards=all_rows_in([8]), rows=WHOLE), SHARDED),
        (dict(shards=all_rows_in([8]), dX=np.empty((8, 2), "f4")), SHARDED),
        (
            dict(shards=all_rows_in([8], reduce=lambda: False, sums=np.empty(6, "f4"))),
            "The sums of the shards have another size than 3 parameters need",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_invalid_arguments_of_a_trainer(options, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(MLP([2, 1], rng=0), **options)


INVALID_SHARDS = [
    (([], 0, 0, 4), {}, "0 shards, of which 0 from number 0 on are here, in batches of 4"),
    (([8], 0, 1, 0), {}, "in batches of 0, are not possible"),
    (([8], -1, 1, 4), {}, "of which 1 from number -1 on"),
    (([8], 0, 0, 4), {}, "of which 0 from number 0 on"),
    (([8], 0, 2, 4), {}, "1 shards, of which 2 from number 0 on"),
    (([9, -1], 0, 2, 4), {}, "A shard has -1 rows, but needs 0 or more"),
    (([0, 0], 0, 2, 4), {}, "The shards have no rows"),
    (([8], 0, 1, 4), dict(reduce=lambda: False), "reduce needs the array sums"),
]


@pytest.mark.parametrize(("arguments", "options", "message"), INVALID_SHARDS)
def test_invalid_arguments_of_shards(arguments, options, message):
    lengths, *others = arguments
    with pytest.raises(ValueError, match=message):
        kernels.ShardedRows(np.array(lengths, np.intp), *others, **options)


def test_shards_and_a_validation_are_refused():
    net = MLP([2, 1], rng=0)
    with pytest.raises(ValueError, match=SHARDED):
        make_trainer(net, shards=all_rows_in([8]), validation=make_trainer(net, optimizer=None))


METRIC, SQUARES = kernels.Metric.VALIDATION_ERROR_RATE, Loss.SQUARED_ERROR
ONE, THREE = np.empty(1), np.empty(3)


REFUSED_CALLS = [
    (None, lambda t: t.set_stopping(3, 0, 1, metric=METRIC), "This metric needs a validation"),
    (SQUARES, lambda t: t.set_stopping(3, 0, 1, metric=METRIC), "An error rate needs classes"),
    (None, lambda t: t.store_best(np.empty(3, "f4")), "does not keep the best parameters"),
    (None, lambda t: t.load(), "needs moments, 2 for each parameter. Pass an array of 6"),
    (SQUARES, lambda t: t.run(1, 0, ONE), "validation_losses is missing"),
    (SQUARES, lambda t: t.run(1, 0, ONE, ONE, ONE), "a validation whose loss has classes"),
    (None, lambda t: t.run(1, 0, ONE, None, ONE), "needs a validation whose loss has classes"),
    (None, lambda t: t.run(1, 0, ONE, THREE), "array of 1 numbers"),
    (None, lambda t: t.run(1, 0.01, np.empty(0)), "losses"),
    (None, lambda t: t.set_position(-1, 0, 0, 0.0), "not a position"),
    (None, lambda t: t.set_position(0, -1, 0, 0.0), "not a position"),
    (None, lambda t: t.set_position(0, 0, -1, 0.0), "not a position"),
    (None, lambda t: t.set_position(0, 0, 8, 0.0), "not a position"),
]


@pytest.mark.parametrize(("loss", "call", "message"), REFUSED_CALLS)
def test_calls_that_a_trainer_refuses(loss, call, message):
    """loss: that of its validation, None without one."""
    net = MLP([2, 1], rng=0)
    validation = None if loss is None else make_trainer(net, optimizer=None, loss=loss)
    trainer = make_trainer(net, optimizer=fastnn.Adam(), validation=validation)
    with pytest.raises(ValueError, match=message):
        call(trainer)


def test_before_the_first_epoch_none_is_the_best():
    trainer = make_trainer(MLP([2, 1], rng=0), keeps_best=True)
    trainer.load()
    params = np.full(3, 7, "f4")
    assert trainer.store_best(params) == (np.inf, -1) and (params == 7).all()


def test_an_error_rate_needs_an_array():
    net = MLP([2, 1], rng=0)
    loss = Loss.LOGITS_BINARY_CROSS_ENTROPY
    trainer = make_trainer(net, loss=loss, validation=make_trainer(net, optimizer=None, loss=loss))
    trainer.set_stopping(3, 0, 1, metric=METRIC)
    trainer.load()
    with pytest.raises(ValueError, match="error_rates is missing"):
        trainer.run(1, 0, ONE, np.empty(1))
    assert trainer.run(1, 100, ONE, np.empty(1), np.empty(1)) == kernels.Stop.EPOCHS


def test_the_error_rate_of_probabilities_is_that_of_logits(isa, dtype):
    net, random = MLP([2, 1], output="sigmoid", dtype=dtype, rng=0), np.random.default_rng(0)
    X, y = random.normal(size=(50, 2)).astype(dtype), random.integers(2, size=(50, 1)).astype(dtype)
    rates = np.empty((2, 1))
    for rate, loss in zip(rates, (Loss.BINARY_CROSS_ENTROPY, Loss.LOGITS_BINARY_CROSS_ENTROPY)):
        trainer = new_trainer(net, X, y, validation=new_trainer(net, X, y, None, loss=loss))
        trainer.set_stopping(3, 0, 1, metric=METRIC)
        trainer.load()
        trainer.run(1, 100, ONE, np.empty(1), rate)
    assert 0 < rates[0] == rates[1] < 1


def test_a_validation_keeps_the_parameters_of_its_trainer():
    net = MLP([4, 1000, 1000, 1], rng=0)  # its memory goes back to the system when it is freed
    validation = make_trainer(net, optimizer=None)
    first, last = (make_trainer(net, validation=validation) for _ in range(2))
    with pytest.raises(RuntimeError, match="reads the parameters of another Trainer, made later"):
        first.run(1, 100.0, ONE, np.empty(1))
    last.load()
    loss = last.loss()
    del first, last
    assert validation.loss() == loss


def test_a_trainer_that_failed_keeps_nothing():
    trainer = Trainer.__new__(Trainer)
    arguments = MLP([3, 1], rng=0), np.ones((2, 3), "f4"), np.ones((2, 1), "f4")
    options = {"loss": Loss.SQUARED_ERROR, "batch_size": 2, "jacobian": ONE}
    with pytest.raises(ValueError, match="array of 6 numbers"):
        trainer.__init__(*arguments, **options, jacobian_inputs=np.arange(3))
    trainer.__init__(*arguments, **options | {"jacobian": None})
    trainer.load()
    assert trainer.loss() == pytest.approx(arguments[0].loss(*arguments[1:]))


# ---- rebinding ----

REBOUND = """
import gc, numpy as np, fastnn, sys
from fastnn.kernels import Loss, Trainer
net = fastnn.MLP([300, 300, 1], rng=0)
X, y = np.ones((8, 300), "f4"), np.ones((8, 1), "f4")
trainer = Trainer(net, X, y, loss=Loss.SQUARED_ERROR, batch_size=8, optimizer=fastnn.SGD(0.01).to_kernel())
alone = fastnn.MLP([300, 300, 1], rng=0)
other = Trainer(alone, X, y, loss=Loss.SQUARED_ERROR, batch_size=8, optimizer=fastnn.SGD(0.01).to_kernel())
net.__init__([2, 2, 1], rng=0)
gc.collect()
filler = [np.full(90_300, 1e30, "f4") for _ in range(20)]
losses = []
for each in (trainer, other):
    loss = np.empty(3)
    each.load()
    each.run(1, 100.0, loss)
    each.store()
    grads = np.empty(300 * 300 + 300 + 301, "f4")
    each.store_gradient(grads)
    losses.append(loss.tobytes())
assert losses[0] == losses[1]
"""


@rebinds
def test_a_trainer_keeps_the_memory_of_a_network_that_is_rebound():
    done = processes.run(REBOUND)
    assert done.returncode == 0, done.stderr


@rebinds
def test_a_network_in_training_cannot_be_rebound():
    X, y, seen = np.ones((8, 2)), np.ones(8), []

    def rebind(net, history):
        try:
            net.__init__([2, 1], rng=0)
        except RuntimeError as error:
            seen.append(str(error))

    net, expected_net = MLP([2, 5, 1], rng=0), MLP([2, 5, 1], rng=0)
    net.fit(X, y, epochs=3, callbacks=rebind)
    expected_net.fit(X, y, epochs=3)
    assert len(seen) == 3 and "being trained" in seen[0]
    assert_same_bits(net.params, expected_net.params)
    net.__init__([2, 3, 1], rng=0)  # afterwards it may
    assert net.forward(X).shape == (8, 1)


@rebinds
def test_a_failed_binding_leaves_nothing_bound():
    net, weights = MLP([2, 1], rng=0), [np.ones((2, 3), "f4"), np.ones((2, 1), "f4")]
    with pytest.raises(ValueError):
        net._bind([2, 3, 1], [0, 0], weights, [None, None], np.dtype("f4"))
    with pytest.raises(ValueError):
        net._forward_into(np.ones((1, 2), "f4"), np.ones((1, 1), "f4"))


@rebinds
def test_forward_keeps_its_memory_while_the_network_is_rebound():
    net = MLP([256, 1024, 256], rng=0)
    X = np.random.default_rng(0).normal(size=(5_000, 256)).astype("float32")
    expected, out, end = net.forward(X), [], threading.Event()
    thread = threading.Thread(target=lambda: (out.append(net.forward(X)), end.set()))
    thread.start()
    while not end.is_set():
        time.sleep(0.01)
        net.__init__([2, 1], rng=0)
        gc.collect()
        filler = [np.full(256 * 1024, np.nan, "float32") for _ in range(4)]
    thread.join()
    assert len(filler) == 4
    assert_same_bits(out[0], expected)


# ---- Ctrl-C ----


FORWARD = [("forward", {"n_threads": 1}), ("forward", {"n_threads": 2}), ("_forward_finite", {})]


@pytest.mark.parametrize("method, options", FORWARD)
def test_forward_ends_soon_after_ctrl_c(method, options):
    net, X = MLP([100, 1024, 1024, 1], rng=0), np.ones((1_000_000, 100), "float32")
    # all rows take 4 s or more, at 500 GFLOP/s
    assert interrupted(getattr(net, method), 0.3, X, **options) < 2


def test_a_loss_over_many_rows_ends_soon_after_ctrl_c():
    net, X = MLP([100, 512, 512, 1], rng=0), np.ones((1_000_000, 100), "float32")
    y = np.zeros(1_000_000, "float32")
    assert interrupted(net.loss, 0.5, X, y) < 0.5
    assert interrupted(net.loss, 0.5, X, y, loss=lambda Y, y: (0.0, Y)) < 0.5


# ---- threads and processes ----


STARTS = """
import _thread, sys, time
import numpy as np, fastnn
from fastnn import kernels
real, calls = _thread.start_new_thread, []
def start(*arguments):
    calls.append(1)
    if len(calls) == 2:
        raise MemoryError("no memory for a thread")
    return real(*arguments)
_thread.start_new_thread = start
net = fastnn.MLP([2, 1], rng=0)
trainer = kernels.Trainer(net, np.ones((8, 2), "f4"), np.ones((8, 1), "f4"), loss=1, batch_size=8, optimizer=fastnn.SGD(0.1).to_kernel())
trainer.load()
try:
    if sys.argv[-1] == "run":
        trainer.run(3, 0.01, np.empty(1))
    else:
        kernels.run_in_threads([lambda abort: None, lambda abort: time.sleep(0.1), lambda abort: None])
except MemoryError:
    pass
else:
    raise SystemExit("nothing was raised")
time.sleep(0.2)
used = time.process_time()
time.sleep(0.3)
print(_thread._count(), time.process_time() - used < 0.1)
before = net.params.copy()
trainer.run(3, 1.0, np.empty(1))
assert (net.params == before).all() and trainer.position()[0] == 1
while _thread._count():  # a thread that Python kills at its end does not free all memory
    time.sleep(0.01)
"""


@pytest.mark.parametrize("where", ["run", "run_in_threads"])
def test_helper_threads_end_when_another_cannot_start(where):
    done = processes.run(STARTS.replace("sys.argv[-1]", repr(where)))
    assert (done.returncode, done.stdout.split()) == (0, ["0", "True"]), (done.stdout, done.stderr)


def test_fewer_threads_give_the_same_bits(monkeypatch):
    """The system refuses the second helper."""
    found, start = [], kernels._thread.start_new_thread
    for refused in (False, True):
        net = MLP([6, 40, 1], rng=0)
        trainer = make_trainer(net, 600, batch_size=600, n_threads=3)
        trainer.load()
        started = []

        def start_few(function, arguments, refused=refused, started=started):
            started.append(function)
            if refused and len(started) == 2:
                raise RuntimeError("can't start new thread")
            return start(function, arguments)

        monkeypatch.setattr(kernels._thread, "start_new_thread", start_few)
        losses = np.empty(2)
        trainer.run(3, 1e9, losses)
        trainer.store()
        found.append((net.params, losses))
    assert_same_bits(*found)


def test_helpers_stay_for_the_next_slice(monkeypatch):
    starts, start = [], kernels._thread.start_new_thread

    def counted(function, arguments):
        starts.append(function)
        return start(function, arguments)

    monkeypatch.setattr(kernels._thread, "start_new_thread", counted)
    trainer = make_trainer(MLP([6, 40, 1], rng=0), 600, batch_size=60, n_threads=2)
    trainer.load()
    losses = np.empty(100_000)
    for _ in range(200):
        trainer.run(2, 0.0005, losses)
    assert 0 < len(starts) < 200
    trainer.run(1, 0.0005, losses)  # they leave
    trainer.run(2, 0.0005, losses)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_child_forked_between_two_slices_starts_its_own_helpers():
    trainer = make_trainer(MLP([6, 40, 1], rng=0), 600, batch_size=60, n_threads=2)
    trainer.load()
    losses = np.empty(1)
    trainer.run(2, 10, losses)
    child = os.fork()
    if child == 0:
        try:
            trainer.run(2, 10, losses)
            os._exit(7)
        finally:
            os._exit(4)
    assert processes.exit_code(child) == 7


FORKED = """
import os, sys, threading, time, warnings
import numpy as np, fastnn
warnings.simplefilter("ignore")
shared = np.random.default_rng(0)
net, other = fastnn.MLP([6, 9, 1], rng=shared), fastnn.MLP([6, 9, 1], rng=1)
other.rng = shared
X, y = np.ones((20_000, 6), "f4"), np.ones(20_000, "f4")
trains = threading.Thread(target=net.fit, args=(X, y), kwargs=dict(epochs=10**6, callbacks=fastnn.callbacks.Callback()), daemon=True)
trains.start()
time.sleep(0.3)
for attempt in range(5):
    time.sleep(0.013)
    child = os.fork()
    if child == 0:
        threading.Timer(20, os._exit, (3,)).start()
        for each in (net, other):
            each.forward(X)
            expected_net = each.copy()
            each.fit(X[:100], y[:100], epochs=2)
            expected_net.fit(X[:100], y[:100], epochs=2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        os._exit(status)
try:
    net.forward(X)
except RuntimeError:
    os._exit(0)         # in the parent it is still in training
os._exit(4)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_during_a_training_uses_all_networks():
    done = processes.run(FORKED)
    assert done.returncode == 0, (done.returncode, done.stderr)


# ---- the shuffle ----


def test_ctrl_c_ends_a_long_shuffle_and_restores_the_generator():
    def shuffling(n, batch_size):
        order, bits = np.arange(n, dtype=np.intp), np.random.default_rng(3).bit_generator
        X, y = np.zeros((2, n, 1), "float32")
        options = dict(batch_size=batch_size, order=order, generator=bits)
        return loaded_trainer(MLP([1, 1], rng=0), X, y, **options)[0], order, bits

    tenth = np.inf  # of its seconds
    for _ in range(3):
        short, start = shuffling(3_000_000, 100_000)[0], time.perf_counter()
        short.run(1, 0.0, np.empty(5))
        tenth = min(tenth, time.perf_counter() - start)
    trainer, _, bits = shuffling(30_000_000, 100_000)
    before, position = str(bits.state), trainer.position()
    for after in 0.2 * tenth, 3 * tenth:  # while it numbers the rows, and while it exchanges them
        assert interrupted(trainer.run, after, 1, 1e9, np.empty(5)) < 0.3
        assert (str(bits.state), trainer.position()) == (before, position)
    trainer, order, _ = shuffling(300_000, 1000)  # a shuffle that is not stopped is numpy's
    trainer.run(1, 0.0, np.empty(5))
    np.testing.assert_array_equal(order, np.random.default_rng(3).permutation(300_000))


@pytest.mark.parametrize("rows", [None, np.array([7, 2, 5, 3], np.intp)])
def test_a_trainer_has_an_order_of_its_own(rows):
    net, X = MLP([2, 1], rng=0), np.ones((8, 2), "float32")
    y, bits = np.ones((8, 1), "float32"), np.random.default_rng(4).bit_generator
    trainer, _ = loaded_trainer(net, X, y, batch_size=2, rows=rows, generator=bits)
    trainer.run(1, 1e9, np.empty(1))
    expected = np.random.default_rng(4).permutation(8 if rows is None else rows)
    assert trainer.order().tolist() == expected.tolist()
    trainer.order()[:] = 0  # a copy
    assert trainer.order().tolist() == expected.tolist()
    with pytest.raises(ValueError, match="does not shuffle"):
        new_trainer(net, X, y).order()


def test_an_epoch_of_many_rows_ends_the_slice():
    n = 2**20 + 1
    net, order = MLP([1, 1], rng=0), np.arange(n, dtype=np.intp)
    X, y = np.zeros((2, n, 1), "float32")
    shuffles = dict(order=order, generator=np.random.default_rng(0).bit_generator)
    runs = (shuffles, kernels.Stop.TIME, (3, 1, 0)), ({}, kernels.Stop.EPOCHS, (6, 2, 0))
    for options, stop, position in runs:
        trainer, _ = loaded_trainer(net, X, y, batch_size=n // 2, **options)
        assert trainer.run(1, 1e9, np.empty(2)) == stop and trainer.position()[:3] == position
