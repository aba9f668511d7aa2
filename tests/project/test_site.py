"""The documentation site: every page has its place, and its files ask for nothing elsewhere."""

import html
import importlib.util
import io
import re
import tomllib

import pytest
from picture_layout import layout_problems
from places import DOCS, EXAMPLES

import fastnn
from fastnn import plotting

if not DOCS.exists():
    pytest.skip("there is no docs/ beside these tests", allow_module_level=True)
GROUPS = "Tables", "Networks", "Deploy"
#: What readers look for, and the page that comes first.
SEARCHES = {
    "missing values": "tabular.md",
    "early stopping": "optimizers.md",
    "time series": "scores.md",
    "explain": "explanations.md",
    "gradient": "derivatives.md",
    "class imbalance": "tabular.md",
    "larger than memory": "streams.md",
}


def load(name, folder=DOCS):
    """The module docs/NAME.py, which the site imports."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


def toctrees(name):
    """The toctrees of a page: pairs of a caption, or None, and the entries."""
    found = []
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", read(name), re.M | re.S):
        caption = re.search(r"^:caption: (.*)$", block, re.M)
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        entries = [re.sub(r".*<(.*)>", r"\1", line) for line in lines]
        found.append((caption and caption[1], entries))
    return found


def test_the_guide_has_three_groups_whose_pages_it_describes():
    trees = toctrees("guide.md")
    assert [caption for caption, _ in trees] == list(GROUPS)
    for group, entries in trees:
        section = re.search(rf"^## {group}\n(.*?)(?=^## |^```)", read("guide.md"), re.M | re.S)[1]
        assert re.findall(r"^- \[[^\]]+\]\((\w+)\.md\): ", section, re.M) == entries


def test_every_page_has_one_place():
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    names = "index.md", "start.md", "guide.md", "project.md"
    entries = [entry for name in names for _, entries in toctrees(name) for entry in entries]
    placed = [entry for entry in entries if "/" not in entry]
    assert sorted(placed) == sorted(pages)


@pytest.mark.parametrize(("phrase", "page"), SEARCHES.items())
def test_a_phrase_is_found_on_its_page(phrase, page):
    """A comment puts the phrase into the index, which is found before titles and words."""
    to_index = load("search_words").to_index
    pattern = re.compile(rf"^```\{{index\}}.*! {phrase}(,|$)", re.M)
    pages = {path.name: to_index(read(path.name)) for path in DOCS.glob("*.md")}
    having = [name for name, text in pages.items() if pattern.search(text)]
    assert having == [page]


def test_comments_become_entries_of_the_index():
    text = "# A\n\n<!-- search: missing values,\nNaN -->\n\nb\n"
    expected = "# A\n\n```{index} ! missing values, ! NaN\n```\n\nb\n"
    assert load("search_words").to_index(text) == expected


def names_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py"))


def test_every_example_is_in_a_group_and_has_a_picture(tmp_path):
    gallery = load("gallery")
    gallery.prepare(EXAMPLES, tmp_path)
    copies = names_below(tmp_path)
    assert copies == sorted(f"{gallery.folder_of(name)}/{name}.py" for name in gallery.NAMES)
    for path in tmp_path.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        title, line = text.splitlines()[0].removeprefix('"""'), text.splitlines()[1]
        assert line == "=" * len(title) and len(title) < 75 and ".py" not in title
        picture = re.search(r'sphinx_gallery_thumbnail_path = "(.*)"', text)
        assert (picture is not None) == (path.stem in gallery.NOT_RUN)
        assert picture is None or (DOCS / picture[1]).exists()
    gallery.prepare(EXAMPLES, tmp_path)  # a second time, beside the files of the first
    assert copies == names_below(tmp_path)


def test_the_first_page_of_the_api_lists_every_name():
    api_index = load("api_index")
    pages = api_index.ENTRY.findall(read("api/index.rst"))
    assert {*pages, "index"} == {path.stem for path in (DOCS / "api").glob("*.rst")}
    section = api_index.section_of(read("api/tables.rst"))
    assert section.startswith("Table files, data sets and plots\n-----")
    assert ":toctree:" not in section and "   convert_texts\n" in section
    assert section.count(".. autosummary::") == read("api/tables.rst").count(".. autosummary::")


def test_readme_and_the_first_pages_begin_alike():
    """With what fastnn is; and the first page of the site has the code of README."""
    readme = read("../README.md")
    project = tomllib.loads(read("../pyproject.toml"))["project"]
    texts = [readme, read("index.md"), fastnn.__doc__, project["description"]]
    lead = "Small dense neural networks on CPUs, from arrays or messy tables: Cython kernels"
    sentences = {re.search(rf"{lead}.*?\.", " ".join(text.split()))[0] for text in texts}
    assert len(sentences) == 1 and " ".join(fastnn.__doc__.split()).startswith(lead)
    blocks = re.findall(r"^```python\n.*?^```$", readme, re.M | re.S)
    assert len(blocks) == 2 and all(block in read("start.md") for block in blocks)


def test_the_terminal_of_readme_shows_the_sessions_of_the_first_page():
    """But for line ends and spaces, whose place in the file is rich's."""
    pytest.importorskip("rich", reason="the picture needs the extra cli")
    lines = re.findall(r"<text[^>]*>(.*?)</text>", read("images/terminal.svg"))
    shown = re.sub(r"\s", "", html.unescape("".join(lines[1:])))  # after the title
    assert shown == re.sub(r"\s", "", load("terminal").session())


def test_files_of_the_site_ask_for_nothing_elsewhere():
    texts = [read(f"_static/{name}") for name in ("site.css", "search.js", "logo.svg")]
    addresses = re.findall(r"https?://[^\s\"')]+", " ".join(texts))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}  # the name of a format
    assert 'html_favicon = "_static/logo.svg"' in read("conf.py")


@pytest.fixture
def overview():
    """The module bench/overview.py, which draws the pictures of README.md."""
    folder = DOCS.parent / "bench"
    if not folder.exists():
        pytest.skip("there is no bench/ beside these tests")
    pytest.importorskip("matplotlib", reason="pictures need the extra plot")
    return load("overview", folder)


def test_all_of_the_pictures_of_readme_can_be_read(overview):
    for path in overview.PICTURES:
        with plotting.style():
            figure, file = overview.picture(path), io.StringIO()
            figure.savefig(file, format="svg")
        assert layout_problems(figure) == []
        now, committed = (  # the texts, which the file draws as curves
            re.findall("<!-- (.*) -->", text)
            for text in (file.getvalue(), path.read_text(encoding="utf-8"))
        )
        assert now == committed and "fastnn" in now


def test_pictures_of_readme_show_the_figures_of_the_pages(overview):
    accuracy, times = overview.accuracy(), overview.step_times()
    assert accuracy["fastnn"] == (1, 1) and len(accuracy) == 5 and len(times) == 6
    text = read("../README.md").replace("\n", " ")
    assert f"CatBoost {accuracy['CatBoost'][1]:.2f} times the loss" in text
    assert f"LightGBM {accuracy['LightGBM'][1]:.2f} times the loss" in text
    assert f"fastnn {times['fastnn']:.3g} microseconds" in text
    assert f"PyTorch {times['PyTorch']:.3g}" in text
