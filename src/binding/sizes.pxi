# The memory that a training or a prediction allocates, without allocating it.

def training_bytes(CompiledNetwork network, Py_ssize_t batch_size, *, int loss, dict optimizer, dropout=None):
    """The bytes that a `Trainer` of these arguments allocates, besides 8 for each row if it has a generator: its copies
    of parameters and moments, and its workspace, in one thread."""
    network.check_bound()
    cdef Training training
    cdef Array schedule, rates = optional(dropout, sizeof(double), network.net.n_layers)
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}.")
    memset(&training, 0, sizeof(Training))
    schedule = read_optimizer(optimizer, &training.optimizer)
    training.net = network.net
    training.data.n_rows = training.data.batch_size = batch_size
    training.objective.loss = loss
    training.dropout.rates = <const double*>pointer(rates)
    training.slice.n_threads = 1
    return (network.kernels.parameters_size(&training) + 63) // 64 * 64 + network.kernels.workspace_size(&training)

def forward_bytes(CompiledNetwork network, Py_ssize_t n):
    """The bytes of the workspace in which `forward` computes n rows of an array in one thread."""
    network.check_bound()
    return network.kernels.forward_workspace_size(&network.net, n)
