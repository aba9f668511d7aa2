"""HTML for notebooks: tables, and curves as SVG.

Colours come from the notebook, but for those of the curves, which are readable on white and on
black. Nothing is loaded from elsewhere.
"""

from html import escape

import numpy as np

COLORS = "#2b8cc4", "#d9661f"  # of curves
WIDTH, HEIGHT = 340, 150  # of a picture of curves, in pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 34  # its margins
MAX_POINTS = 300  # of a curve

_CELL = "padding:2px 10px;border:0;text-align:{}"
_LINE = "border-top:1px solid rgba(128,128,128,.5)"


def table(header, rows, n_totals=0, n_texts=1):
    """Return an HTML table.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    n_totals : int
        Number of rows at the end below a line.
    n_texts : int
        Number of columns that hold text, aligned left. The others hold numbers.
    """

    def cells(tag, row):
        styles = (_CELL.format("left" if i < n_texts else "right") for i in range(len(row)))
        return "".join(
            f'<{tag} style="{style}">{escape(text)}</{tag.split()[0]}>'
            for style, text in zip(styles, row)
        )

    first_total = len(rows) - n_totals
    body = "".join(
        f'<tr style="background:none{";" + _LINE if i in (0, first_total) else ""}">'
        f"{cells('td', row)}</tr>"
        for i, row in enumerate(rows)
    )
    head = "<thead><tr>{}</tr></thead>".format(cells("th scope='col'", header)) if header else ""
    return (
        f'<table style="border-collapse:collapse;border:0;margin:0">{head}'
        f"<tbody>{body}</tbody></table>"
    )


def titled(title, *parts):
    """Return HTML with a title above its parts, which stand side by side if there is room."""
    items = "".join(f"<div>{part}</div>" for part in parts)
    return (
        f"<div><div><strong>{escape(title)}</strong></div>"
        f'<div style="display:flex;flex-wrap:wrap;gap:4px 24px;align-items:flex-start">{items}</div>'
        "</div>"
    )


def curves(series, xlabel):
    """Return a picture of curves over 1, 2, ... as an SVG element.

    Parameters
    ----------
    series : dict of str: list of float
        Values by name. Those that are not finite leave a gap.
    xlabel : str
    """
    values = np.concatenate([np.asarray(v, float) for v in series.values()])
    values = values[np.isfinite(values)]
    n = max(len(v) for v in series.values())
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def place(x, y):
        across = (x - 1) / max(n - 1, 1)
        up = (y - low) / (high - low) if high > low else 0.5
        return f"{LEFT + across * (right - LEFT):.1f},{bottom - up * (bottom - TOP):.1f}"

    parts = [
        f'<path d="M{LEFT},{TOP}V{bottom}H{right}" fill="none" stroke="currentColor" opacity=".4"/>',
        *(
            _text(LEFT - 5, y, f"{value:.3g}", "end")
            for y, value in ((TOP + 8, high), (bottom, low))
        ),
        _text(LEFT, bottom + 13, "1", "start"),
        _text(right, bottom + 13, f"{n:,}", "end"),
        _text((LEFT + right) / 2, bottom + 13, xlabel, "middle"),
    ]
    for i, ((name, y), color) in enumerate(zip(series.items(), COLORS)):
        path = _path(np.asarray(y, float), place)
        parts.append(
            f'<path d="{path}" fill="none" stroke="{color}" stroke-width="1.6" '
            'stroke-linejoin="round" stroke-linecap="round"/>'
        )
        x = LEFT + 100 * i
        parts.append(
            f'<path d="M{x},{HEIGHT - 5}h16" stroke="{color}" stroke-width="2.5"/>'
            + _text(x + 21, HEIGHT - 1, name, "start")
        )
    names = " and ".join(series)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-size="11" font-family="sans-serif" '
        f'fill="currentColor"><title>{escape(names)} by {escape(xlabel)}, from {low:.3g} to '
        f"{high:.3g}</title>{''.join(parts)}</svg>"
    )


def _text(x, y, text, anchor):
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _path(y, place):
    """Return the path of a curve, through at most MAX_POINTS evenly spaced points."""
    at = np.unique(np.linspace(0, len(y) - 1, min(len(y), MAX_POINTS)).round().astype(int))
    path, pen = "", "M"
    for i in at:
        if not np.isfinite(y[i]):
            pen = "M"
            continue
        path += pen + place(i + 1, y[i])
        pen = "L"
    return path
