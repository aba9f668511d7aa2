"""The replay of a training on the documentation site, drawn by the module of the playground."""

import shutil
import subprocess
import sys

import pytest
from browser import Browser, needs_chromium
from places import DOCS

if not DOCS.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
PAGE = """\
# Page

Before.

<!-- replay -->

![What it shows](replay.png)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a page with a replay, built as the site is but for its theme."""
    for name in ("sphinx", "myst_parser", "selenium"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(DOCS / "images" / "replay.png", folder)
    (folder / "index.md").write_text(PAGE)
    options = "extensions = ['myst_parser', 'replay']\nhtml_theme = 'basic'\n"
    (folder / "conf.py").write_text(f"import sys\nsys.path.insert(0, {str(DOCS)!r})\n{options}")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", str(folder), str(folder / "html")]
    subprocess.run(command, check=True)
    return (folder / "html" / "index.html").as_uri()


def drawn_shares(browser):
    """Return the share of the pixels of each canvas that are drawn."""
    return browser.run(
        "[...document.querySelectorAll('canvas')].map(c => { const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
        "for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return 4 * n / d.length; })"
    )


@needs_chromium
@pytest.mark.slow("test_the_recording_is_a_training")
def test_the_page_of_a_file_plays(site):
    with Browser() as browser:
        for scheme in ("light", "dark"):
            browser.open(site, scheme=scheme)
            status = "document.querySelector('.replay output').textContent"
            button = "document.querySelector('.replay button').textContent"
            assert browser.run("document.querySelector('img').offsetHeight") == 0
            browser.wait_until(f"!{status}.startsWith('epoch 0,')")  # it plays when it is seen
            browser.click(".replay button")
            assert browser.run(button) == "Play"
            browser.set(".replay input", 75, "input")
            assert browser.run(f"{status}.startsWith('epoch 300,')")
            assert browser.run(button) == "Play again"
            network, surface, curves = drawn_shares(browser)
            assert network > 0.05 and surface == 1 and curves > 0.01
            browser.click(".replay button")
            browser.wait_until(f"!{status}.startsWith('epoch 300,')")
        assert browser.problems() == []
        assert all(url.startswith(("file:", "data:")) for url in browser.requests())
        browser.open(site, scripts=False)
        image, box = (browser.driver.find_element("css selector", s) for s in ("img", ".replay"))
        assert image.is_displayed() and not box.is_displayed()


def test_the_recording_is_a_training(monkeypatch):
    """It has the frames of a training, in a page that ends its scripts itself alone."""
    monkeypatch.syspath_prepend(str(DOCS))
    pytest.importorskip("docutils", reason="docutils is not installed")
    import replay

    monkeypatch.setattr(replay, "FRAMES", 3)
    recording = replay.record()
    frames = recording["frames"]
    assert [frame["epoch"] for frame in frames] == [0, 4, 8, 12]
    assert frames[-1]["loss"] < frames[0]["loss"] and len(recording["test"]) == 12
    assert replay.html().count("</script>") == 2
