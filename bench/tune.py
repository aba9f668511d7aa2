"""Does `fastnn train --tune` help? Scores on rows that neither the training nor the search saw.

    python bench/tune.py FILE:TARGET ... [--folds 3] [--drop FILE:COL ...]

Prints the log-loss or the RMSE with --tune over that without, and the times.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np


def train(table, options):
    """Return the JSON report of a training."""
    path, _, target = table.rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "model")
        command = [sys.executable, "-m", "fastnn", "train", path, "--target", target, "--out", out]
        done = subprocess.run(
            [*command, "--json", "--skip-missing-target", "--test-size", "0.3", *options],
            stdout=subprocess.PIPE,
            check=True,
        )
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="+", metavar="FILE:TARGET")
    parser.add_argument("--drop", action="append", default=[], metavar="FILE:COL")
    parser.add_argument("--folds", default="3", metavar="N")
    parser.add_argument("--seeds", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    ratios = []
    print(f"{'table':<24}{'score':<10}{'default':>10}{'tuned':>10}{'ratio':>8}{'time':>7}  chosen")
    for table in arguments.tables:
        path = table.rpartition(":")[0]
        drop = [d.rpartition(":")[2] for d in arguments.drop if d.rpartition(":")[0] == path]
        for seed in range(arguments.seeds):
            options = ["--folds", arguments.folds, "--seed", str(seed)]
            options += [word for name in drop for word in ("--drop", name)]
            default, tuned = train(table, options), train(table, [*options, "--tune"])
            name = "log_loss" if default["classes"] else "rmse"
            a, b = (report["test_scores"][name] for report in (default, tuned))
            decision = tuned["tuning"]["decision"]
            is_other = decision is not None and decision["is_chosen"]
            chosen = decision["options"] if is_other else "default"
            ratios.append(b / a)
            label = os.path.basename(path)[:22]
            time = tuned["seconds"] / default["seconds"]
            print(f"{label:<24}{name:<10}{a:>10.4g}{b:>10.4g}{b / a:>8.3f}{time:>6.1f}x"
   f"  {chosen}", flush=True)  # fmt: skip
    print(f"geometric mean of the ratios: {np.exp(np.mean(np.log(ratios))):.3f}")


if __name__ == "__main__":
    main()
