"""Configuration of the documentation site: `sphinx-build -W docs site` (extra `docs`)."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import gallery  # noqa: E402 - beside this file, as `links` below; after sys.path

import fastnn  # noqa: E402 - after sys.path

project = "fastnn"
author = "The fastnn developers"
copyright = "2026, the fastnn developers"
version = release = fastnn.__version__

extensions = [
    "api_index",  # these four are beside this file
    "links",
    "replay",
    "search_words",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", gallery.SOURCE]
default_role = "py:obj"  # `name` in a docstring: a link if the name is documented, else code
smartquotes = False  # --plot is not a dash
myst_heading_anchors = 4  # links to headings, as on GitHub
myst_enable_extensions = ["colon_fence"]
suppress_warnings = [
    "config.cache",  # the objects in sphinx_gallery_conf are not stored between builds
    "ref.ref",  # inherited docstrings of scikit-learn refer to its guide
    "ref.term",
]

autosummary_generate = True
autodoc_mock_imports = ["torch"]  # of fastnn.from_torch
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"  # "On this page" has get_params(), not the class again

html_theme = "pydata_sphinx_theme"
html_title = "fastnn"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_search_scorer = str(DOCS / "_static" / "search.js")
html_theme_options = {
    "logo": {"image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "text": "fastnn"},
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"], "index": [], "gallery/index": []},
}
html_sidebars = {"index": [], "performance": []}
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

os.environ["MPLBACKEND"] = "agg"
gallery.prepare(DOCS.parent / "examples", DOCS / gallery.SOURCE)
sphinx_gallery_conf = {
    "examples_dirs": gallery.SOURCE,
    "gallery_dirs": "gallery",
    "filename_pattern": gallery.RUN,
    "reset_argv": gallery.Arguments(),
    "within_subsection_order": gallery.Order,
    "subsection_order": gallery.GroupOrder(None),
    "nested_sections": True,
    "thumbnail_size": (640, 440),  # twice the size on the page
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1e9,
    "remove_config_comments": True,
    "plot_gallery": True,
    "write_computation_times": False,
    "abort_on_example_error": True,
}


def leave_out_modules(app, what, name, obj, options, lines):
    """Leave out the modules of a package, which its docstring lists for contributors."""
    if what == "module" and "Modules:" in lines:
        del lines[lines.index("Modules:") :]


def setup(app):
    app.connect("autodoc-process-docstring", leave_out_modules)
