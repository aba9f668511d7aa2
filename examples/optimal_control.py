"""Optimal control of a pendulum whose dynamics a network learned.

The network learns the angular acceleration of a pendulum with friction from
simulated measurements: the angle, the angular velocity and the torque of a
motor that is too weak to lift the pendulum at once. CasADi (`pip install
casadi`, not a part of fastnn) and its solver IPOPT then compute the torques
that swing it up with the least effort. fastnn.export.casadi writes the network
and its derivatives as C, which a C compiler makes a library of.

You will see how well the network learned, and that the library gives the same
torques as the network in CasADi's symbols, in less time. Then the torques move
the simulated pendulum. With --plot you get its angle and the torque.

    python examples/optimal_control.py --plot control.png
"""

import shutil
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn
from fastnn import plotting

try:
    import casadi as ca
except ImportError:
    sys.exit("This example needs CasADi. Run: pip install casadi")
if shutil.which("cc") is None:
    sys.exit("This example needs a C compiler, cc, such as gcc.")

EPOCHS, STEPS, SECONDS, TORQUE = 100, 60, 3.0, 5.0  # the largest torque
SCALES = np.array([1.0, 1.0, 8.0, TORQUE])  # of sin and cos of the angle, velocity, torque


def acceleration(angle, velocity, torque):
    """Return the angular acceleration of the pendulum that the network learns."""
    return torque - 9.81 * np.sin(angle) - 0.1 * velocity - 0.5 * np.tanh(5 * velocity)


def learn(seed):
    """Return a network of (sin angle, cos angle, velocity, torque) / SCALES, and its error."""
    rng = np.random.default_rng(seed)
    angle, velocity, torque = rng.uniform(-1, 1, (3, 6000)) * [[2 * np.pi], [8], [TORQUE]]
    X = np.stack([np.sin(angle), np.cos(angle), velocity, torque], axis=1) / SCALES
    y = acceleration(angle, velocity, torque)
    measured = y[1000:] + rng.normal(0, 0.05, 5000)
    net = fastnn.MLP([4, 48, 48, 1], "tanh", dtype="float64", rng=seed)
    optimizer = fastnn.Adam(fastnn.schedules.CosineDecay(0.005, EPOCHS))
    net.fit(X[1000:], measured, optimizer=optimizer, epochs=EPOCHS)
    return net, np.sqrt(np.mean((net.forward(X[:1000])[:, 0] - y[:1000]) ** 2))


def compiled(net, folder):
    """Return the network as a function of CasADi that calls compiled C."""
    fastnn.export.casadi(net, f"{folder}/net.c")
    command = "cc -O3 -march=native -fPIC -shared -o net.so net.c -lm"
    subprocess.run(command.split(), cwd=folder, check=True)
    return ca.external("fastnn_net", f"{folder}/net.so")


def symbolic(net):
    """Return the network as a graph of CasADi."""
    x = y = ca.MX.sym("x", 4)
    for W, b, activation in zip(net.weights, net.biases, net.activations):
        y = ca.DM(W.T) @ y + ca.DM(b)
        y = ca.tanh(y) if activation == "tanh" else y
    return ca.Function("net", [x], [y])


def swing_up(net):
    """Return states and torques that bring the pendulum from 0 to pi, and the seconds of IPOPT."""
    state, torque = ca.MX.sym("state", 2), ca.MX.sym("torque")

    def slope(s):
        x = ca.vertcat(ca.sin(s[0]), ca.cos(s[0]), s[1], torque) / SCALES
        return ca.vertcat(s[1], net(x))

    h = SECONDS / STEPS
    k1 = slope(state)  # Runge-Kutta of 4th order
    k2 = slope(state + h / 2 * k1)
    k3 = slope(state + h / 2 * k2)
    k4 = slope(state + h * k3)
    step = ca.Function("step", [state, torque], [state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)])

    problem = ca.Opti()
    states, torques = problem.variable(2, STEPS + 1), problem.variable(1, STEPS)
    problem.minimize(h * ca.sumsqr(torques))
    problem.subject_to(states[:, 1:] == step.map(STEPS)(states[:, :-1], torques))
    problem.subject_to(states[:, 0] == [0, 0])
    problem.subject_to(states[:, -1] == [np.pi, 0])
    problem.subject_to(problem.bounded(-TORQUE, torques, TORQUE))
    problem.set_initial(states[0, :], np.linspace(0, np.pi, STEPS + 1))
    problem.solver("ipopt", {"print_time": False}, {"print_level": 0, "sb": "yes"})
    start = time.perf_counter()
    solution = problem.solve()
    return solution.value(states), solution.value(torques), time.perf_counter() - start


def simulate(torques):
    """Return the angles of the simulated pendulum, with 20 small steps for each torque."""
    angle, velocity, angles, h = 0.0, 0.0, [0.0], SECONDS / STEPS / 20
    for torque in torques:
        for _ in range(20):
            velocity += h * acceleration(angle, velocity, torque)
            angle += h * velocity
        angles.append(angle)
    return np.array(angles)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=plotting.picture_file, metavar="FILE", help="save a plot")
    arguments = parser.parse_args()
    net, error = learn(seed=0)
    print(f"the network learned the acceleration, error {error:.3f}")
    with tempfile.TemporaryDirectory() as folder:
        results = {"C": swing_up(compiled(net, folder)), "symbols": swing_up(symbolic(net))}
    for name, (*_, seconds) in results.items():
        print(f"{name}: {seconds:.2f} s in IPOPT")
    (states, torques, _), (_, others, _) = results.values()
    print(f"largest difference of the torques: {np.abs(torques - others).max():.1e}")
    np.testing.assert_allclose(torques, others, atol=1e-6)
    angles = simulate(torques)
    print(f"the simulated pendulum ends at {np.degrees(angles[-1]):.1f} degrees; up is 180")
    if arguments.plot:
        draw(arguments.plot, states[0], angles, torques)


def draw(file, planned, angles, torques):
    import matplotlib.pyplot as plt

    times = np.linspace(0, SECONDS, STEPS + 1)
    with plotting.style():
        figure, (above, below) = plt.subplots(2, figsize=(8, 5), sharex=True)
        above.plot(times, np.degrees(planned), color=plotting.BLUE, label="planned")
        above.plot(times, np.degrees(angles), "--", color=plotting.ORANGE, label="simulated")
        above.set(ylabel="angle, degrees")
        above.legend()
        below.stairs(torques, times, color=plotting.BLUE, fill=True, alpha=0.5)
        below.set(xlabel="time, s", ylabel="torque")
        figure.savefig(file)


if __name__ == "__main__":
    main()
