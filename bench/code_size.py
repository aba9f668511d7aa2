"""Measure the code of earlier commits: docs/size.csv and docs/images/size.svg.

    python bench/code_size.py

It needs the whole history and radon (the dependency group `lint`). The numbers are those of
.ci/size, for commits of the main line at even distances, the first and the last among them.
"""

import argparse
import csv
import pathlib
import runpy

ROOT = pathlib.Path(__file__).parent.parent
COLUMNS = "commit", "date", "modules", "lines of code", "modules of tests", "lines of tests"
COLOUR = "#0072b2"  # plotting.BLUE


def history(n_points):
    """Return a row of COLUMNS for each of n_points commits."""
    size = runpy.run_path(str(ROOT / ".ci" / "size"))
    log = size["git"]("log", "--first-parent", "--reverse", "--format=%H %cs").decode()
    commits = [line.split() for line in log.splitlines()]
    rows = []
    for i in range(n_points):
        n = round(i * (len(commits) - 1) / (n_points - 1))
        commit, date = commits[n]
        found = size["measure"](size["files_of"](commit))
        numbers = [
            found[part][name].total() for part in size["PARTS"] for name in ("modules", "python")
        ]
        rows.append([n + 1, date, *numbers])
        print(*rows[-1], flush=True)
    return rows


def draw_curve(rows, left, column, title):
    """Return SVG elements: the numbers of a column by commits, 300 wide."""
    last, most = rows[-1][0], max(row[column] for row in rows)
    points = [(left + 270 * row[0] / last, 190 - 140 * row[column] / most) for row in rows]
    x, y = points[-1]
    return f"""<text class="head" x="{left}" y="26">{title}</text>
<path d="M{left} 190h270"/>
<polyline points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in points)}"/>
<circle cx="{x:.0f}" cy="{y:.0f}" r="4"/>
<text x="{x + 8:.0f}" y="{y + 5:.0f}">{rows[-1][column]:,}</text>
<text class="small" x="{left}" y="210">commits of the main line, 1 to {last}</text>
"""


def draw(rows):
    """Return an SVG picture of the history of modules and of lines of code in the package."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 222" \
font-family="DejaVu Sans, Verdana, sans-serif" font-size="14">
<title>Modules and lines of Python code of fastnn by commits</title>
<style>
text{{fill:#222}}.small{{font-size:12px;fill:#555}}.head{{font-weight:bold}}
path{{stroke:#999}}polyline{{fill:none;stroke:{COLOUR};stroke-width:2.5}}circle{{fill:{COLOUR}}}
</style>
<rect width="720" height="222" fill="#fff"/>
{draw_curve(rows, 20, 2, "Modules")}{draw_curve(rows, 380, 3, "Lines of Python code")}</svg>
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=12, help="number of commits, at least 2")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "docs", help="default: docs")
    arguments = parser.parse_args()
    rows = history(arguments.points)
    with open(arguments.folder / "size.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    (arguments.folder / "images").mkdir(exist_ok=True)
    (arguments.folder / "images" / "size.svg").write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
