"""The page of the playground in Chromium: trains, goes back, copies code, draws points, keyboard alone."""

import json
import shutil
import threading
import time

import numpy as np
import pytest
from checks import assert_same_bits

import fastnn
from fastnn.playground.server import PlayServer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow("test_play_server.py"),
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and chromedriver"),
    pytest.mark.xdist_group("browser"),
]
SECONDS = 60  # to wait for the page on a busy machine
STATE = {"step": 0, "settings": [[0, {"data": "moons", "n": 100, "lr": 0.03}]]}


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "window-size=1400,1000",
    ):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def server():
    server = PlayServer(0, STATE)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser, server):
    """The open page. At the end no error and no request to another place may be in its logs."""
    browser.get_log("browser"), browser.get_log("performance")
    browser.get(server.address)
    wait(lambda: frame(browser))
    yield browser
    browser.execute_script("return 1")
    assert browser.get_log("browser") == []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")), url
    browser.get("about:blank")


def frame(page):
    return page.execute_script("return globalThis.fastnnPlay?.frame()")


def wait(condition):
    end = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.05)
    return value


def click(page, name):
    page.execute_script("document.getElementById(arguments[0]).click()", name)


def choose(page, name, value):
    """Set a control as a user does."""
    page.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('change'))",
        name,
        str(value),
    )


def train(page, epochs):
    choose(page, "speed", 10)
    click(page, "play")
    wait(lambda: frame(page)["epoch"] >= epochs)
    click(page, "play")
    return wait(lambda: None if (now := frame(page))["playing"] else now)


def test_it_trains_pauses_and_goes_back(page):
    first = frame(page)
    assert page.current_url.endswith("/") and "token" not in page.current_url
    paused = train(page, 40)
    assert paused["loss"] < first["loss"] / 2
    click(page, "back")
    wait(lambda: frame(page)["step"] == paused["step"] - 1)
    click(page, "step")
    again = wait(lambda: (now := frame(page))["step"] == paused["step"] and now)
    assert again["weights"] == paused["weights"]
    click(page, "reset")
    assert wait(lambda: (now := frame(page))["step"] == 0 and now)["weights"] == first["weights"]


def test_the_copied_code_has_the_parameters_of_the_page(page, tmp_path, monkeypatch):
    paused = train(page, 5)
    choose(page, "lr", 0.005)
    choose(page, "batch", 7)
    click(page, "epoch")
    click(page, "epoch")
    paused = wait(lambda: (now := frame(page))["step"] > paused["step"] + 10 and now)
    click(page, "copy-python")
    code = wait(lambda: page.execute_script("return document.getElementById('code').value"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "copied.py", "exec"), {})
    import base64

    shown = [np.frombuffer(base64.b64decode(text), np.float32) for text in paused["weights"]]
    saved = fastnn.load("network.safetensors")
    assert_same_bits(np.concatenate(shown), np.concatenate([W.ravel() for W in saved.weights]))


def test_keyboard_alone(page):
    from selenium.webdriver import ActionChains, Keys

    def press(*keys):
        actions = ActionChains(page)
        for key in keys[:-1]:
            actions.key_down(key)
        actions.send_keys(keys[-1])
        for key in keys[:-1]:
            actions.key_up(key)
        actions.perform()

    press(Keys.ARROW_RIGHT)
    wait(lambda: frame(page)["step"] == 1)
    press(Keys.SHIFT, Keys.ARROW_RIGHT)
    wait(lambda: frame(page)["epoch"] == 1)
    press(Keys.ARROW_LEFT)
    wait(lambda: frame(page)["step"] == 2)
    press(Keys.SPACE)
    wait(lambda: frame(page)["playing"])
    press(Keys.SPACE)
    wait(lambda: not frame(page)["playing"])
    names = page.execute_script(
        "return [...document.querySelectorAll('button, select, input, canvas, a')].filter("
        "e => !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).map(e => e.outerHTML)"
    )
    assert names == []  # every control has a name for screen readers


def test_a_unit_in_numbers_and_a_lesson(page):
    page.execute_script("document.querySelectorAll('#units button')[2].click()")
    wait(
        lambda: "unit" in frame(page) and "z = x w + b" in page.find_element("id", "formulas").text
    )
    choose(page, "lesson", 0)
    wait(lambda: "one line" in page.find_element("id", "watch").text)
    wait(lambda: frame(page)["epoch"] > 3 and frame(page)["units"] == [])


def test_points_drawn_by_hand(page):
    from selenium.webdriver import ActionChains

    surface = page.find_element("id", "surface")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", surface)
    for value, offset in (("0", -60), ("1", 60)):
        page.execute_script(f"document.querySelector('[name=pen][value=\"{value}\"]').click()")
        for y in (-20, 20):
            ActionChains(page).move_to_element_with_offset(surface, offset, y).click().perform()
            time.sleep(0.1)
    settings = wait(
        lambda: (s := page.execute_script("return fastnnPlay.settings()"))["data"] == "points" and s
    )
    assert settings["test"] == 0


def test_two_pages_train_apart(page, server):
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    page.get(f"http://127.0.0.1:{server.port}/")
    wait(lambda: frame(page))
    click(page, "epoch")
    wait(lambda: frame(page)["epoch"] == 1)
    page.close()
    page.switch_to.window(first)
    assert frame(page)["epoch"] == 0 and len(server.tabs) == 2


def test_a_table_of_the_user(browser, tmp_path):
    table = tmp_path / "people.csv"
    rows = [f"{i},{(7 * i) % 40},{'yes' if i > 30 else 'no'}" for i in range(60)]
    table.write_text("age,height,answer\n" + "\n".join(rows))
    state = {"step": 0, "settings": [[0, {"data": "table"}]]}
    for page in opened(browser, PlayServer(0, state, (str(table), "answer", ["age", "height"]))):
        assert "people.csv: answer" in page.find_element("id", "data-text").text
        assert train(page, 20)["score"] > 0.8


def test_a_trained_model_is_explored(browser):
    import pyarrow as pa

    from fastnn.playground.explorer import Explorer

    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (200, 3))
    model = fastnn.TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
    table = pa.table({f"x{i}": X[:, i] for i in range(3)})
    model.fit(table, 3 * X[:, 0] + X[:, 1])
    explorer = Explorer(model, "model", None)
    for page in opened(browser, PlayServer(0, {}, explorer=explorer), "answer"):
        page.execute_script(
            "const s = document.querySelector('input[type=range]'); s.value = s.max;"
            "s.dispatchEvent(new Event('input'))"
        )
        wait(lambda: frame_count(browser) > 1)
        now = page.execute_script("return fastnnPlay.answer().prediction")
        row = page.execute_script("return fastnnPlay.row()")
        assert now == explorer.answer(row)["prediction"]


def frame_count(page):
    return page.execute_script("return fastnnPlay.answers()")


def opened(browser, server, ready="frame"):
    """Yield the page of a server, and end both."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        browser.get(server.address)
        wait(lambda: browser.execute_script(f"return globalThis.fastnnPlay?.{ready}()"))
        yield browser
        browser.get("about:blank")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
