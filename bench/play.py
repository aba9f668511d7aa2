"""What `fastnn play` shows in a second, in Chromium.

    python bench/play.py            # pictures a second, while 2-8-8-1 trains on 500 points
    python bench/play.py --model    # answers a second of a trained model, while a slider moves

Needs Chromium, chromedriver and Selenium. The page runs without a screen and without a GPU, on the
same processors as the training, so a desktop shows at least as many. The browser draws at most 60.
"""

import argparse
import contextlib
import shutil
import threading
import time
from functools import partial

import numpy as np

import fastnn
from fastnn.cli.table_file import resolve_table_path
from fastnn.playground.explorer import Explorer
from fastnn.playground.playback import DataSource, Playback
from fastnn.playground.server import PlayServer
from fastnn.playground.settings import Settings

SECONDS, BLOCKS = 1.0, 4  # the training of a page ends after 200,000 epochs
ARGUMENTS = "headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1400,1000"
TRAIN = """
const s = document.getElementById('speed'); s.value = '0'; s.dispatchEvent(new Event('change'));
document.getElementById('play').click()
"""
MOVE = """
const slider = document.querySelector('input[type=range]');
let moves = 0;
(function move() {
  moves += 1;
  slider.value = Number(slider.min) + (slider.max - slider.min) * (moves % 100) / 100;
  slider.dispatchEvent(new Event('input'));
  requestAnimationFrame(move);
})()
"""


@contextlib.contextmanager
def open_page(server):
    """Serve, and return a Chromium with the page."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ARGUMENTS:
        options.add_argument(f"--{argument}")
    threading.Thread(target=server.server.answer, daemon=True).start()
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(server.address)
        time.sleep(1)
        yield driver
    finally:
        driver.quit()
        server.server.should_exit = True


def per_second(driver, *counts):
    """Yield what some counts of the page grow by in a second, in each block."""
    read = f"return [{', '.join(counts)}, performance.now() / 1000]"
    time.sleep(1)
    for _ in range(BLOCKS):
        before = np.array(driver.execute_script(read))
        time.sleep(SECONDS)
        *grown, seconds = np.array(driver.execute_script(read)) - before
        yield np.array(grown) / seconds


def best(work, n):
    """Return the seconds of the fastest of n calls."""
    times = []
    for _ in range(n):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def measure_training():
    settings = Settings(n=500)
    playback = Playback(settings, DataSource(settings).make())
    print(f"training alone: {2000 / best(lambda: playback.advance(2000), 10):,.0f} steps a second")
    server = PlayServer(0, {"step": 0, "settings": [[0, {"n": 500}]]})
    with open_page(server) as driver:
        driver.execute_script(TRAIN)
        counts = "fastnnPlay.frames()", "fastnnPlay.frame()?.step ?? 0"
        for frames, steps in per_second(driver, *counts):
            print(f"page: {frames:5.1f} pictures a second, {steps:9,.0f} steps a second")


def measure_model():
    for kind, target in ((fastnn.TabularClassifier, "cultivar"), (fastnn.TabularRegressor, "hue")):
        model = kind(random_state=0).fit(resolve_table_path("wine"), target)
        explorer = Explorer(model, "wine")
        row = explorer.describe()["row"]
        times = [1e3 * best(partial(work, row), 10) for work in (explorer.answer, explorer.explain)]
        print(f"{target}: answer {times[0]:.1f} ms, explanation {times[1]:.1f} ms")
        with open_page(PlayServer(0, {}, explorer=explorer)) as driver:
            driver.execute_script(MOVE)
            for answers, drawn in per_second(driver, "fastnnPlay.answers()", "fastnnPlay.drawn()"):
                print(f"page: {answers:5.1f} answers a second, {drawn:5.1f} drawn")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", action="store_true", help="of a trained model")
    measure_model() if parser.parse_args().model else measure_training()


if __name__ == "__main__":
    main()
