"""How long do a prediction and its derivatives take in an exported C file?

    python bench/export_c.py                  a 5-64-64-3 network with tanh in float32
    python bench/export_c.py --build          also build 5-512-512-512-3 for CasADi
    python bench/export_c.py --texts 2        a TabularClassifier of 2 classes that reads free text

Nanoseconds for one row on one thread. The file is compiled with -O3 -march=native, and with -O2.
Each time is the best of many short blocks. The results are compared with those of fastnn.
"""

import os
import subprocess
import sys
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
TEXTS = """
#define _POSIX_C_SOURCE 199309L
#include "critic.c"
#include <stdio.h>
#include <time.h>

int main(int n, char **text)
{
    double best = 1e9, y[CRITIC_N_OUTPUTS];
    for (int block = 0; block < 200; block++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 1; i < n; i++) {
            const critic_row row = {text[i]};
            critic_predict(&row, y);
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        const double t = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
        best = t < best ? t : best;
    }
    printf("%.17g %.1f\\n", y[0], best / (n - 1));
    return 0;
}
"""
#: In a small process, because the memory of a command is at least that of the process that starts it.
COMMAND = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)
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
    parser.add_argument(
        "--texts", type=int, metavar="N_CLASSES", help="time a model of texts alone"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.texts:
            return texts(folder, arguments.texts)
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


def texts(folder, n_classes, n=6000):
    """Print how large a model of free text is, how long it compiles, and how long a row takes."""
    rng = np.random.default_rng(0)
    letters = np.array(list("eeeeeetttaaaooiinnsshhrrddlucmwfgypbvk"))
    words = ["".join(rng.choice(letters, k)) for k in rng.integers(2, 10, 20_000)]
    drawn = np.minimum(rng.zipf(1.2, (n, 17)) - 1, len(words) - 1)
    rows = [" ".join(words[k] for k in row)[:100] for row in drawn]
    y = (drawn % 50).sum(axis=1) % 800 * n_classes // 800
    clf = fastnn.TabularClassifier(random_state=0, texts=["text"])
    clf.fit([{"text": row} for row in rows], y)
    fastnn.export.c(clf, f"{folder}/critic.c")
    with open(f"{folder}/main.c", "w") as file:
        file.write(TEXTS)
    shown = [row for row in rows if len(row) == 100][:256]
    expected = clf.predict_proba([{"text": shown[-1]}])[0, 0]
    (layer,) = clf.model_.features.text_layers.values()
    known = np.count_nonzero(layer.squares)
    print(f"{known:,} of {len(layer.squares):,} buckets have weights, in {layer.n_folds} folds;")
    print(f"{os.path.getsize(f'{folder}/critic.c') / 1e6:.1f} MB of C")
    for flags in FLAGS:
        command = ["cc", *flags.split(), "-o", "program", "main.c", "-lm"]
        cpu, memory = run_command(command, folder)
        run = subprocess.run(
            [f"{folder}/program", *shown], capture_output=True, text=True, check=True
        )
        y0, microseconds = map(float, run.stdout.split())
        assert abs(y0 - expected) < 1e-5
        print(
            f"{flags}: built in {cpu:.1f} s of CPU time and {memory:.0f} MB, to {os.path.getsize(f'{folder}/program') / 1e6:.1f} MB;"
            f" {microseconds} us for a row of 100 characters"
        )


def run_command(command, folder):
    """Return the CPU time of a command, and its memory in MB."""
    command = [sys.executable, "-S", "-c", COMMAND, *command]
    run = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return map(float, run.stdout.split())


def build(folder):
    """Print how long a network takes to write and to compile for CasADi."""
    net = fastnn.MLP([5, 512, 512, 512, 3], "tanh", rng=0)
    start = time.perf_counter()
    fastnn.export.casadi(net, f"{folder}/large.c")
    seconds, start = time.perf_counter() - start, time.perf_counter()
    cpu, _ = run_command("cc -O2 -fPIC -shared -o large.so large.c -lm".split(), folder)
    elapsed = time.perf_counter() - start
    megabytes = os.path.getsize(f"{folder}/large.c") / 1e6
    print(f"\n5-512-512-512-3 for CasADi: {megabytes:.0f} MB of C, written in {seconds:.1f} s,")
    print(f"built in {elapsed:.1f} s, {cpu:.1f} s of CPU time")


if __name__ == "__main__":
    main()
