# The C-level API of fastnn: enums, structs, and the kernels for this CPU.
#
#     from fastnn.kernels cimport Kernels, kernels
#     cdef const Kernels* single = kernels(sizeof(float))      # float32: 4, float64: 8
#
# `kernels` needs the GIL. Its functions need neither the GIL nor Python. One struct serves both dtypes, so
# arrays of numbers are void*: pass float* to the functions for float32 and double* to those for float64.
# Structs and functions borrow the memory that you pass; fastnn allocates nothing and frees nothing. docs/c_api.md is the
# guide, tests/kernels/client/ and examples/policy/ have complete clients.
#
# An extension contains the two versions of the file that it was compiled with, and `kernels` compares them with those of
# the installed fastnn. tests/kernels/test_c_api_version.py makes sure that they are raised.

cdef enum:
    ABI_VERSION = 2                 # raised when a struct or a function changes: extensions must be compiled again
    API_VERSION = 1                 # raised when a function or a member of an enum is added, at the end
    LONG_SHUFFLE = 1048576          # with more rows than this a shuffle may last long, so every epoch ends its slice

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
    SOFTMAX       # over a row; output layer only
    EXPONENTIAL
    SELU          # s = 1.0507009873554805, alpha = 1.6732632423543772
    MISH

cpdef enum Loss:
    GIVEN_GRADIENT                # no loss: `targets` holds dL/dY
    SQUARED_ERROR
    BINARY_CROSS_ENTROPY          # from probabilities
    LOGITS_BINARY_CROSS_ENTROPY   # fused with the sigmoid: from z
    CROSS_ENTROPY                 # fused with the softmax: from z; targets are rows of probabilities
    CLASS_CROSS_ENTROPY           # the same; targets are int64 class indices
    ABSOLUTE_ERROR
    HUBER                         # numbers: delta
    QUANTILE                      # numbers: the quantile of each output
    POISSON                       # fused with the exponential: from z, the logarithm of the rate
    GAUSSIAN                      # outputs: means, then logarithms of variances; targets: y, then anything
    CUSTOM_LOSS                   # calls `custom.evaluate` with the outputs of each batch
    LOG_COSH

cpdef enum Rule:                # the update rule of an optimizer
    NO_UPDATE
    SGD
    ADAM        # also AdamW and AMSGrad
    ADAGRAD
    ADADELTA
    RMSPROP
    ADAMAX
    NADAM
    LION

cpdef enum Schedule:            # of the learning rate; t: whole steps or epochs done
    CONSTANT            # lr
    STEP_DECAY          # lr factor^floor(t / every)
    EXPONENTIAL_DECAY   # lr factor^t
    COSINE_DECAY        # up to lr in `warmup`, down to final_lr in `every`
    ONE_CYCLE           # from start_lr to lr at `warmup`, to final_lr at `every`
    RATE_TABLE          # rates[t]; after the end, the last rate

cpdef enum VectorFunction:
    EXP
    LOG
    LOG1P
    TANH_FUNCTION
    ERF
    SIGMOID_FUNCTION
    LOG1P_UNIT          # log1p for 0 <= x <= 1

cpdef enum DerivativeKind:      # of the outputs y in the inputs x; d inputs are asked for
    JACOBIAN            # dy_k/dx_i (n_out, d)
    HESSIAN             # d2y_k/dx_i dx_j (n_out, d, d)
    HESSIAN_DIAGONAL    # d2y_k/dx_i^2 (n_out, d)
    LAPLACIAN           # the sum of the diagonal (n_out,)
    ALONG_INPUTS        # sum_i v_i dy_k/dx_i (n_out,), v: `directions` (n, n_in)
    ALONG_OUTPUTS       # sum_k u_k dy_k/dx_i (d,), u: `directions` (n, n_out)

cpdef enum Stop:                # why `train` returned
    TIME                # the deadline has passed
    EPOCHS              # last_epoch has ended
    NOT_FINITE          # a loss or a parameter is not finite: call `restore`
    SIGNAL              # `poll` or a custom loss asked to stop; the unfinished step is dropped
    CONVERGED           # see Stopping

cpdef enum Metric:              # of an epoch; the lower the better
    TRAINING_LOSS
    VALIDATION_LOSS
    VALIDATION_ERROR_RATE       # the share of the rows' weights whose predicted class is wrong

# A table stands for n_numbers + sum(n_bins) + sum(n_levels) inputs, sizes[0] in all: the numbers, then the bins column
# by column, then the levels column by column. See fastnn.EncodedTable.
cdef struct TableLayout:
    Py_ssize_t n_numbers, n_positions, n_codes
    const Py_ssize_t* n_bins        # (n_positions,) each at least 1
    const Py_ssize_t* n_levels      # (n_codes,) each at least 1
    const double* position_scale    # (n_positions,)
    const double* code_scale        # (n_codes,)

cdef struct TableRows:              # row-major; what is out of range is read as the nearest position, or as no level
    const void* numbers             # (n_rows, n_numbers)
    const void* positions           # (n_rows, n_positions) 0 to n_bins: the bin, and the position in it as its fraction
    const int* codes                # (n_rows, n_codes) 0 to n_levels - 1, or -1 for no level

cdef struct Network:
    Py_ssize_t n_layers
    const Py_ssize_t* sizes         # (n_layers + 1,)
    const int* activations          # (n_layers,) of Activation
    void** weights                  # (n_layers,) pointers to row-major W (sizes[l], sizes[l + 1])
    void** biases                   # (n_layers,) pointers to b (sizes[l + 1],), or NULL for a layer without bias
    const TableLayout* table        # NULL, or the inputs are a table: X then points to a TableRows; n_layers is not 0
    # NULL, or of weights in training: (2 n_layers,) pointers to lower bounds like W, then to upper ones; NULL for a layer
    # without
    void** bounds

cdef struct LearningRate:
    int schedule                    # Schedule
    bint per_epoch                  # t counts epochs, not steps
    double lr, factor, every, warmup, final_lr, start_lr
    const double* rates             # RATE_TABLE: (n_rates,), n_rates at least 1
    Py_ssize_t n_rates

cdef struct Optimizer:
    int rule                        # Rule
    LearningRate rate
    bint nesterov, amsgrad, centered
    bint decoupled                  # weight decay multiplies w and leaves the gradient alone, as in AdamW
    double momentum, weight_decay, beta1, beta2, eps
    double decay                    # of the learning rate (Adagrad) or of the momentum (NAdam)
    double l1, l2                   # penalties on weights: l1 |w| + l2/2 w^2
    double clip_value, clip_norm    # 0: no clipping
    double average                  # decay of the moving average of the parameters; 0: no average
    bint lazy_categories            # ADAM without amsgrad and average: as in fastnn.AdamW

cdef struct Generator:              # NumPy's bitgen_t, numpy/random/bitgen.h
    void* state
    unsigned long long (*next_uint64)(void*) noexcept nogil
    unsigned int (*next_uint32)(void*) noexcept nogil
    double (*next_double)(void*) noexcept nogil
    unsigned long long (*next_raw)(void*) noexcept nogil

cdef struct Poll:                   # a callback that can stop long work, called about every 20 ms
    int (*check)(void* context) noexcept nogil      # returns 0 to continue
    void* context

cdef struct Data:                   # rows and targets to train or validate on, row-major
    const void* X                   # (n_rows, sizes[0]), or a TableRows if net.table is not NULL
    const void* targets             # (n_rows, sizes[-1]), or (n_rows,) int64 for CLASS_CROSS_ENTROPY
    const void* sample_weight       # (n_rows,) or NULL
    Py_ssize_t n_rows, batch_size   # batch_size: 1 to n_rows
    Generator* generator            # shuffles `order` at the start of every epoch; NULL: no shuffling
    Py_ssize_t* order               # INOUT (n_rows,): the rows in the order of this epoch; NULL: 0, 1, 2, ...
    const Py_ssize_t* rows          # (n_rows,) what `order` is shuffled from; NULL: 0, 1, 2, ...
    void* dX                        # OUT (n_rows, sizes[0]): the gradient of the inputs, or NULL, as for a table

cdef struct CustomLoss:             # a loss that the caller computes, one batch at a time
    # Called after `outputs` of rows first..first+n in this epoch's order are computed. Writes the loss and `gradient`;
    # returns 0 to continue.
    int (*evaluate)(void* context, Py_ssize_t first, Py_ssize_t n, double* loss) noexcept nogil
    void* context
    void* outputs                   # OUT (batch_size, sizes[-1])
    const void* gradient            # IN (batch_size, sizes[-1]): the gradient of the outputs
    # If jacobian.n_inputs = d is not 0, the loss also reads dy_k/dx_i of these inputs, and behind them n_seconds of
    # d2y_k/dx_i^2: none, all d, or 1, their sum.
    Py_ssize_t n_seconds
    void* tangents                  # OUT (d + n_seconds, batch_size, sizes[-1])
    const void* tangent_gradient    # IN (d + n_seconds, batch_size, sizes[-1])

# A loss of the derivatives of the outputs in some inputs: for a row, the mean of (dy_k/dx_i - target)^2 over its targets
# that are not NaN, or 0 if all are. A custom loss has neither targets nor weights here.
cdef struct JacobianLoss:
    Py_ssize_t n_inputs             # 0: no such loss
    const Py_ssize_t* inputs        # (n_inputs,) different inputs i, each below sizes[0]
    const void* targets             # (n_rows, sizes[-1], n_inputs)
    double weight                   # the loss of a row is value_weight times that of its outputs + weight times this
    double value_weight

# The loss of a batch: scale sum(w_i l_i) / sum(w_i) + shared_l2/2 sum W^2 / sum(w_i). A validation loss has no penalty.
cdef struct Objective:
    int loss                        # Loss
    const void* numbers             # (sizes[-1],) the loss's parameter of each output, or NULL (BCE: weight of label 1)
    double smoothing                # label smoothing of BCE and cross-entropy
    double scale                    # 0 means 1
    double gradient_scale           # replaces `scale` in gradients; 0 means 1
    double shared_l2                # a penalty that the rows of a batch share
    CustomLoss custom
    # For a loss that is not fused with an activation, layers without dropout, and neither table, shards nor dX.
    JacobianLoss jacobian

# The rows of all ranks in virtual shards, whose gradients are added in a binary tree (src/train/shards.pxi). A rank
# holds neighbouring shards. Its rows are those of its first shard, then those of the next.
#
# A batch has, of shard j, as many rows as are needed to have taken floor((t batch_size + j) / n_shards) of them in t
# batches, until the shard is used up. Batches without rows are left out.
cdef struct Shards:
    Py_ssize_t n_shards             # of all ranks; 0: the rows are not in shards
    Py_ssize_t first, n             # the first shard of this rank, and their number, at least 1
    const Py_ssize_t* lengths       # (n_shards,) the number of rows of each
    Py_ssize_t n_rows, batch_size   # of all shards; data.batch_size: the most rows that a batch has of one shard
    bint shuffles                   # each epoch has its own order of the rows of a shard, which depends on `seed`
    unsigned long long seed
    # Called by thread 0 after each gradient of a batch: adds what other ranks have to `sums` and `totals`. Returns 0 to
    # continue, else the step is dropped. NULL: this is the only rank.
    int (*reduce)(void* context) noexcept nogil
    void* context
    void* sums                      # INOUT (n_params,): the gradient, flat, not divided by the total weight
    # INOUT (2,): the loss, likewise, and the total weight. NULL: `sums` has four numbers more, for each of the two its
    # value rounded to the dtype, and the rest.
    double* totals

cdef struct Dropout:
    const double* rates             # (n_layers,) the fraction of each layer's inputs that a step drops, or NULL
    unsigned long long seed

# Early stopping, and the best epoch. An epoch is an improvement if its metric is below best - min_delta, and the best so
# far if it is an improvement.
cdef struct Stopping:
    int metric                      # Metric
    Py_ssize_t patience             # CONVERGED after this many epochs in a row without improvement; 0: never
    double min_delta
    bint running_best               # an improvement is at most best - min_delta, the best so far is below best
    bint keep_last                  # a metric equal to these limits is the best so far, too
    bint keep_params                # keep the parameters of the best epoch for `store_best`
    double best                     # INOUT: the metric to improve on; infinity at first
    Py_ssize_t no_improvement       # INOUT: epochs in a row without improvement; 0 at first
    Py_ssize_t best_epoch           # INOUT: whole epochs done at the best so far; -1: none yet, the next epoch is the best

cdef struct Position:               # how far a training has come; all 0 at first
    Py_ssize_t step, epoch          # whole steps and epochs done
    Py_ssize_t row                  # the first row of the next batch
    double loss_sum                 # over the batches of this epoch: loss of the batch times its number of rows
    bint is_shuffled                # `order` is that of this epoch: it is not shuffled, even if row is 0

cdef struct Slice:                  # one call of `train`
    int n_threads                   # set the maximum before `prepare`; each call of `train` may use fewer
    Py_ssize_t first_epoch          # position.epoch when the slice begins
    Py_ssize_t last_epoch           # the slice ends when position.epoch is last_epoch; above first_epoch
    Py_ssize_t last_step            # likewise for position.step, with the reason TIME; 0: no such limit
    long long deadline              # ns of CLOCK_MONOTONIC; checked between steps, about every 20 us
    Poll poll                       # check may be NULL
    double* losses                  # OUT (last_epoch - first_epoch,): the mean loss of epoch e at e - first_epoch
    double* validation_losses       # OUT: likewise, of the validation; NULL without one
    double* error_rates             # OUT: likewise, or NULL; for binary cross-entropy and cross-entropy
    Py_ssize_t validated            # OUT: whole epochs done and validated
    int stop_reason                 # OUT: Stop
    bint dropped_shuffle            # OUT: `poll` stopped a shuffle: restore the generator's state before you train on

cdef struct Training:               # zero all of it, then fill in what you need
    Network net
    Data data
    Objective objective
    Optimizer optimizer
    Dropout dropout
    Shards shards
    Stopping stopping
    Position position               # INOUT
    Slice slice
    # NULL, or a training without optimizer on other rows of the same network. Its loss is evaluated after every epoch
    # with this training's parameters (or their average, if there is one). Prepare it before this one and attach it
    # after: `prepare` of this one gives it other parameters.
    Training* validation
    void* parameters                # parameters_size bytes: parameters, moments and a copy of them for `restore`
    void* workspace                 # workspace_size bytes: intermediate results of a slice

cdef struct Derivative:
    int kind                        # DerivativeKind
    Py_ssize_t n_inputs             # d, if `inputs` is not NULL
    const Py_ssize_t* inputs        # (n_inputs,) the inputs that are asked for, each below n_in; NULL: all
    const void* directions          # see DerivativeKind, or NULL

cdef struct Kernels:
    int api_version                 # API_VERSION of the installed fastnn
    int itemsize                    # 4 or 8
    const char* name                # of the instruction set

    # Training, in this order:
    #
    #     fill in a Training
    #     training.parameters = parameters_size(&training) zero bytes, 64-byte aligned;  prepare(&training)
    #     training.workspace = workspace_size(&training) bytes, 64-byte aligned;         attach(&training, clear)
    #     load(&training, moments)
    #     for each slice: set training.slice;  every thread 0 .. n_threads-1 calls train(&training, thread) once
    #     store(&training, moments)
    #
    # Trainings may share one workspace, of the largest size, but not at the same time: attach a training again after
    # another has used it. clear: the workspace holds something else than zeros.
    Py_ssize_t (*parameters_size)(const Training* training) noexcept nogil
    void (*prepare)(Training* training) noexcept nogil
    Py_ssize_t (*workspace_size)(const Training* training) noexcept nogil      # also before `prepare`, with parameters NULL
    void (*attach)(Training* training, bint clear) noexcept nogil
    # `load` reads net.weights and net.biases, `store` writes them. moments: moments_size numbers (NULL for 0): the
    # optimizer's moments, then the average of the parameters, if there is one. Moments and gradients are flat, in the
    # order W0, b0, W1, b1, ...; a layer without bias has no b. With NULL for more than 0 numbers, moments stay as they are.
    Py_ssize_t (*moments_size)(const Training* training) noexcept nogil
    void (*load)(Training* training, const void* moments) noexcept nogil
    void (*store)(Training* training, void* moments) noexcept nogil
    void (*store_gradient)(Training* training, void* grads) noexcept nogil      # of the last step, from the workspace
    void (*store_best)(Training* training, void* params) noexcept nogil     # parameters of the best epoch, flat
    void (*restore)(Training* training) noexcept nogil      # back to the last copy, made when an epoch or a slice began
    void (*train)(Training* training, int thread) noexcept nogil
    # The loss of all rows as one batch, with the parameters as loaded. error_rate: OUT (see Metric), or NULL.
    double (*loss_only)(Training* training, double* error_rate) noexcept nogil

    # Inference: X (n, sizes[0]), or a TableRows -> out (n, sizes[-1]). workspace: forward_workspace_size zero bytes, 64-byte aligned.
    # poll may be NULL; returns 0, or 1 if `poll` stopped it.
    Py_ssize_t (*forward_workspace_size)(const Network* net, Py_ssize_t n) noexcept nogil
    int (*forward)(const Network* net, const void* X, Py_ssize_t n, void* out, void* workspace,
                   const Poll* poll) noexcept nogil
    # Derivatives: X (n, sizes[0]) -> out (n, numbers of the kind). net.table is NULL. workspace: derivative_workspace_size
    # bytes, 64-byte aligned, which need not be zero.
    Py_ssize_t (*derivative_workspace_size)(const Network* net, const Derivative* request, Py_ssize_t n) noexcept nogil
    int (*derivative)(const Network* net, const Derivative* request, const void* X, Py_ssize_t n, void* out,
                      void* workspace, const Poll* poll) noexcept nogil

    # Products with second derivatives of a loss in the parameters, which the caller computes between the two calls (docs/c_api.md).
    # v and out are flat, like the gradient of `store_gradient`. Y, dY, U, dU: (n, n_out); U may be NULL.
    # workspace: curvature_workspace_size bytes, as above.
    Py_ssize_t (*curvature_workspace_size)(const Network* net) noexcept nogil
    int (*outputs_along)(const Network* net, const void* v, const void* X, Py_ssize_t n, void* Y, void* dY,
                         void* workspace, const Poll* poll) noexcept nogil
    int (*add_curvature)(const Network* net, const void* v, const void* X, Py_ssize_t n, const void* U, const void* dU,
                         void* out, void* workspace, const Poll* poll) noexcept nogil

    # Functions on contiguous arrays of n rows of m numbers; out may be Z and dZ may be dA. Only softmax reads rows and
    # needs a workspace, of row_workspace_size(m) zero bytes.
    Py_ssize_t (*row_workspace_size)(Py_ssize_t m) noexcept nogil
    void (*activation)(int kind, const void* Z, void* out, Py_ssize_t n, Py_ssize_t m, void* workspace) noexcept nogil
    void (*activation_backward)(int kind, const void* dA, const void* Z, void* dZ, Py_ssize_t n, Py_ssize_t m,
                                void* workspace) noexcept nogil
    void (*vector_function)(int which, const void* x, void* out, Py_ssize_t n) noexcept nogil
    int (*n_moments)(const Optimizer* optimizer) noexcept nogil     # arrays like the parameters, the average among them
    # Step number `step` (the first is 1), in place. The optimizer's rate is CONSTANT and its clip_norm is 0.
    void (*update)(const Optimizer* optimizer, Py_ssize_t step, void* params, const void* grads, void** moments,
                   Py_ssize_t n) noexcept nogil
    # The rate of the step that follows this many whole steps and epochs.
    double (*learning_rate)(const LearningRate* rate, Py_ssize_t step, Py_ssize_t epoch) noexcept nogil
    bint (*all_finite)(const void* x, Py_ssize_t n) noexcept nogil
    # At least n multiply-adds z = z x[0] + x[1] in registers, as fast as the CPU computes them. Returns how many they were.
    Py_ssize_t (*multiply_adds)(void* x, Py_ssize_t n) noexcept nogil

    # Trainings of small networks of the same layers, one in each lane of a vector. Fill in, prepare, load and set the slices
    # of all first, and give them the same workspace, of lanes_size bytes. `train_lanes` is `train` of all, in one thread.
    int (*max_lanes)(const Training* training) noexcept nogil       # how many at most; 1: this one trains alone
    Py_ssize_t (*lanes_size)(const Training* training) noexcept nogil       # 0: likewise
    int (*count_lanes)(Training** trainings, Py_ssize_t n) noexcept nogil   # how many of these, from the first on
    void (*train_lanes)(Training** trainings, int n) noexcept nogil

cdef const Kernels* kernels_of_version(Py_ssize_t itemsize, int abi_version, int api_version) except NULL

cdef inline const Kernels* kernels(Py_ssize_t itemsize) except NULL:
    """The kernels for float (itemsize 4) or double (8).

    ImportError: the installed fastnn is not compatible with the one that your extension was compiled with."""
    return kernels_of_version(itemsize, ABI_VERSION, API_VERSION)
