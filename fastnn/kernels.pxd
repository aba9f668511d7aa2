# What other compiled code can cimport: the enums, the structs, and the table of functions of the variant that was chosen for this CPU.
#
#     from fastnn.kernels cimport Table, table
#     cdef const Table* kernels = table(sizeof(float))      # NULL for any other size than 4 or 8; needs the GIL
#
# Pointers to numbers are void*, since one table type serves float and double; each function wants the dtype of its table.
# API_VERSION is the version of all that. A released version never changes: new fields are added at the end and raise it.

cdef enum:
    API_VERSION = 1
    LONG_SHUFFLE = 1048576          # more rows than this are shuffled at the beginning of a slice or not at all: an epoch ends the slice

cpdef enum Activation:
    IDENTITY
    SIGMOID
    RELU
    TANH
    LEAKY_RELU    # slope 0.01 below 0
    ELU           # alpha = 1
    SOFTPLUS
    GELU          # z times the normal distribution function of z, by erf
    SILU
    SOFTMAX       # over a row; an output only
    EXPONENTIAL
    SELU          # s = 1.0507009873554805, alpha = 1.6732632423543772
    MISH

cpdef enum Loss:
    GIVEN_GRADIENT                # no loss: `targets` holds dL/dY
    SQUARED_ERROR
    BINARY_CROSS_ENTROPY          # from probabilities
    LOGITS_BINARY_CROSS_ENTROPY   # fused with the sigmoid: from z
    CROSS_ENTROPY                 # fused with the softmax: from z; targets are rows of probabilities
    CLASS_CROSS_ENTROPY           # the same; targets are int64 class numbers
    ABSOLUTE_ERROR
    HUBER                         # numbers: delta
    QUANTILE                      # numbers: the quantile of each output
    POISSON                       # fused with the exponential: from z, the logarithm of the rate
    GAUSSIAN                      # outputs: means, then logarithms of variances; targets: y, then anything
    CUSTOM_LOSS                   # `custom.evaluate` is asked about the outputs of each batch
    LOG_COSH

cpdef enum Rule:                # how a gradient changes the parameters
    NO_UPDATE
    SGD
    ADAM        # AdamW and AMSGrad too
    ADAGRAD
    ADADELTA
    RMSPROP
    ADAMAX
    NADAM
    LION

cpdef enum Schedule:            # how the learning rate moves; t: whole steps or epochs done
    CONSTANT            # lr
    STEP_DECAY          # lr factor^floor(t / every)
    EXPONENTIAL_DECAY   # lr factor^t
    COSINE_DECAY        # up to lr in `warmup`, down to final_lr in `every`
    ONE_CYCLE           # from start_lr to lr at `warmup`, to final_lr at `every`
    RATE_TABLE          # rates[t]; from their end on, the last of them

cpdef enum VectorFunction:
    EXP
    LOG
    LOG1P
    TANH_FUNCTION
    ERF
    SIGMOID_FUNCTION
    LOG1P_UNIT          # log1p for 0 <= x <= 1

cpdef enum Stop:                # why a call of `train` came back
    TIME
    EPOCHS
    NOT_FINITE
    SIGNAL
    CONVERGED

cdef struct Network:
    Py_ssize_t n_layers
    const Py_ssize_t* sizes         # (n_layers + 1,)
    const int* activations          # (n_layers,) of Activation
    void** weights                  # (n_layers,) row-major W (sizes[l], sizes[l + 1])
    void** biases                   # (n_layers,) b (sizes[l + 1],), or NULL for a layer without

cdef struct LearningRate:
    int schedule
    bint per_epoch                  # t counts epochs, not steps
    double lr, factor, every, warmup, final_lr, start_lr
    const double* rates             # RATE_TABLE: (n_rates,), n_rates at least 1; borrowed
    Py_ssize_t n_rates

cdef struct Optimizer:
    int rule
    LearningRate rate
    bint nesterov, amsgrad, centered, decoupled     # decoupled: the decay shrinks w and leaves the gradient alone
    double momentum, weight_decay, beta1, beta2, eps
    double decay                    # of the learning rate (Adagrad), of the momentum (NAdam)
    double l1, l2                   # penalties on weights: l1 |w| + l2/2 w^2
    double clip_value, clip_norm    # 0: none
    double average                  # decay of the moving average of the parameters; 0: none

cdef struct Generator:              # numpy's bitgen_t, numpy/random/bitgen.h
    void* state
    unsigned long long (*next_uint64)(void*) noexcept nogil
    unsigned int (*next_uint32)(void*) noexcept nogil
    double (*next_double)(void*) noexcept nogil
    unsigned long long (*next_raw)(void*) noexcept nogil

cdef struct Poll:                   # asked about every 20 ms in work that lasts long
    int (*check)(void* context) noexcept nogil      # not 0: stop
    void* context

cdef struct Data:                   # rows to learn from or to judge by: row-major, borrowed
    const void* X                   # (n_rows, sizes[0])
    const void* targets             # (n_rows, sizes[-1]), or (n_rows,) int64 for CLASS_CROSS_ENTROPY
    const void* sample_weight       # (n_rows,) or NULL
    Py_ssize_t n_rows, batch_size
    Generator* generator            # shuffles `order` at the start of every epoch; NULL: the order stays
    Py_ssize_t* order               # (n_rows,) or NULL for 0, 1, 2, ...
    void* dX                        # OUT (n_rows, sizes[0]) or NULL: the gradient of the inputs

cdef struct CustomLoss:             # a loss that is evaluated for a whole batch at once
    int (*evaluate)(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil   # not 0: stop
    void* context
    void* outputs                   # (batch_size, sizes[-1]): of rows first..first+n of the epoch's order, for `evaluate`
    const void* gradient            # (batch_size, sizes[-1]): its answer

cdef struct Objective:              # scale sum(w_i l_i) / sum(w_i) + shared_l2/2 sum W^2 / sum(w_i) of a batch; a validation's has no penalty
    int loss                        # Loss
    const void* numbers             # (sizes[-1],) or NULL: what a loss wants to know of each output; positive weights of BCE
    double smoothing                # of the labels of BCE and cross-entropy
    double scale                    # 0: 1
    double gradient_scale           # replaces `scale` where gradients are computed; 0: 1
    double shared_l2                # a penalty that the rows of a batch share
    CustomLoss custom

cdef struct Dropout:
    const double* rates             # (n_layers,) or NULL: the share of each layer's inputs that a step drops
    unsigned long long seed

cdef struct Stopping:               # CONVERGED after `patience` epochs in a row without a mean loss of best_loss - tolerance or less
    Py_ssize_t patience             # 0: never
    double tolerance
    double best_loss                # INOUT: the lowest mean loss so far; infinity at first
    Py_ssize_t no_improvement           # INOUT: such epochs until now

cdef struct Position:               # where a training stands
    Py_ssize_t step, epoch, row     # whole steps and epochs done; first row of the next batch
    double loss_sum                 # over the batches of this epoch: loss of the batch times its rows

cdef struct Slice:                  # one call of `train`
    int n_threads                   # when prepared: the most of any call, since memory for their chunks is laid out then
    Py_ssize_t first_epoch, last_epoch
    long long deadline              # ns on the clock of `now`
    Poll poll                       # check may be NULL
    double* losses                  # OUT: losses[e - first_epoch], the mean loss of epoch e
    double* validation_losses       # OUT: validation_losses[e - first_epoch]
    Py_ssize_t validated            # OUT: whole epochs done and validated
    int why                         # OUT: Stop
    bint dropped_shuffle            # OUT: `poll` stopped the shuffle of an epoch; the generator has moved on in vain

cdef struct Training:
    Network net
    Data data
    Objective objective
    Optimizer optimizer
    Dropout dropout
    Stopping stopping
    Position position               # INOUT
    Slice slice
    # or NULL; evaluated after every epoch: other rows of the same network, prepared before, whose loss is that of the parameters as they are in
    # this training (of their average, if there is one)
    Training* validation
    void* memory                    # parameters, moments and the copy to fall back on: of memory_size bytes, 64-byte aligned, zero
    void* workspace                 # what the threads of a slice compute in: of workspace_size bytes, 64-byte aligned

cdef struct Table:
    int version                     # API_VERSION
    int itemsize                    # 4 or 8
    const char* name                # of the instruction set
    # Training: give it memory, prepare, give it a workspace, attach; then load, any number of slices of `train` with any number of threads,
    # store. Trainings may use one workspace in turn, as large as the largest needs: attach again after another has used it, with `clear`
    # unless it is zero.
    Py_ssize_t (*memory_size)(const Training* job) noexcept nogil
    void (*prepare)(Training* job) noexcept nogil
    Py_ssize_t (*workspace_size)(const Training* job) noexcept nogil
    void (*attach)(Training* job, bint clear) noexcept nogil
    # Parameters come from net.weights and net.biases and go back there. moments: those of the optimizer, then the average of the parameters,
    # if there is one; each flat in the order W0, b0, W1, b1, ... (layers without bias have no b); the gradient is stored in the same order.
    Py_ssize_t (*moments_size)(const Training* job) noexcept nogil     # numbers in all
    void (*load)(Training* job, const void* moments) noexcept nogil
    void (*store)(Training* job, void* moments) noexcept nogil
    void (*store_gradient)(Training* job, void* grads) noexcept nogil
    void (*restore)(Training* job) noexcept nogil
    void (*train)(Training* job, int thread) noexcept nogil
    double (*loss_only)(Training* job) noexcept nogil
    # Inference: X (n, sizes[0]) -> out (n, sizes[-1]); scratch of forward_size bytes, zero. Not 0: `poll`, which may be NULL, stopped it.
    Py_ssize_t (*forward_size)(const Network* net, Py_ssize_t n) noexcept nogil
    int (*forward)(const Network* net, const void* X, Py_ssize_t n, void* out, void* scratch, const Poll* poll) noexcept nogil
    # On flat arrays: n rows of m numbers (only softmax asks what a row is; row_size(m) bytes of scratch)
    Py_ssize_t (*row_size)(Py_ssize_t m) noexcept nogil
    void (*activation)(int kind, const void* Z, void* out, Py_ssize_t n, Py_ssize_t m, void* scratch) noexcept nogil
    void (*activation_backward)(int kind, const void* dA, const void* Z, void* dZ, Py_ssize_t n, Py_ssize_t m,
                                void* scratch) noexcept nogil
    void (*vector_function)(int which, const void* x, void* out, Py_ssize_t n) noexcept nogil
    int (*n_moments)(const Optimizer* optimizer) noexcept nogil
    void (*update)(const Optimizer* optimizer, Py_ssize_t step, void* params, const void* grads, void** moments, Py_ssize_t n) noexcept nogil
    double (*learning_rate)(const LearningRate* rate, Py_ssize_t step, Py_ssize_t epoch) noexcept nogil
    bint (*all_finite)(const void* x, Py_ssize_t n) noexcept nogil

cdef const Table* table(Py_ssize_t itemsize) except? NULL
