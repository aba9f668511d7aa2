# Many networks: a lock for all of them while they train, and their outputs for the same rows.

cdef class ManyInTraining:
    """A context manager: this thread trains these networks, and no other thread may use them."""
    cdef list contexts

    def __init__(self, list networks):
        self.contexts = [InTraining(network) for network in networks]

    def __enter__(self):
        cdef Py_ssize_t i = 0
        try:
            for i in range(len(self.contexts)):
                (<InTraining>self.contexts[i]).__enter__()
        except BaseException:
            self.contexts = self.contexts[:i]
            self.__exit__()
            raise

    def __exit__(self, *exception):
        for context in self.contexts:
            (<InTraining>context).__exit__()

def forward_many(list networks, X, out):
    """out[j] = outputs of network j for X: X (n, n_in), out (k, n, n_out), C-contiguous, of the networks' dtype."""
    cdef CompiledNetwork network = networks[0]
    cdef Py_ssize_t n = len(X), k = len(networks), i, itemsize = network.itemsize
    cdef Array x = Array(X, itemsize, n * network.n_in)
    cdef Array y = Array(out, itemsize, k * n * network.n_out, True)
    cdef Py_ssize_t size = n * network.n_out * itemsize, n_in = network.n_in, n_out = network.n_out
    for i in range(k):
        network = networks[i]
        network.check_not_training()
        if network.n_in != n_in or network.n_out != n_out or network.itemsize != itemsize:
            raise ValueError("The networks differ in inputs, outputs or dtype.")
        network.run(x.data, n, <char*>y.data + i * size)
