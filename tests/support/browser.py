"""Chromium without a window, through Selenium: how pages look and what they ask for."""

import base64
import json
import shutil

import pytest
from processes import wait_for as wait_until

NAMES = "chromium", "chromium-browser", "google-chrome", "chrome"
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
DRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="Chromium or its driver, chromedriver, is not installed"
)


class Browser:
    """A page of Chromium.

    Attributes
    ----------
    driver : selenium.webdriver.Chrome
    """

    def __init__(self):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for argument in (
            *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"),
            *("hide-scrollbars", "allow-file-access-from-files", "window-size=1400,1000"),
        ):
            options.add_argument(f"--{argument}")
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def open(self, address, width=1200, height=900, scheme="light", scripts=True):
        """Load an address in a window of a width, with a colour scheme, and with scripts or without."""
        sizes = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 700)
        self.send("Emulation.setDeviceMetricsOverride", **sizes)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media="", features=features)
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get(str(address))

    def run(self, expression, *arguments):
        """Return the value of an expression of JavaScript on the page."""
        return self.driver.execute_script(f"return {expression}", *arguments)

    def wait_until(self, expression, *arguments):
        """Wait until an expression is true, and return its value."""
        return wait_until(lambda: self.run(expression, *arguments))

    def click(self, selector):
        """Click the first element of a selector of CSS."""
        self.driver.execute_script("document.querySelector(arguments[0]).click()", selector)

    def set(self, selector, value, event="change"):
        """Set a control as a user does."""
        code = "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
        code += "e.dispatchEvent(new Event(arguments[2]))"
        self.driver.execute_script(code, selector, str(value), event)

    def press(self, *keys):
        """Press the last key, while the others are held."""
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver)
        for key in keys[:-1]:
            actions.key_down(key)
        actions.send_keys(keys[-1])
        for key in keys[:-1]:
            actions.key_up(key)
        actions.perform()

    def pdf(self, path):
        """Print the page to a file."""
        reply = self.send("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(reply["data"]))

    def requests(self):
        """Return every address that pages have asked for since the last call."""
        messages = [json.loads(each["message"])["message"] for each in self._log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def problems(self):
        """Return errors of scripts, and what the policy of a page has refused, since the last call."""
        return [each["message"] for each in self._log("browser") if each["level"] == "SEVERE"]

    def _log(self, name):
        return self.driver.get_log(name)

    def send(self, method, **parameters):
        return self.driver.execute_cdp_cmd(method, parameters)
