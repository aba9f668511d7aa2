"""The declarations of the C-level API, and the record of them that extensions rely on.

When a version of fastnn is released, `python tests/support/c_api.py --write` records the declarations of
fastnn/kernels.pxd in data/c_api.json.
"""

import json
import re
import sys
from pathlib import Path

from places import DATA

import fastnn

RECORD = DATA / "c_api.json"


def declarations():
    """Return the versions, enums, structs and functions that kernels.pxd declares.

    Returns
    -------
    dict of str to dict
        versions {name: number}; enums {name: [member]}; structs {name: [field]}, without comments
    """
    text = Path(fastnn.__file__).with_name("kernels.pxd").read_text(encoding="utf-8")
    text = re.sub(r"[ ]*#.*", "", text)
    text = re.sub(r",\n +", ", ", text)  # a field on several lines
    found = {"versions": {}, "enums": {}, "structs": {}}
    for heading, body in re.findall(
        r"^cp?def ((?:enum|struct).*):\n((?:    .*\n|\n)+)", text, re.M
    ):
        kind, _, name = heading.partition(" ")
        lines = [" ".join(line.split()) for line in body.splitlines() if line.strip()]
        if name:
            found[f"{kind}s"][name] = lines
        else:
            found["versions"] = {n: int(v) for n, v in (line.split(" = ") for line in lines)}
    return found


def compare(before, after):
    """Compare two declarations.

    Returns
    -------
    breaking, additions : list of str
        Names of what breaks compiled extensions, and of what they do not notice.
    """
    breaking, additions = [], []
    for kind in ("enums", "structs"):
        for name, members in before[kind].items():
            now = after[kind].get(name, [])
            may_grow = kind == "enums" or name == "Kernels"
            if now[: len(members)] != members or (len(now) > len(members) and not may_grow):
                breaking.append(name)
            elif len(now) > len(members):
                additions.append(name)
        additions += after[kind].keys() - before[kind].keys()
    return breaking, additions


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    RECORD.write_text(json.dumps(declarations(), indent=1) + "\n", encoding="utf-8")
