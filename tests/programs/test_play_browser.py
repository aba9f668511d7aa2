"""The page of the playground in Chromium: trains, goes back, copies code, draws points, keyboard alone."""

import base64
import time

import numpy as np
import pytest
from browser import Browser, needs_chromium, wait_until
from checks import assert_same_bits
from play_pages import running

import fastnn
from fastnn.playground.explorer import Explorer
from fastnn.playground.server import PlayServer

pytestmark = [pytest.mark.slow("test_play_server.py"), needs_chromium]
STATE = {"step": 0, "settings": [[0, {"data": "moons", "n": 100, "lr": 0.03}]]}


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("selenium", reason="Selenium is not installed")
    with Browser() as browser:
        yield browser


@pytest.fixture
def opened(browser):
    """opened(server, ready): the open page of a running server.

    At the end no error and no request to another place may be in its logs."""
    servers = []

    def open_page(server, ready="frame"):
        servers.append(server)
        browser.open(server.address, width=1400, height=1000)
        browser.wait_until(f"globalThis.fastnnPlay?.{ready}()")
        return browser

    browser.requests(), browser.problems()
    yield open_page
    assert browser.problems() == []
    for url in browser.requests():
        assert url.startswith((f"http://127.0.0.1:{servers[0].port}/", "data:", "blob:")), url
    browser.open("about:blank")


@pytest.fixture
def server():
    with running(PlayServer(0, STATE)) as server:
        yield server


@pytest.fixture
def page(opened, server):
    return opened(server)


def frame(page):
    return page.run("fastnnPlay.frame()")


def train(page, epochs):
    page.set("#speed", 10)
    page.click("#play")
    wait_until(lambda: frame(page)["epoch"] >= epochs)
    page.click("#play")
    return wait_until(lambda: None if (now := frame(page))["playing"] else now)


def frame_at(page, step):
    return wait_until(lambda: (now := frame(page))["step"] == step and now)


def test_it_trains_pauses_and_goes_back(page):
    first = frame(page)
    address = page.driver.current_url
    assert address.endswith("/") and "token" not in address
    paused = train(page, 40)
    assert paused["loss"] < first["loss"] / 2
    page.click("#back")
    frame_at(page, paused["step"] - 1)
    page.click("#step")
    assert frame_at(page, paused["step"])["weights"] == paused["weights"]
    page.click("#reset")
    assert frame_at(page, 0)["weights"] == first["weights"]


def test_the_copied_code_has_the_parameters_of_the_page(page, tmp_path, monkeypatch):
    paused = train(page, 5)
    page.set("#lr", 0.005)
    page.set("#batch", 7)
    page.click("#epoch")
    page.click("#epoch")
    paused = wait_until(lambda: (now := frame(page))["step"] > paused["step"] + 10 and now)
    page.click("#copy-python")
    code = page.wait_until("document.getElementById('code').value")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "copied.py", "exec"), {})
    shown = [np.frombuffer(base64.b64decode(text), np.float32) for text in paused["weights"]]
    saved = fastnn.load("network.safetensors")
    assert_same_bits(np.concatenate(shown), np.concatenate([W.ravel() for W in saved.weights]))


def test_keyboard_alone(page):
    from selenium.webdriver import Keys

    page.press(Keys.ARROW_RIGHT)
    frame_at(page, 1)
    page.press(Keys.SHIFT, Keys.ARROW_RIGHT)
    wait_until(lambda: frame(page)["epoch"] == 1)
    page.press(Keys.ARROW_LEFT)
    frame_at(page, 2)
    page.press(Keys.SPACE)
    wait_until(lambda: frame(page)["playing"])
    page.press(Keys.SPACE)
    wait_until(lambda: not frame(page)["playing"])
    names = page.run(
        "[...document.querySelectorAll('button, select, input, canvas, a')].filter("
        "e => !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).map(e => e.outerHTML)"
    )
    assert names == []  # every control has a name for screen readers


def test_a_unit_in_numbers_and_a_lesson(page):
    page.click("#units button:nth-child(3)")
    page.wait_until("document.getElementById('formulas').innerText.includes('z = x w + b')")
    page.set("#lesson", 0)
    page.wait_until("document.getElementById('watch').innerText.includes('one line')")
    wait_until(lambda: (now := frame(page))["epoch"] > 3 and now["units"] == [])


def test_points_drawn_by_hand(page):
    from selenium.webdriver import ActionChains

    surface = page.driver.find_element("id", "surface")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", surface)
    for value, offset in (("0", -60), ("1", 60)):
        page.click(f"[name=pen][value='{value}']")
        for y in (-20, 20):
            actions = ActionChains(page.driver)
            actions.move_to_element_with_offset(surface, offset, y).click().perform()
            time.sleep(0.1)
    page.wait_until("fastnnPlay.settings().data == 'points'")
    assert page.run("fastnnPlay.settings().test") == 0


def test_two_pages_train_apart(page, server):
    driver = page.driver
    first = driver.current_window_handle
    driver.switch_to.new_window("tab")
    driver.get(f"http://127.0.0.1:{server.port}/")
    page.wait_until("globalThis.fastnnPlay?.frame()")
    page.click("#epoch")
    wait_until(lambda: frame(page)["epoch"] == 1)
    driver.close()
    driver.switch_to.window(first)
    assert frame(page)["epoch"] == 0 and len(server.tabs) == 2


def test_a_table_of_the_user(opened, tmp_path):
    table = tmp_path / "people.csv"
    rows = [f"{i},{(7 * i) % 40},{'yes' if i > 30 else 'no'}" for i in range(60)]
    table.write_text("age,height,answer\n" + "\n".join(rows))
    state = {"step": 0, "settings": [[0, {"data": "table"}]]}
    with running(PlayServer(0, state, (str(table), "answer", ["age", "height"]))) as server:
        page = opened(server)
        assert page.run("document.getElementById('data-text').innerText") == "people.csv: answer"
        assert train(page, 20)["score"] > 0.8


def test_a_trained_model_is_explored(opened):
    pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
    X = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    model = fastnn.TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
    model.fit(pa.table({f"x{i}": X[:, i] for i in range(3)}), 3 * X[:, 0] + X[:, 1])
    explorer = Explorer(model, "model")
    with running(PlayServer(0, {}, explorer=explorer)) as server:
        page = opened(server, "answer")
        before = page.run("fastnnPlay.answer().prediction")
        page.set("input[type=range]", 1, "input")
        now = page.wait_until("fastnnPlay.answers() > 1 && fastnnPlay.answer().prediction")
        assert now == explorer.answer(page.run("fastnnPlay.row()"))["prediction"] != before
