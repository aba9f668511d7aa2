"""fastnn in the peers' harness: the same weights, the same data in the same order, as every other peer.

    PEERS_HARNESS=.../peers.py python bench/peers/fastnn_peer.py run --peers numpy,torch,jax_scan,numba_dot,fastnn --threads 1

Arguments are the harness's own. It times short interleaved blocks of all peers and checks each loss curve against float64 NumPy.
"""

import os
import sys

import numpy as np

HARNESS = os.environ.get("PEERS_HARNESS", "")


def adapter(harness):
    """The harness's Peer, filled in."""

    class FastnnPeer(harness["Peer"]):
        name, packages, modules = "fastnn", ["fastnn-mlp"], ["fastnn"]

        def init(self, threads):
            self.threads = threads

        def network(self, spec, params):
            import fastnn

            net = fastnn.MLP(spec.sizes, spec.act, output="sigmoid" if spec.sizes[-1] == 1 else "softmax", rng=0)
            for W, b, (W0, b0) in zip(net.weights, net.biases, params):
                W[...], b[...] = W0, b0
            return net

        def train_setup(self, spec, params, X, y, opt):
            import fastnn

            self.net, self.data, self.spec = self.network(spec, params), (X, y), spec
            self.optimizer = fastnn.SGD(spec.lr["sgd"]) if opt == "sgd" else fastnn.Adam(spec.lr["adam"])
            self.resume = False

        def train_epochs(self, n):
            history = self.net.fit(*self.data, optimizer=self.optimizer, epochs=n, batch_size=self.spec.batch, shuffle=False,
                                   n_threads=self.threads, resume=self.resume)  # fmt: skip
            self.resume = True
            return history.loss

        def get_params(self):
            return list(zip(self.net.weights, self.net.biases))

        def infer_setup(self, spec, params):
            self.net = self.network(spec, params)
            if self.threads == 1:
                self.infer = self.net.forward

        def infer(self, X):
            return self.net.forward(X, n_threads=self.threads)

        def update_setup(self, kind, n):
            from fastnn import functional as F

            rng = np.random.default_rng(0)
            w, g = rng.standard_normal(n, dtype="f"), rng.standard_normal(n, dtype="f") * np.float32(1e-3)
            m, v = np.zeros(n, "f"), np.zeros(n, "f")
            if kind == "sgd":
                return lambda: F.sgd_step_(w, g, 1e-3)
            if kind == "momentum":
                return lambda: F.sgd_step_(w, g, 1e-3, momentum=0.9, velocity=m)
            steps = iter(range(1, 1 << 60))
            return lambda: F.adam_step_(w, g, m, v, next(steps))

        def elem_setup(self, kind, n):
            from fastnn import functional as F

            rng = np.random.default_rng(0)
            z, y = rng.standard_normal(n, dtype="f") * 3, (rng.random(n, dtype="f") > 0.5).astype("f")
            out = np.empty(n, "f")
            if kind == "bce_grad":
                return lambda: F.binary_cross_entropy_with_logits(z, y, grad=out)
            if kind == "exp":
                return None
            return lambda: F.activation(z, kind, out=out)

    return FastnnPeer


if __name__ == "__main__":
    if not os.path.exists(HARNESS):
        sys.exit("set PEERS_HARNESS to the path of the harness, peers.py")
    with open(HARNESS) as file:
        definitions, main = file.read().split('\nif __name__ == "__main__":\n')
    namespace = {"__name__": "__main__", "__file__": HARNESS}
    exec(compile(definitions, HARNESS, "exec"), namespace)
    namespace["PEERS"]["fastnn"] = adapter(namespace)
    namespace["__file__"] = os.path.abspath(__file__)  # the harness starts its workers from here
    exec(compile("if True:\n" + main, HARNESS, "exec"), namespace)
