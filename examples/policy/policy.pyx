# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A network that controls a chain of masses, one row at a time, without Python in the loop.

The chain has N masses between two walls. Neighbours, and the masses at the ends and the walls, are connected by springs
of strength 1. Random kicks hit the first mass; the policy pushes the last one with a force between -1 and 1.
"""
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from fastnn.kernels cimport IDENTITY, RELU, Network, Kernels, kernels

cdef extern from "<stdlib.h>" nogil:
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    N = 15                      # masses
    MAX_LAYERS = 8

cdef float TIME_STEP = 0.1
cdef const Kernels* KERNELS = kernels(sizeof(float))    # at import: raises ImportError if fastnn is not compatible

N_MASSES = N

cdef void* aligned(Py_ssize_t n_bytes) except NULL:
    """n_bytes zero bytes that begin at a multiple of 64."""
    cdef size_t size = (n_bytes + 63) // 64 * 64
    cdef void* memory = aligned_alloc(64, size)
    if memory == NULL:
        raise MemoryError(f"Cannot allocate {size} bytes.")
    memset(memory, 0, size)
    return memory

cdef class Policy:
    """A copy of a network with relu in the hidden layers and one identity output.

    weights, biases: of each layer, float32. A copy has the alignment that kernels like best, and cannot be freed by the
    caller."""
    cdef Network net
    cdef Py_ssize_t sizes[MAX_LAYERS + 1]
    cdef int activations[MAX_LAYERS]
    cdef void* weights[MAX_LAYERS]
    cdef void* biases[MAX_LAYERS]
    cdef void* workspace

    def __init__(self, list weights, list biases):
        cdef const float[:, ::1] W
        cdef const float[::1] b
        cdef Py_ssize_t l
        if self.net.sizes != NULL:
            raise RuntimeError("This Policy is initialized already. Make a new one.")
        if not 1 <= len(weights) == len(biases) <= MAX_LAYERS:
            raise ValueError(f"A Policy has 1 to {MAX_LAYERS} layers, got {len(weights)} weights and {len(biases)} biases.")
        self.net.sizes = self.sizes
        self.net.activations = self.activations
        self.net.weights = self.weights
        self.net.biases = self.biases
        self.sizes[0] = 2 * N
        for l in range(len(weights)):
            W, b = weights[l], biases[l]
            self.sizes[l + 1] = W.shape[1] if l < len(weights) - 1 else 1
            if W.shape[0] != self.sizes[l] or W.shape[1] != self.sizes[l + 1] or b.shape[0] != W.shape[1]:
                raise ValueError(f"Layer {l} has weights of shape {W.shape[0], W.shape[1]} and {b.shape[0]} biases, but "
                                 f"a policy has {2 * N} inputs, 1 output, and in each layer as many inputs as the layer "
                                 "before has outputs.")
            self.activations[l] = RELU if l < len(weights) - 1 else IDENTITY
            self.weights[l] = aligned(W.nbytes)
            self.biases[l] = aligned(b.nbytes)
            memcpy(self.weights[l], &W[0, 0], W.nbytes)
            memcpy(self.biases[l], &b[0], b.nbytes)
        self.net.n_layers = len(weights)
        self.workspace = aligned(KERNELS.forward_workspace_size(&self.net, 1))

    def __dealloc__(self):
        cdef Py_ssize_t l
        for l in range(MAX_LAYERS):
            free(self.weights[l])
            free(self.biases[l])
        free(self.workspace)

    cdef inline float force(self, const float* state) noexcept nogil:
        """The force for a state: positions, then velocities."""
        cdef float force
        KERNELS.forward(&self.net, state, 1, &force, self.workspace, NULL)
        return min(max(force, <float>-1), <float>1)

cdef inline float random_number(unsigned long long* state) noexcept nogil:
    """A number from -1 to 1 (xorshift64)."""
    state[0] ^= state[0] << 13
    state[0] ^= state[0] >> 7
    state[0] ^= state[0] << 17
    return <float>(<long long>state[0] >> 40) / (1 << 23)

cdef inline double step(float* x, float force, float kick) noexcept nogil:
    """Move the chain by one time step; returns its energy. x: positions, then velocities."""
    cdef float* v = x + N
    cdef float stretch[N + 1]                   # of each spring
    cdef float energy = 0
    cdef int i
    stretch[0], stretch[N] = x[0], -x[N - 1]
    for i in range(1, N):
        stretch[i] = x[i] - x[i - 1]
    for i in range(N):
        v[i] += TIME_STEP * (stretch[i + 1] - stretch[i])
    v[0] += TIME_STEP * kick
    v[N - 1] += TIME_STEP * force
    for i in range(N):
        energy += v[i] * v[i] + stretch[i] * stretch[i]
        x[i] += TIME_STEP * v[i]
    return <float>0.5 * (energy + stretch[N] * stretch[N])

def roll_out(Policy policy, float[::1] state, Py_ssize_t n_steps, unsigned long long seed=1):
    """Run the chain for n_steps and return its mean energy. state: 2 N numbers, changed in place. policy: None for no
    force. A Policy works for one thread at a time; give each thread one of its own."""
    cdef double energy = 0
    cdef bint controlled = policy is not None
    if state.shape[0] != 2 * N:
        raise ValueError(f"state must have {2 * N} numbers, got {state.shape[0]}.")
    if seed == 0:
        raise ValueError("seed must not be 0.")
    with nogil:                                 # no Python from here
        for _ in range(n_steps):
            energy += step(&state[0], policy.force(&state[0]) if controlled else 0, random_number(&seed))
    return energy / n_steps
