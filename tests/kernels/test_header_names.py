"""The headers in src/ have names that no header of the system has.

Otherwise a folder of system headers that comes first on the compiler's command line replaces them.
"""

import subprocess

import c_program
import pytest
from places import SOURCES

if not SOURCES.exists():
    pytest.skip("there is no src/ beside these tests", allow_module_level=True)

HEADERS = sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.h"))


def system_headers(names):
    """Return those of the names that an `#include` finds without the folders of fastnn."""
    lines = [f"#if __has_include(<{name}>)\nfound {name}\n#endif\n" for name in names]
    command = [c_program.GCC, "-E", "-P", "-x", "c", "-"]
    done = subprocess.run(command, input="".join(lines), capture_output=True, text=True, check=True)
    return [line.removeprefix("found ") for line in done.stdout.splitlines() if line]


@pytest.mark.skipif(c_program.GCC is None, reason="gcc is not installed")
def test_no_header_has_the_name_of_a_system_header():
    assert "cpu.h" in HEADERS
    assert system_headers(["stdio.h", "sys/types.h", "no/such.h"]) == ["stdio.h", "sys/types.h"]
    assert system_headers(HEADERS) == []
