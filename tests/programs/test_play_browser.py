"""The page of the playground in Chromium: trains, goes back, copies code, draws points, keyboard alone."""

import base64
import contextlib
import re
import time

import numpy as np
import pytest
from browser import Browser, needs_chromium, wait_until
from checks import assert_same_bits
from play_pages import running

import fastnn
from fastnn.playground.explorer import Explorer
from fastnn.playground.server import PlayServer
from fastnn.playground.settings import ACTIVATIONS, LOSSES, OPTIMIZERS

pytestmark = [pytest.mark.slow("test_play_server.py"), needs_chromium]
STATE = {"step": 0, "settings": [[0, {"data": "moons", "n": 100, "lr": 0.03}]]}


@pytest.fixture(scope="module")
def browser():
    pytest.importorskip("selenium", reason="Selenium is not installed")
    with Browser() as browser:
        yield browser


@pytest.fixture
def opened(browser):
    """opened(server, ready, size of the window): the page of a server, which runs until its page has
    ended.

    At the end no error and no request to another place may be in its logs."""
    with contextlib.ExitStack() as servers:
        started = []

        def open_page(server, ready="frame()", width=1400, height=1000):
            started.append(servers.enter_context(running(server)))
            browser.open(server.address, width=width, height=height)
            browser.wait_until(f"globalThis.fastnnPlay?.{ready}")
            return browser

        browser.requests(), browser.problems()
        yield open_page
        assert browser.problems() == []
        for url in browser.requests():
            assert url.startswith((f"http://127.0.0.1:{started[0].port}/", "data:", "blob:")), url
        browser.open("about:blank")


@pytest.fixture
def server():
    """A server that runs when its page is opened."""
    return PlayServer(0, STATE)


@pytest.fixture
def page(server, opened):
    return opened(server)


def frame(page):
    return page.run("fastnnPlay.frame()")


def frame_when(page, condition):
    """Wait for a frame that fulfils condition(frame)."""
    return wait_until(lambda: (now := frame(page)) and condition(now) and now)


def train(page, epochs):
    page.set("#speed", 10)
    page.click("#play")
    frame_when(page, lambda now: now["epoch"] >= epochs)
    page.click("#play")
    return frame_when(page, lambda now: not now["playing"])


def frame_at(page, step):
    return frame_when(page, lambda now: now["step"] == step)


def assert_are_weights_of(shown, path):
    """Check that a file holds the weights of a frame."""
    numbers = [np.frombuffer(base64.b64decode(text), np.float32) for text in shown["weights"]]
    saved = [W.ravel() for W in fastnn.load(path).weights]
    assert_same_bits(np.concatenate(numbers), np.concatenate(saved))


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
    paused = frame_when(page, lambda now: now["step"] > paused["step"] + 10)
    page.click("#copy-python")
    monkeypatch.chdir(tmp_path)
    exec(compile(page.wait_until("document.getElementById('code').value"), "copied.py", "exec"), {})
    assert_are_weights_of(paused, "network.safetensors")


def learn(page):
    """Return the frame after an epoch, None if it has not come, or is that of a new network."""
    before = frame(page)["step"]
    page.click("#epoch")
    time.sleep(0.05)
    now = frame(page)
    return now if now["step"] > before else None


def test_each_choice_of_the_menus_learns(page):
    page.set("#data", "waves")
    page.wait_until("fastnnPlay.frame() && fastnnPlay.settings().data == 'waves'")
    menus = {"#layers select": ACTIVATIONS, "#optimizer": OPTIMIZERS, "#loss": LOSSES["numbers"]}
    for menu, names in menus.items():
        options = f"[...document.querySelector('{menu}').options].map((option) => option.value)"
        assert page.run(options) == list(names)
        for name in names:
            page.set(menu, name)
            page.wait_until("JSON.stringify(fastnnPlay.settings()).includes(arguments[0])", name)
            now = wait_until(lambda: learn(page))
            assert not now["diverged"] and np.isfinite(now["loss"])


@pytest.mark.parametrize("setting", ["granted", "denied"])
def test_what_the_buttons_copy(page, server, setting):
    """It is on the clipboard, or where the browser does not allow that, selected."""
    origin = f"http://127.0.0.1:{server.port}"
    for name, value in {"write": setting, "read": "granted"}.items():
        allow = {"name": f"clipboard-{name}"}
        page.send("Browser.setPermission", permission=allow, setting=value, origin=origin)
    page.set("#n", 90)
    page.wait_until("fastnnPlay.frame() && fastnnPlay.settings().n == 90")
    code = "document.getElementById('code').value"
    for button, expected in [
        ("copy-python", "playground.make_data('moons', n=90"),
        ("copy-command", "fastnn play --state"),
        ("copy-link", f"{origin}/#"),
    ]:
        page.driver.find_element("id", button).click()
        page.wait_until(f"{code}.includes(arguments[0])", expected)
        text = page.run(code)
        said = page.wait_until(
            "['Copied', 'The browser does not let'].find("
            "each => document.getElementById('copied').textContent.startsWith(each))"
        )
        if setting == "granted":
            assert said == "Copied"
            read = "navigator.clipboard.readText().then(arguments[0])"
            assert page.driver.execute_async_script(read) == text
        else:
            assert said != "Copied" and page.run("getSelection().toString()") == text
        page.run("document.getElementById('copied').textContent = ''")
    assert "token" not in page.run(code)


def explorer_of_many_columns():
    pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
    X = np.random.default_rng(0).normal(size=(150, 10))
    classes = np.array(["a class", "another one", "the third"])[np.digitize(X[:, 0], [-0.4, 0.4])]
    model = fastnn.TabularClassifier(1, hidden_layer_sizes=4, random_state=0)
    table = pa.table({f"a_name_that_is_long_{i}": X[:, i] for i in range(10)})
    return Explorer(model.fit(table, classes), "a_model_with_a_long_name.safetensors", table)


@pytest.mark.parametrize("kind", ["one", "many", "model"])
def test_pages_fit_a_phone(opened, kind):
    explorer = explorer_of_many_columns() if kind == "model" else None
    ready = "explanation()" if kind == "model" else "frame()"
    page = opened(PlayServer(0, STATE, explorer=explorer), ready, width=320, height=640)
    if kind == "many":
        page.click("#many")
        page.wait_until("document.querySelector('#many-cells button')?.style.left")
    assert page.run("document.documentElement.scrollWidth") == 320


def test_an_address_that_is_wrong_opens_the_usual_page(page):
    address = page.driver.current_url.split("#")[0]
    for state in ("{", '{"settings":[[0,{"n":1}]]}', '{"settings":[[0,{}]],"variation":"all"}'):
        page.driver.get("about:blank")
        page.driver.get(f"{address}#{state}")
        page.wait_until("globalThis.fastnnPlay?.frame()")
        assert page.run("fastnnPlay.settings().data") == "moons"
        assert page.run("document.getElementById('message').textContent")
    assert all("status of 422" in problem for problem in page.problems())


def test_a_refused_value_changes_nothing(page):
    paused = train(page, 5)
    page.set("#batch", 0)
    page.wait_until("document.getElementById('message').textContent.includes('batch must be')")
    assert page.run("document.getElementById('batch').value") == "32"
    page.set("#lr", 0.001)
    page.click("#epoch")
    now = frame_when(page, lambda now: now["epoch"] > paused["epoch"])
    assert now["step"] > paused["step"]
    assert page.run("fastnnPlay.losses().train.length") == now["epoch"]
    [problem] = page.problems()
    assert "status of 422" in problem  # Chromium logs each answer that is an error


def test_a_link_restores_the_page_in_another_tab(page):
    page.set("#lr", 0.005)
    page.set("#data", "spirals")
    page.click("#more")
    page.wait_until("fastnnPlay.settings().hidden.length == 3")
    page.set("#layers select", "relu")
    page.wait_until("fastnnPlay.settings().activations[0] == 'relu'")
    page.click("#copy-link")
    link = page.wait_until("document.getElementById('code').value")
    settings, first = page.run("fastnnPlay.settings()"), page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.driver.get(link)
    page.wait_until("globalThis.fastnnPlay?.frame()")
    assert page.run("fastnnPlay.settings()") == settings
    assert page.run("document.getElementById('lr').value") == "0.005"
    page.driver.close()
    page.driver.switch_to.window(first)


def test_the_download_is_the_network(page, tmp_path):
    page.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    paused = train(page, 3)
    page.driver.find_element("id", "download").click()
    path = tmp_path / "network.safetensors"
    wait_until(path.exists)
    assert_are_weights_of(paused, path)


def controls_of(page):
    return page.run(
        "[...document.querySelectorAll('button, select, textarea, input, a, [tabindex]')].filter("
        "e => e.checkVisibility() && !e.disabled && e.tabIndex >= 0"
        " && !(e.type == 'radio' && !e.checked))"
    )


def assert_tab_reaches_every_control(page):
    from selenium.webdriver import Keys

    focused = "[document.activeElement, getComputedStyle(document.activeElement).outlineStyle]"
    page.run("document.body.focus()")
    expected, seen = [], set()
    while expected != (now := controls_of(page)):  # the page may still add some
        expected, seen = now, set()
        for _ in range(len(expected) + 5):
            page.press(Keys.TAB)
            element, outline = page.run(focused)
            if element.tag_name != "body":
                assert outline != "none", element.get_attribute("outerHTML")
                seen.add(element)
    assert seen == {*expected}


@pytest.mark.parametrize("mode", ["one", "many"])
def test_the_tab_key_reaches_every_control(page, mode):
    from selenium.webdriver import Keys

    if mode == "many":
        page.click("#many")
        frame_when(page, lambda now: "losses_now" in now and now["playing"])
        page.click("#play")
        frame_when(page, lambda now: not now["playing"])
    assert_tab_reaches_every_control(page)
    if mode == "many":
        page.run("document.querySelector('#many-cells button').focus()")
        for key, expected in ((Keys.ARROW_RIGHT, "seed 1"), (Keys.ARROW_LEFT, "seed 0")):
            page.press(key)
            assert page.run("document.activeElement.ariaLabel").startswith(f"{expected}: loss")
        page.press(Keys.ARROW_DOWN)
        page.press(Keys.ENTER)
        frame_when(page, lambda now: "weights" in now)


def test_keyboard_alone(page):
    from selenium.webdriver import Keys

    page.press(Keys.ARROW_RIGHT)
    frame_at(page, 1)
    page.press(Keys.SHIFT, Keys.ARROW_RIGHT)
    frame_when(page, lambda now: now["epoch"] == 1)
    page.press(Keys.ARROW_LEFT)
    frame_at(page, 2)
    page.press(Keys.SPACE)
    frame_when(page, lambda now: now["playing"])
    page.press(Keys.SPACE)
    frame_when(page, lambda now: not now["playing"])
    names = page.run(
        "[...document.querySelectorAll('button, select, input, canvas, a')].filter("
        "e => !(e.ariaHidden || e.textContent.trim() || e.labels?.length || e.ariaLabel)).map(e => e.outerHTML)"
    )
    assert names == []  # every control has a name for screen readers


def test_a_unit_in_numbers_and_a_lesson(page):
    page.click("#units button:nth-child(3)")
    page.wait_until("document.getElementById('formulas').innerText.includes('z = x w + b')")
    page.set("#lesson", 0)
    page.wait_until("document.getElementById('watch').innerText.includes('one line')")
    frame_when(page, lambda now: now["epoch"] > 3 and now["units"] == [])


@pytest.mark.parametrize("variation", ["seeds", "rates"])
def test_a_hundred_networks(page, variation):
    page.set("#variation", variation)
    page.wait_until("document.body.classList.contains('many')")
    frame_when(page, lambda now: now["epoch"] > 3)
    page.click("#play")
    now = frame_when(page, lambda now: not now["playing"])
    summary = page.run("document.getElementById('many-summary').textContent")
    assert summary.startswith(f"Epoch {now['epoch']}. The held-out loss is ")
    cells = page.driver.find_elements("css selector", "#many-cells button")
    assert len(cells) == 100
    assert all(min(cell.rect["width"], cell.rect["height"]) > 20 for cell in cells)
    address = page.driver.current_url
    cells[37].click()
    alone = frame_when(page, lambda now: "weights" in now)
    assert alone["epoch"] == now["epoch"]
    assert alone["test_loss"] == pytest.approx(now["losses_now"][37], rel=1e-12)
    assert page.run("fastnnPlay.settings().seed") == (37 if variation == "seeds" else 0)
    page.driver.get("about:blank")
    page.driver.get(address)  # it opens the hundred again
    page.wait_until("document.querySelectorAll('#many-cells button').length == 100")


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
    frame_when(page, lambda now: now["epoch"] == 1)
    driver.close()
    driver.switch_to.window(first)
    assert frame(page)["epoch"] == 0 and len(server.trainings) == 2


def test_a_table_of_the_user(opened, tmp_path):
    table = tmp_path / "people.csv"
    rows = [f"{i},{(7 * i) % 40},{'yes' if i > 30 else 'no'}" for i in range(60)]
    table.write_text("age,height,answer\n" + "\n".join(rows))
    state = {"step": 0, "settings": [[0, {"data": "table"}]]}
    page = opened(PlayServer(0, state, (str(table), "answer", ["age", "height"])))
    assert page.run("document.getElementById('data-text').innerText") == "people.csv: answer."
    assert train(page, 20)["score"] > 0.8


def test_a_trained_model_is_explored(opened):
    pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
    X = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    model = fastnn.TabularRegressor(2, hidden_layer_sizes=8, random_state=0)
    model.fit(pa.table({f"x{i}": X[:, i] for i in range(3)}), 3 * X[:, 0] + X[:, 1])
    explorer = Explorer(model, "model")
    page = opened(PlayServer(0, {}, explorer=explorer), "answer()")
    before = page.run("fastnnPlay.answer().prediction")
    page.set("input[type=range]", 1, "input")
    now = page.wait_until("fastnnPlay.answers() > 1 && fastnnPlay.answer().prediction")
    expected = explorer.answer(page.run("fastnnPlay.row()"))
    assert now == expected["prediction"] != before
    shown = page.run("document.getElementById('interval').innerText")
    assert (match := re.fullmatch("90 % interval: (.+) to (.+)", shown))
    assert [float(x) for x in match.groups()] == [float(f"{x:.4g}") for x in expected["interval"]]
    assert_tab_reaches_every_control(page)


@pytest.mark.filterwarnings("ignore:column 'text'. free text")
def test_a_text_is_edited_and_its_words_are_no_html(opened):
    pa = pytest.importorskip("pyarrow", reason="tables need the extra cli")
    words = np.array(["sunny", "dark"])[np.arange(80) % 2]
    texts = [f"a {word} flat near the park {i}" for i, word in enumerate(words)]
    model = fastnn.TabularClassifier(2, hidden_layer_sizes=8, random_state=0)
    model.fit(pa.table({"text": texts, "area": np.arange(80.0) % 9}), words)
    page = opened(PlayServer(0, {}, explorer=Explorer(model, "model")), "explanation()")
    page.set("textarea", "<b>dark</b> <s>SUNNY", "input")
    shown = "[...document.querySelectorAll('.words li')].map((word) => word.innerText)"
    page.wait_until(f"{shown}.some((word) => word.startsWith('SUNNY +'))")
    assert any(word.startswith("dark -") for word in page.run(shown))
    assert page.run("document.querySelectorAll('#contributions b, #contributions s').length") == 0
    assert page.run("document.querySelectorAll('#curves canvas').length") == 1
    assert_tab_reaches_every_control(page)
