"""fastnn beside what else one could take: the same training steps, predictions and updates by nine others, timed in turn.

    python bench/compare.py                                        all rows, all peers that are installed: a quarter of an hour
    python bench/compare.py --rows T2,T3a,I1 --peers numpy,torch --rounds 3
    python bench/compare.py --threads 2 --markdown peers.md --plot peers.png --json peers.json
    python bench/compare.py --read peers.json --plot peers.png     tables and picture of an earlier run

Float32; the same first weights, rows and order of rows, and nobody is timed whose losses, parameters or outputs are not those of float64
`fastnn.reference` (peers/rows.py says how near, and what the rows are). Each peer works in a process of its own, one at a time
(peers/contestants.py), warm and compiled, and the best of many short blocks counts. docs/performance.md says more.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import sys
import textwrap
import time

from options import chosen, limit_threads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="names with commas (default: all)")
    parser.add_argument("--peers", help="names with commas (default: all that are installed)")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each in each row (default: 10)")
    parser.add_argument("--threads", type=int, default=1, help="for each; with one, on one CPU (default: 1)")
    parser.add_argument("--markdown", metavar="FILE", help="write one table of all")
    parser.add_argument("--plot", metavar="FILE", help="draw them: .png, .svg or .pdf")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--read", metavar="FILE", help="instead of measuring: what --json wrote")
    arguments = parser.parse_args()
    cpus = len(os.sched_getaffinity(0))
    if arguments.rounds < 1 or not 1 <= arguments.threads <= cpus:
        parser.error(f"--rounds must be at least 1, and --threads from 1 to {cpus}: so many CPUs may this process use")
    limit_threads(arguments.threads)  # before anything imports NumPy
    if arguments.plot:
        from fastnn.plotting import picture_file

        try:
            picture_file(arguments.plot)
        except argparse.ArgumentTypeError as error:
            parser.error(f"--plot: {error}")
    from peers import report

    if arguments.read:
        with open(arguments.read) as file:
            found = json.load(file)
    else:
        found = measure(parser, arguments)
    say(f"\n{found['setting'][-1]}", *report.remarks(found["figures"]))
    write(arguments, found)


def write(arguments, found):
    from peers import picture, report

    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(found, file, indent=1)
    if arguments.markdown:
        with open(arguments.markdown, "w") as file:
            file.write(report.markdown(found["setting"], found["product"], found["figures"]))
    if arguments.plot:
        picture.draw(arguments.plot, found["setting"], found["figures"])


def measure(parser, arguments):
    """{"setting": lines, "product": GFLOP/s of NumPy's matrix product, "figures": {row: {who: cell}}}"""
    from peers import contestants, report, rows

    names = chosen(parser, "rows", arguments.rows or ",".join(rows.ROWS), list(rows.ROWS))
    peers = [who for who in contestants.PEERS if who != "fastnn"]
    peers = chosen(parser, "peers", arguments.peers or ",".join(peers), peers)
    everybody = {who: contestants.Contestant(who, arguments.threads) for who in ("fastnn", *peers)}
    there = {who: contestant for who, contestant in everybody.items() if not contestant.absent}
    if "fastnn" not in there:
        sys.exit(f"fastnn: {everybody['fastnn'].absent}")
    setting, product, figures = described(arguments, there), 0.0, {}
    say(*setting, *(f"not here: {contestants.PEERS[who].name} ({c.absent})" for who, c in everybody.items() if c.absent))
    with contextlib.suppress(KeyboardInterrupt):  # what is there then is shown and written
        for title, group in rows.GROUPS.items():
            columns = [who for who, c in there.items() if who != "fastnn" and next(iter(group.values())).kind in c.kinds]
            for i, row in enumerate(row for row in group if row in names):
                figures[row] = race(row, group[row], there, arguments.rounds)
                if i == 0:
                    print(report.head(title, columns))
                print(report.line(row, figures[row], columns), flush=True)
                product = max(product, product_rate())
    for contestant in there.values():
        contestant.close()
    setting.append(f"NumPy's product of two float32 matrices of 1024 x 1024, in the same run: {product:.0f} GFLOP/s")
    return {"setting": setting, "product": product, "figures": figures}


def race(row, task, there, rounds):
    """{who: {"us": the best of a unit, "variant": ...} or {"note": why there is none}}"""
    expected = task.make().expected()
    cells, ready = {}, []
    for who, contestant in there.items():
        show(f"{row}: {who} gets ready")
        variants, failure = contestant.prepare(row)
        if failure:
            cells[who] = {"note": f"fails: {failure}"}
        elif variants:
            wrong = next(filter(None, (task.difference(results, expected) for _, results, _ in variants)), None)
            if wrong and who == "fastnn":
                sys.exit(f"{row}, fastnn: {wrong}; no speed is compared")
            variant, _, seconds = variants[0]
            cells[who] = {"note": f"unlike: {wrong}; not timed"} if wrong else {"us": 1e6 * seconds, "variant": variant}
            ready += [who] * (wrong is None)
    for i in range(rounds):
        show(f"{row}: round {i + 1} of {rounds}")
        for who in ready:
            seconds, failure = there[who].turn()
            if failure:
                cells[who] = {"note": f"fails: {failure}"}
            elif "us" in cells[who]:
                cells[who]["us"] = min(cells[who]["us"], 1e6 * seconds)
    show("")
    if "us" not in cells["fastnn"]:
        sys.exit(f"{row}, fastnn: {cells['fastnn']['note']}")
    return cells


def product_rate():
    """GFLOP/s: a stand-in for what the processor can do."""
    import numpy as np

    A, seconds = np.ones((1024, 1024), "f"), []
    for _ in range(3):
        began = time.perf_counter()
        A @ A
        seconds.append(time.perf_counter() - began)
    return 2 * 1024**3 / min(seconds) / 1e9


def say(*texts):
    for text in texts:
        print(textwrap.fill(text, 79, subsequent_indent="  ", replace_whitespace=False))


def show(text):
    """Something to look at meanwhile, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:50}\r", end="", file=sys.stderr, flush=True)


def described(arguments, there):
    """Machine, versions, and how it was measured."""
    import fastnn
    from fastnn import kernels

    versions = {"fastnn": f"{fastnn.__version__} ({kernels.CHOSEN})", "Python": platform.python_version()}
    for contestant in there.values():
        versions |= contestant.versions
    threads = f"{arguments.threads} thread{'s' * (arguments.threads > 1)} each"
    return [
        f"{processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{datetime.date.today()}; {threads}, float32; the best of short blocks in {arguments.rounds} rounds",
    ]


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.lower().startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "a processor without a name"


if __name__ == "__main__":
    main()
