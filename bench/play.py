"""Frames a second of `fastnn play` in Chromium, while 2-8-8-1 trains on 500 points.

    python bench/play.py

Needs Chromium, chromedriver and Selenium. The page runs without a screen and without a GPU, on the
same processors as the training, so a desktop shows at least as many. The browser draws at most 60.
"""

import shutil
import threading
import time

import numpy as np

from fastnn.playground.playback import Playback
from fastnn.playground.server import PlayServer
from fastnn.playground.settings import Settings

SECONDS, BLOCKS = 1.0, 3  # the training of a page ends after 200,000 epochs


def steps_a_second():
    """Return the steps a second of the training alone, best of several blocks."""
    settings = Settings(n=500)
    playback, best = Playback(settings, settings.make_data()), 0.0
    for _ in range(10):
        began = time.perf_counter()
        best = max(best, playback.advance(2000) / (time.perf_counter() - began))
    return best


def frames_a_second():
    """Return (frames a second, steps a second) of the page in each block."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "window-size=1400,1000",
    ):
        options.add_argument(f"--{argument}")
    server = PlayServer(0, {"step": 0, "settings": [[0, {"n": 500}]]})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(server.address)
        time.sleep(1)
        driver.execute_script(
            "const s = document.getElementById('speed'); s.value = '0';"
            "s.dispatchEvent(new Event('change')); document.getElementById('play').click()"
        )
        read = (
            "return [fastnnPlay.frames(), fastnnPlay.frame()?.step ?? 0, performance.now() / 1000]"
        )
        time.sleep(1)
        for _ in range(BLOCKS):
            before = np.array(driver.execute_script(read))
            time.sleep(SECONDS)
            frames, steps, seconds = np.array(driver.execute_script(read)) - before
            yield frames / seconds, steps / seconds
    finally:
        driver.quit()
        server.shutdown()


def main():
    print(f"training alone: {steps_a_second():,.0f} steps a second")
    for frames, steps in frames_a_second():
        print(f"page: {frames:5.1f} frames a second, {steps:9,.0f} steps a second")


if __name__ == "__main__":
    main()
