"""PyInstaller runs this file when it freezes a program that imports fastnn."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

from fastnn import kernels

# the variants of every instruction set: the program may run on another CPU
hiddenimports = [
    f"fastnn._{isa}_{dtype}" for isa in kernels.BUILT for dtype in ("float32", "float64")
]
# what fastnn imports on first use, where the packages that it needs are installed
hiddenimports += collect_submodules(
    "fastnn",
    filter=lambda name: not name.startswith(("fastnn._", "fastnn.cli")),
    on_error="ignore",
)
datas = [
    file
    for package in ("datasets", "playground", "serving", "web")
    for file in collect_data_files(f"fastnn.{package}")
]
