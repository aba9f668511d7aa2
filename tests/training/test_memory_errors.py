"""An allocation of Python or NumPy that fails: a clean error, and all objects and files stay usable."""

import json
import sys

import processes
import pytest
from scale import SCALE, step

# Python and NumPy raise other errors, too, where they do not expect an allocation to fail: a comparison
# of dtypes becomes a KeyError.
FAIL = """
import gc, importlib.util, json, os, sys, warnings, _testcapi, numpy as np, fastnn
folder, stride = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, "net.safetensors")
X = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
y = X[:, :1].copy()

def make():
    return fastnn.MLP([3, 4, 1], rng=0)

def fit(net):
    net.fit(X, y, epochs=2)
    return net.params.tobytes()

net, trained = make(), fit(make())
net.save(path)
outputs, content = net.forward(X).tobytes(), open(path, "rb").read()
def fit_many(other):
    fastnn.fit_many([other, make()], X, y, epochs=2)
    fastnn.forward_many([other, net], X)

def table(other):
    rows = fastnn.EncodedTable(X[:, :1], codes=np.arange(50)[:, None] % 3, n_categories=[3])
    fastnn.MLP([rows.n_inputs, 4, 1], rng=0).fit(rows, y, epochs=1)

def estimator(other):
    fastnn.MLPRegressor((4,), max_iter=1, random_state=0).fit(X, y[:, 0]).predict(X)

warnings.simplefilter("ignore")  # the estimator's about convergence
calls = {
    "forward": lambda other: net.forward(X),
    "loss_and_grad": lambda other: net.loss_and_grad(X, y),
    "fit": fit,
    "new": lambda other: make(),
    "copy": lambda other: other.copy(),
    "save": lambda other: net.save(path),
    "load": lambda other: fastnn.load(path),
    "fit_many": fit_many,
    "table": table,
}
if importlib.util.find_spec("sklearn"):
    calls["estimator"] = estimator
counts = {}
for name, call in calls.items():
    call(make())
    failed, done, k = 0, 0, 0
    while done < 20:
        other = make()
        _testcapi.set_nomemory(k, k + 1)
        try:
            call(other)
            done += 1
        except (MemoryError, SystemError, RuntimeError, KeyError):
            failed, done = failed + 1, 0
        finally:
            _testcapi.remove_mem_hooks()
        assert net.forward(X).tobytes() == outputs, (name, k)
        assert open(path, "rb").read() == content, (name, k)
        assert os.listdir(folder) == ["net.safetensors"], (name, k)
        if name in ("fit", "fit_many"):
            fresh = make()
            other.params[:], other.rng, other.state = fresh.params, fresh.rng, None
            assert fit(other) == trained, k
        k += stride
    counts[name] = failed
print(json.dumps(counts))
"""


@pytest.mark.slow("test_many_errors.py and test_trainer.py, where memory is short at one place")
@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 14),
    reason="CPython 3.12.1 and 3.13.0 crash in copy.deepcopy if an allocation fails",
)
def test_every_allocation_that_fails_leaves_all_objects_usable(tmp_path):
    pytest.importorskip("_testcapi", reason="needs _testcapi, which this Python lacks")
    done = processes.run(FAIL, tmp_path, step(5), timeout=200 * SCALE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert min(json.loads(done.stdout).values()) > 0
