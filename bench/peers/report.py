"""What bench/compare.py shows of its figures: tables for a terminal of 80 columns, and one in Markdown.

Figures are {row: {who: {"us": microseconds of a unit} or {"note": why there are none}}}.
"""

from options import number, times

from .contestants import PEERS
from .rows import GROUPS, ROWS


def fastest_peer(cells):
    """(who, times as long as fastnn), of those who have figures; or None."""
    peers = {who: cell["us"] for who, cell in cells.items() if who != "fastnn" and "us" in cell}
    if not peers:
        return None
    who = min(peers, key=peers.get)
    return who, peers[who] / cells["fastnn"]["us"]


def shown(cell):
    return "" if cell is None else number(cell["us"]) if "us" in cell else cell["note"].partition(":")[0]


# ---- for a terminal ----


def head(title, peers):
    """The title, and two lines above the columns."""
    columns = [PEERS[who].head for who in ("fastnn", *peers)]
    upper, lower = ("".join(f"{column[i]:>7}" for column in columns) for i in (0, 1))
    return f"\n{title}; microseconds\n{'':8}{upper}{'best /':>7}\n{'':8}{lower}{'fastnn':>7}"


def line(row, cells, peers):
    text = f"{row:8}" + "".join(f"{shown(cells.get(who)):>7}" for who in ("fastnn", *peers))
    best = fastest_peer(cells)
    if best:
        text += f"{times(best[1]):>7}" + (" <" if best[1] < 1 else "")
    return text


def remarks(figures):
    """In words: every row in which a peer is faster, and why there are figures missing."""
    faster, missing = [], []
    for row, cells in figures.items():
        ahead = {PEERS[who].name: cells["fastnn"]["us"] / cell["us"] for who, cell in cells.items() if "us" in cell}
        ahead = [f"{name} {share:.2f}" for name, share in sorted(ahead.items(), key=lambda one: -one[1]) if share > 1]
        if ahead:
            faster.append(f"< {row}: {ROWS[row].title}: fastnn's time / theirs: {', '.join(ahead)}")
        missing += [f"{row}, {PEERS[who].name}: {cell['note']}" for who, cell in cells.items() if "note" in cell]
    return [*(faster or ["fastnn is the fastest in every row"]), *missing]


# ---- for a page ----


def markdown(setting, product, figures):
    """One table of all; bold is the fastest."""
    peers = [who for who in PEERS if who != "fastnn" and any(who in cells for cells in figures.values())]
    everybody = ["fastnn", *peers]
    titles = ["", "", *(PEERS[who].name for who in everybody), "best peer / fastnn", "rate / product's"]
    lines = [*setting, "", f"| {' | '.join(titles)} |", "|---|---|" + "---:|" * (len(titles) - 2)]
    for title, group in GROUPS.items():
        rows = [row for row in group if row in figures]
        if rows:
            lines.append(f"| | **{title}** |" + " |" * (len(titles) - 2))
        for row in rows:
            cells, flops = figures[row], ROWS[row].flops
            least = min(cell["us"] for cell in cells.values() if "us" in cell)
            parts = [row, ROWS[row].title, *(bold(shown(cells.get(who)), cells.get(who, {}).get("us") == least) for who in everybody)]
            best = fastest_peer(cells)
            parts.append(bold(times(best[1]), best[1] < 1) if best else "")
            parts.append(f"{flops / cells['fastnn']['us'] / 1e3 / product:.2f}" if flops else "")
            lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines) + "\n"


def bold(text, really):
    return f"**{text}**" if really else text
