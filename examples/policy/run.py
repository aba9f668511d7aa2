"""A network that controls a chain of masses, a million steps without Python.

Random kicks hit one end of a chain of 15 masses and springs, and a force of at
most 1 at the other end shall keep it calm. A linear controller is known (LQR).
A network of 30-64-64-1 learns to imitate it from states and forces. Then
policy.pyx steps the chain and the network in one loop in C, through the C-level
API of fastnn.

You will see the mean energy of the chain without control and with the network,
and how long a step takes, physics included. Build the extension first:

    python -m pip install Cython setuptools
    cd examples/policy
    python setup.py build_ext --inplace
    python run.py --steps 1000000
"""

import argparse
import time

import numpy as np
import policy

import fastnn

N, TIME_STEP = policy.N_MASSES, 0.1


def chain():
    """Return (A, B): the next state is A @ state + B * force.

    A state has positions, then velocities.
    """
    springs = np.diag(np.ones(N - 1), 1) + np.diag(np.ones(N - 1), -1) - 2 * np.eye(N)
    to_velocity = np.hstack([TIME_STEP * springs, np.eye(N)])  # of position and velocity
    A = np.vstack([np.hstack([np.eye(N), np.zeros((N, N))]) + TIME_STEP * to_velocity, to_velocity])
    B = np.zeros((2 * N, 1))
    B[-1] = TIME_STEP
    B[N - 1] = TIME_STEP**2
    return A, B


def linear_controller(A, B, cost_of_force=0.1):
    """Return K: the force -K @ state minimizes the sum of energy and squared force (LQR)."""
    P = np.eye(2 * N)
    for _ in range(2000):
        K = np.linalg.solve(cost_of_force + B.T @ P @ B, B.T @ P @ A)
        P = np.eye(2 * N) + A.T @ P @ (A - B @ K)
    return K[0]


def examples(A, B, K, n=40_000, rng=0):
    """Return states and forces of the linear controller, whose force is limited to -1 .. 1."""
    rng = np.random.default_rng(rng)
    states, forces = np.empty((n, 2 * N)), np.empty(n)
    kicks = rng.uniform(-2, 2, n)  # twice as hard as in the test
    state = np.zeros(2 * N)
    for i in range(n):
        states[i] = state
        forces[i] = np.clip(-K @ state, -1, 1)
        state = A @ state + B[:, 0] * forces[i]
        state[N] += TIME_STEP * kicks[i]
        state[0] += TIME_STEP**2 * kicks[i]
    return states, forces


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    n_steps = parser.parse_args().steps

    A, B = chain()
    states, forces = examples(A, B, linear_controller(A, B))
    net = fastnn.MLP([2 * N, 64, 64, 1], rng=0)
    net.fit(states, forces, epochs=20, batch_size=64, optimizer="adam", rng=0)
    error = np.abs(net.forward(states)[:, 0] - forces).mean()
    print(f"mean error of the network's force: {error:.3f}")

    controlled = policy.Policy(list(net.weights), list(net.biases))
    for name, each in {"no control": None, "network": controlled}.items():
        state = np.zeros(2 * N, "float32")
        start = time.perf_counter()
        energy = policy.roll_out(each, state, n_steps)
        ns = (time.perf_counter() - start) / n_steps * 1e9
        print(f"{name:<11} mean energy {energy:8.2f}, {ns:4.0f} ns a step")


if __name__ == "__main__":
    main()
