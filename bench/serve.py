"""How fast `fastnn serve` answers one-row requests, on the CPUs that the clients share.

    python bench/serve.py                     1,000 requests a second for 5 seconds
    python bench/serve.py --rates 1000,2000
    python bench/serve.py --url http://127.0.0.1:8000/predict --row row.json

The clients send a request at random times (a Poisson process), whether or not the ones before are
answered. A latency is counted from the time at which a request should have been sent, so that a
slow server cannot make the clients wait and look fast (coordinated omission). Without --url the
program trains a model of 20 columns and starts the server.
"""

import argparse
import asyncio
import collections
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

N_CONNECTIONS = 50
WARM_UP = 0.5  # seconds that are not counted


class Client(asyncio.Protocol):
    """A connection that sends one request at a time, and parses no more than it needs."""

    def __init__(self, idle):
        self.idle, self.buffer = idle, b""
        self.due = None

    def connection_made(self, transport):
        self.transport = transport
        self.idle.append(self)

    def send(self, request, due, finish):
        self.due, self.finish = due, finish
        self.transport.write(request)

    def data_received(self, data):
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        self.finish(self, int(head[9:12]))


async def measure(url, row, rate, seconds):
    """Return the latencies in seconds, the statuses, and the number of requests a second."""
    parts = urllib.parse.urlsplit(url)
    body = json.dumps(row).encode()
    request = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    idle: list = []
    for _ in range(N_CONNECTIONS):
        await loop.create_connection(lambda: Client(idle), parts.hostname, parts.port)
    latencies, statuses = [], collections.Counter()
    late: collections.deque = collections.deque()  # requests that wait for a connection
    n_open = 0
    start = time.perf_counter()

    def finish(client, status):
        nonlocal n_open
        now = time.perf_counter()
        statuses[status] += 1
        n_open -= 1
        if client.due - start >= WARM_UP:
            latencies.append(now - client.due)
        if late:
            client.send(request, late.popleft(), finish)
        else:
            idle.append(client)

    end = start + WARM_UP + seconds
    rng = random.Random(0)
    times = sorted(rng.uniform(start, end) for _ in range(round(rate * (end - start))))
    for due in times:  # those of a Poisson process, given their number
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        n_open += 1
        if idle:
            idle.pop().send(request, due, finish)
        else:
            late.append(due)
    while n_open and time.perf_counter() < end + 10:
        await asyncio.sleep(0.01)
    took = time.perf_counter() - start - WARM_UP
    return latencies, statuses, len(latencies) / took


def start_server(folder, options):
    """Train a model, start the server, and return the process, its URL and a row."""
    import numpy as np
    import pyarrow as pa

    from fastnn import TabularClassifier

    rng = np.random.default_rng(0)
    n = 2000
    columns = {f"number_{i}": rng.normal(size=n) for i in range(12)}
    columns |= {f"text_{i}": rng.choice(list("abcdefgh"), n) for i in range(6)}
    days = np.datetime64("2024-01-01") + rng.integers(0, 700, (2, n))
    columns |= {f"day_{i}": days[i].astype(str) for i in range(2)}
    y = columns["number_0"] + (columns["text_0"] == "a") > 0
    path = str(pathlib.Path(folder, "model.safetensors"))
    table = pa.table(columns)
    TabularClassifier(random_state=0).fit(table, np.where(y, "yes", "no")).save(path)
    process = subprocess.Popen(
        [sys.executable, "-m", "fastnn", "serve", path, "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "http://" in line:
            url = line[line.index("http://") :].split()[0]
            return process, urllib.parse.urljoin(url, "/predict"), table.slice(0, 1).to_pylist()[0]
    raise SystemExit("the server did not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", default="1000", help="requests a second, such as 1000,2000")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--url")
    parser.add_argument("--row", help="JSON file of the row to send to --url")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        process, url = None, arguments.url
        if url:
            row = json.loads(pathlib.Path(arguments.row).read_text())
        else:
            process, url, row = start_server(folder, options)
        try:
            for rate in map(float, arguments.rates.split(",")):
                report(rate, *asyncio.run(measure(url, row, rate, arguments.seconds)))
        finally:
            if process is not None:
                process.terminate()
                process.wait()


def report(wanted, latencies, statuses, rate):
    cuts = statistics.quantiles(latencies, n=1000, method="inclusive")
    parts = {"50": 500, "99": 990, "99.9": 999}
    ms = ", ".join(f"{name} % below {1000 * cuts[i - 1]:.1f}" for name, i in parts.items())
    print(f"{wanted:,.0f} a second: {rate:,.0f} answered, statuses {dict(statuses)}; ms: {ms}")


if __name__ == "__main__":
    main()
