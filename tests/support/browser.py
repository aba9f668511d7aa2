"""Chromium without a window, for tests of pages: how they look on a phone, in the dark and on paper.

The protocol is that of Chromium's developer tools, over two pipes, so no other package is needed.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

NAMES = "chromium", "chromium-browser", "google-chrome", "chrome"


def find_chromium():
    """Return the path of Chromium, None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A page of Chromium.

    Attributes
    ----------
    requests : list of str
        Every address that pages have asked for.
    problems : list of str
        Errors of scripts, and what the policy of a page has refused.
    """

    def __init__(self):
        self.requests, self.problems = [], []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                'exec "$@" 3<&$FD_IN 4>&$FD_OUT',
                "bash",
                find_chromium(),
                *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
                *("--hide-scrollbars", "--disable-dev-shm-usage", "--allow-file-access-from-files"),
                f"--user-data-dir={self._folder.name}",
            ],
            env={**os.environ, "FD_IN": str(to_browser), "FD_OUT": str(from_browser)},
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._n, self._read, self._events, self._session = 0, b"", [], None
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in "Page", "Network", "Runtime", "Log":
            self._send(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self._send("Browser.close")
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def open(self, address, width=1200, height=900, scheme="light", media="", scale=1.0):
        """Load an address in a window of a width, with a colour scheme and perhaps as on paper."""
        self._send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 700,
        )
        self._send(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )
        self._events.clear()
        self._send("Page.navigate", url=str(address))
        self._wait_for("Page.loadEventFired")

    def run(self, script):
        """Return the value of an expression of JavaScript on the page."""
        reply = self._send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in reply:
            raise RuntimeError(str(reply["exceptionDetails"]))
        return reply["result"].get("value")

    def wait_until(self, script, seconds=30):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.05)

    def screenshot(self, path, whole=True):
        reply = self._send("Page.captureScreenshot", captureBeyondViewport=whole)
        _write(path, reply["data"])

    def pdf(self, path):
        reply = self._send("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        _write(path, reply["data"])

    def press(self, key):
        """Press and release a key, such as Tab."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
        for kind in "keyDown", "keyUp":
            self._send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def _send(self, method, **parameters):
        self._n += 1
        number = self._n
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._receive()
            if reply.get("id") == number:
                if "error" in reply:
                    raise RuntimeError(f"{method}: {reply['error']}")
                return reply["result"]

    def _wait_for(self, method):
        while not any(event["method"] == method for event in self._events):
            self._receive()

    def _receive(self):
        while b"\0" not in self._read:
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium has ended")
            self._read += chunk
        line, _, self._read = self._read.partition(b"\0")
        message = json.loads(line)
        if "method" in message:
            self._note(message)
        return message

    def _note(self, event):
        self._events.append(event)
        parameters = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])


def _write(path, data):
    with open(path, "wb") as file:
        file.write(base64.b64decode(data))
