"""How long do a prediction and its derivatives take in an exported C file?

    python bench/export_c.py                  a 5-64-64-3 network with tanh in float32
    python bench/export_c.py --build          also build 5-512-512-512-3 for CasADi

Nanoseconds for one row on one thread. The file is compiled with -O3 -march=native, and with -O2.
Each time is the best of many short blocks. The results are compared with those of fastnn.
"""

import os
import resource
import subprocess
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np

import fastnn

PROGRAM = """
#define _POSIX_C_SOURCE 199309L
#include "net.c"
#include <stdio.h>
#include <time.h>

#define ROWS 256
#define BLOCK(name, call) do { \\
        double best = 1e9; \\
        for (int block = 0; block < BLOCKS; block++) { \\
            struct timespec a, b; \\
            clock_gettime(CLOCK_MONOTONIC, &a); \\
            for (int r = 0; r < ROWS; r++) { x[0] = (float)r / ROWS; call; sum += y[0]; } \\
            clock_gettime(CLOCK_MONOTONIC, &b); \\
            const double t = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec); \\
            best = t < best ? t : best; \\
        } \\
        printf("%s %.0f\\n", name, best / ROWS); \\
    } while (0)

static float x[5] = {0}, u[3] = {1, 2, 3}, y[3], g[5], J[3][5], H[3][5][5], sum;

int main(void)
{
    BLOCK("value", net_predict(x, y));
    BLOCK("value, adjoint", net_vjp(x, u, y, g));
    BLOCK("value, Jacobian", net_jacobian(x, y, J));
    BLOCK("value, Jacobian, Hessian", net_hessian(x, y, J, H));
    for (size_t i = 0; i < 75; i++)
        printf("%.9g\\n", (double)H[i / 25][i / 5 % 5][i % 5]);
    return sum > 1e30f;
}
"""
FLAGS = "-O3 -march=native", "-O2"


def times(net, folder, flags, blocks):
    """Return {what: nanoseconds}, and the Hessian of the last row."""
    command = ["cc", *flags.split(), f"-DBLOCKS={blocks}", "-o", "program", "main.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    run = subprocess.run([f"{folder}/program"], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines[:4]]
    return {what: int(t) for what, t in pairs}, np.array(lines[4:], float).reshape(3, 5, 5)


def main():
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=2000, help="default: 2000")
    parser.add_argument("--build", action="store_true", help="also time gcc -O2 on a large network")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        net = fastnn.MLP([5, 64, 64, 3], "tanh", rng=0)
        fastnn.export.c(net, f"{folder}/net.c", derivatives=2)
        with open(f"{folder}/main.c", "w") as file:
            file.write(PROGRAM)
        columns = {}
        x = np.zeros((1, 5), "float32")
        x[0, 0] = 255 / 256
        expected = net.hessian(x)[0]
        for flags in FLAGS:
            columns[flags], H = times(net, folder, flags, arguments.blocks)
            assert np.abs(H - expected).max() < 1e-5 * np.abs(expected).max()
        print(f"{'ns for one row':26}" + "".join(f"{flags:>20}" for flags in FLAGS))
        for what in columns[FLAGS[0]]:
            print(f"{what:26}" + "".join(f"{columns[flags][what]:20,}" for flags in FLAGS))
        if arguments.build:
            build(folder)


def build(folder):
    """Print how long a network takes to write and to compile for CasADi."""
    net = fastnn.MLP([5, 512, 512, 512, 3], "tanh", rng=0)
    start = time.perf_counter()
    fastnn.export.casadi(net, f"{folder}/large.c")
    seconds, before = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    command = "cc -O2 -fPIC -shared -o large.so large.c -lm"
    subprocess.run(command.split(), cwd=folder, check=True)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    megabytes = os.path.getsize(f"{folder}/large.c") / 1e6
    print(f"\n5-512-512-512-3 for CasADi: {megabytes:.0f} MB of C, written in {seconds:.1f} s,")
    print(f"built in {elapsed:.1f} s, {cpu:.1f} s of CPU time")


if __name__ == "__main__":
    main()
