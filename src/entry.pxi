# The Kernels struct of a variant. Its functions set the mode of kernels (float_mode.h), compute, and restore the caller's mode.
#
# They call the kernels through pointers of which the compiler knows nothing, so no kernel is inlined here and none of
# its arithmetic moves out of the mode. Functions that only lay out memory or copy numbers have no mode.

cdef struct Bodies:
    void (*prepare)(Training*) noexcept nogil
    void (*train)(Training*, int) noexcept nogil
    void (*train_lanes)(Training**, int) noexcept nogil
    double (*loss_only)(Training*, double*) noexcept nogil
    int (*forward)(const Network*, const void*, Py_ssize_t, void*, void*, Clock*) noexcept nogil
    int (*derivative)(const Network*, const Derivative*, const void*, Py_ssize_t, void*, void*, Clock*) noexcept nogil
    int (*outputs_along)(const Network*, const void*, const void*, Py_ssize_t, void*, void*, void*, Clock*) noexcept nogil
    int (*add_curvature)(const Network*, const void*, const void*, Py_ssize_t, const void*, const void*, void*, void*,
                         Clock*) noexcept nogil
    void (*activation)(int, const void*, void*, Py_ssize_t, Py_ssize_t, void*) noexcept nogil
    void (*activation_backward)(int, const void*, const void*, void*, Py_ssize_t, Py_ssize_t, void*) noexcept nogil
    void (*vector_function)(int, const void*, void*, Py_ssize_t) noexcept nogil
    void (*update)(const Optimizer*, Py_ssize_t, void*, const void*, void**, Py_ssize_t) noexcept nogil
    double (*learning_rate)(const LearningRate*, Py_ssize_t, Py_ssize_t) noexcept nogil
    bint (*all_finite)(const void*, Py_ssize_t) noexcept nogil
    Py_ssize_t (*multiply_adds)(void*, Py_ssize_t) noexcept nogil

cdef Bodies BODIES
BODIES.prepare = prepare
BODIES.train = train
BODIES.train_lanes = train_lanes
BODIES.loss_only = loss_only
BODIES.forward = rows_forward
BODIES.derivative = rows_derivative
BODIES.outputs_along = outputs_along
BODIES.add_curvature = add_curvature
BODIES.activation = activation
BODIES.activation_backward = activation_backward
BODIES.vector_function = vector_function
BODIES.update = update
BODIES.learning_rate = learning_rate
BODIES.all_finite = all_finite
BODIES.multiply_adds = multiply_adds

cdef inline const Bodies* bodies() noexcept nogil:
    return <const Bodies*>opaque(&BODIES)

cdef inline void set_caller(Training* training, float_mode* caller) noexcept nogil:
    """What calls back out of the kernels, in thread 0, restores this mode."""
    workspace_of(training).clock.caller = caller

cdef void enter_prepare(Training* training) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().prepare(training)
    set_mode(caller)

cdef void enter_train(Training* training, int thread) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    if thread == 0:
        set_caller(training, &caller)
        if training.validation != NULL:     # it has a workspace in a slice only
            set_caller(training.validation, &caller)
    bodies().train(training, thread)
    set_mode(caller)

cdef void enter_train_lanes(Training** trainings, int n) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().train_lanes(trainings, n)
    set_mode(caller)

cdef double enter_loss_only(Training* training, double* error_rate) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef double loss
    set_caller(training, &caller)
    loss = bodies().loss_only(training, error_rate)
    set_mode(caller)
    return loss

cdef inline Clock clock_of(const Poll* poll, float_mode* caller) noexcept nogil:
    cdef Clock clock
    clock.poll = poll
    clock.polled = now() if poll != NULL else 0
    clock.caller = caller
    return clock

cdef int enter_forward(const Network* net, const void* X, Py_ssize_t n, void* out, void* workspace,
                       const Poll* poll) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Clock clock = clock_of(poll, &caller)
    cdef int stopped = bodies().forward(net, X, n, out, workspace, &clock)
    set_mode(caller)
    return stopped

cdef int enter_derivative(const Network* net, const Derivative* request, const void* X, Py_ssize_t n, void* out,
                          void* workspace, const Poll* poll) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Clock clock = clock_of(poll, &caller)
    cdef int stopped = bodies().derivative(net, request, X, n, out, workspace, &clock)
    set_mode(caller)
    return stopped

cdef int enter_outputs_along(const Network* net, const void* v, const void* X, Py_ssize_t n, void* Y, void* dY,
                             void* workspace, const Poll* poll) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Clock clock = clock_of(poll, &caller)
    cdef int stopped = bodies().outputs_along(net, v, X, n, Y, dY, workspace, &clock)
    set_mode(caller)
    return stopped

cdef int enter_add_curvature(const Network* net, const void* v, const void* X, Py_ssize_t n, const void* U, const void* dU,
                             void* out, void* workspace, const Poll* poll) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef Clock clock = clock_of(poll, &caller)
    cdef int stopped = bodies().add_curvature(net, v, X, n, U, dU, out, workspace, &clock)
    set_mode(caller)
    return stopped

cdef void enter_activation(int kind, const void* Z, void* out, Py_ssize_t n, Py_ssize_t m, void* workspace) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().activation(kind, Z, out, n, m, workspace)
    set_mode(caller)

cdef void enter_activation_backward(int kind, const void* dA, const void* Z, void* dZ, Py_ssize_t n, Py_ssize_t m,
                                    void* workspace) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().activation_backward(kind, dA, Z, dZ, n, m, workspace)
    set_mode(caller)

cdef void enter_vector_function(int which, const void* x, void* out, Py_ssize_t n) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().vector_function(which, x, out, n)
    set_mode(caller)

cdef void enter_update(const Optimizer* optimizer, Py_ssize_t step, void* params, const void* grads, void** moments,
                       Py_ssize_t n) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    bodies().update(optimizer, step, params, grads, moments, n)
    set_mode(caller)

cdef double enter_learning_rate(const LearningRate* rate, Py_ssize_t step, Py_ssize_t epoch) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef double lr = bodies().learning_rate(rate, step, epoch)
    set_mode(caller)
    return lr

cdef bint enter_all_finite(const void* x, Py_ssize_t n) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    cdef bint finite = bodies().all_finite(x, n)
    set_mode(caller)
    return finite

cdef Py_ssize_t enter_multiply_adds(void* x, Py_ssize_t n) noexcept nogil:
    cdef float_mode caller = enter_kernel_mode()
    n = bodies().multiply_adds(x, n)
    set_mode(caller)
    return n

cdef Kernels KERNELS
KERNELS.api_version = API_VERSION
KERNELS.itemsize = sizeof(real)
KERNELS.name = FASTNN_ISA_NAME
KERNELS.parameters_size = parameters_size
KERNELS.prepare = enter_prepare
KERNELS.workspace_size = workspace_size
KERNELS.attach = attach
KERNELS.moments_size = moments_size
KERNELS.load = load
KERNELS.store = store
KERNELS.store_gradient = store_gradient
KERNELS.store_best = store_best
KERNELS.restore = restore
KERNELS.train = enter_train
KERNELS.loss_only = enter_loss_only
KERNELS.forward_workspace_size = forward_workspace_size
KERNELS.forward = enter_forward
KERNELS.derivative_workspace_size = derivative_workspace_size
KERNELS.derivative = enter_derivative
KERNELS.curvature_workspace_size = curvature_workspace_size
KERNELS.outputs_along = enter_outputs_along
KERNELS.add_curvature = enter_add_curvature
KERNELS.row_workspace_size = row_workspace_size
KERNELS.activation = enter_activation
KERNELS.activation_backward = enter_activation_backward
KERNELS.vector_function = enter_vector_function
KERNELS.n_moments = n_moments
KERNELS.update = enter_update
KERNELS.learning_rate = enter_learning_rate
KERNELS.all_finite = enter_all_finite
KERNELS.multiply_adds = enter_multiply_adds
KERNELS.max_lanes = max_lanes
KERNELS.lanes_size = lanes_size
KERNELS.count_lanes = count_lanes
KERNELS.train_lanes = enter_train_lanes

capsule = PyCapsule_New(&KERNELS, FASTNN_KERNELS, NULL)
