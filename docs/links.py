"""Links of the Markdown files, which also work in the repository, rewritten for the site.

Files above docs/ become pages (README.md, CONTRIBUTING.md) or parts of the gallery (examples/).
What the site does not have keeps its text without a link.
"""

import re

import gallery

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
PAGES = {
    "README.md": "start.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}


def rewrite(text, is_above):
    """Return Markdown text with its links rewritten.

    Parameters
    ----------
    text : str
    is_above : bool
        Whether the text is from a file above docs/.
    """

    def replace(match):
        image, label, target, anchor = match[1], match[2], match[3], match[4] or ""
        if target.startswith(("http:", "https:")):
            return match[0]
        if is_above:
            path = target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
        else:
            path = target
        if path.startswith("../"):
            path = path.removeprefix("../")
            example = re.fullmatch(r"examples/(\w+)\.py", path)
            if example:
                path = f"gallery/{gallery.folder_of(example[1])}/{example[1]}.rst"
            elif path == "examples/README.md":
                path = "gallery/index.rst"
            elif path in PAGES:
                path = PAGES[path]
            else:
                return label
        return f"{image}[{label}]({path}{anchor})"

    return LINK.sub(replace, text)


def setup(app):
    def read_page(app, name, content):
        if "/" not in name:  # the decisions link to each other only
            content[0] = rewrite(content[0], False)

    def read_include(app, path, parent, content):
        content[0] = rewrite(content[0], True)

    app.connect("source-read", read_page)
    app.connect("include-read", read_include)
    return {"parallel_read_safe": True}
