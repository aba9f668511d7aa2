"""Generate enums, kernel dispatch, imports and documentation from the tables in src/operations.py.

    python src/generate.py            # run after a change of the tables
    python src/generate.py --check    # write nothing; print stale files and exit with 1

Generated code lies between the comments `generated: NAME` and `end of NAME`. Enums, imports and
`__all__` are found by their names. Tables and lists in texts are found by an anchor, the words in
front of them.
"""

import pathlib
import re
import sys
import textwrap

from operations import ACTIVATIONS, LOSSES, NO_OPTIMIZER, NO_SCHEDULE, OPTIMIZERS, SCHEDULES

ROOT = pathlib.Path(__file__).resolve().parents[1]
WIDTH = 100
PATHS = dict(
    pxd="fastnn/kernels.pxd",
    pyi="fastnn/kernels.pyi",
    activation="src/ops/activation.pxi",
    loss="src/ops/loss.pxi",
    update="src/ops/update.pxi",
    activations="fastnn/activations.py",
    initializers="fastnn/initializers.py",
    losses="fastnn/losses/__init__.py",
    optimizers="fastnn/optimizers/__init__.py",
    schedules="fastnn/schedules/__init__.py",
    public="fastnn/__init__.py",
    functional="fastnn/functional/__init__.py",
    reference="fastnn/reference/__init__.py",
    layer="fastnn/reference/layer.py",
    typing="fastnn/typing.py",
    mlp="fastnn/mlp.py",
    classifier="fastnn/estimators/classifier.py",
    features="docs/features.md",
    moving="docs/moving.md",
)
RULE = "(=+(?: =+)+)"  # a horizontal line of a table

_ACTIVATION = {row.name.upper(): (row.number, row.note) for row in ACTIVATIONS}
# The note of a kernel comes from the first row that has it.
_LOSS = {row.kernel: (row.number, row.note) for row in reversed(LOSSES)}
_RULE = {NO_OPTIMIZER[0]: NO_OPTIMIZER[1:]} | {
    row.kernel: (row.number, row.note) for row in reversed(OPTIMIZERS) if row.kernel
}
_SCHEDULE = {NO_SCHEDULE[0]: NO_SCHEDULE[1:]} | {
    row.kernel: (row.number, row.note) for row in SCHEDULES if row.kernel
}
ENUMS = dict(Activation=_ACTIVATION, Loss=_LOSS, Rule=_RULE, Schedule=_SCHEDULE)


class Text:
    """The original and the current text of a file."""

    def __init__(self, path):
        self.path = ROOT / path
        self.before = self.now = self.path.read_text(encoding="utf-8")

    def replace(self, pattern, new, description):
        """Replace the group `old` in the only match of a pattern.

        `new` is the new text or a function of the old text. `description` names the pattern in the
        error message if the number of matches is not one.
        """
        matches = list(re.finditer(pattern, self.now, re.M | re.S))
        if len(matches) != 1:
            raise ValueError(f"{self.path}: expected one {description}, found {len(matches)}")
        match = matches[0]
        if callable(new):
            new = new(match["old"])
        self.now = self.now[: match.start("old")] + new + self.now[match.end("old") :]

    def region(self, name, lines, indent=0):
        """Replace the lines between the comments `generated: NAME` and `end of NAME`."""
        body = "".join(" " * indent + line + "\n" if line else "\n" for line in lines)
        self.replace(
            rf"^ *# generated: {name}\b[^\n]*\n(?P<old>.*?)^ *# end of {name}$",
            body,
            f"'# generated: {name}'",
        )

    def names(self, pattern, new, description):
        """Add names to a sorted list with one name on each line."""
        self.replace(pattern, lambda old: self._add_names(old, new), description)

    @staticmethod
    def _add_names(old, new):
        quote = '"' if '"' in old else ""
        names = set(re.findall(r"\w+", old)) | set(new)
        return "".join(f"    {quote}{name}{quote},\n" for name in sorted(names, key=isort_key))

    def imports(self, module, new):
        """Add names to `from .MODULE import ...`, or insert this statement in sorted order."""
        if f"\nfrom .{module} import " not in self.now:
            before = [
                m
                for m in re.finditer(r"^from \.(\w+) import [^\n]*\n", self.now, re.M)
                if m[1] < module
            ]
            end = before[-1].end()
            self.now = f"{self.now[:end]}from .{module} import {new[0]}\n{self.now[end:]}"
        pattern = rf"^(?P<old>from \.{module} import (?:\([^)]*\)|[^\n(]*)\n)"
        self.replace(
            pattern, lambda old: self._format_import(module, old, new), f"import of .{module}"
        )

    @staticmethod
    def _format_import(module, old, new):
        names = sorted(
            {*re.findall(r"\w+", old.split(" import ")[1]), *new},
            key=lambda name: isort_key(name, str.lower),
        )
        line = f"from .{module} import {', '.join(names)}\n"
        if len(line) <= WIDTH + 1 and "(" not in old:
            return line
        return f"from .{module} import (\n" + "".join(f"    {name},\n" for name in names) + ")\n"

    def table(self, head, rows, after):
        """Replace the first table after the words `after`."""
        widths = [max(map(len, column)) for column in zip(head, *rows)]
        rule = " ".join("=" * width for width in widths)
        lines = [
            " ".join(f"{cell:{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows
        ]
        head = " ".join(f"{cell:{width}}" for cell, width in zip(head, widths)).rstrip()
        new = "\n".join([rule, head, rule, *lines, rule]) + "\n"
        pattern = rf"\A.*?{re.escape(after)}.*?^(?P<old>{RULE}\n[^\n]*\n{RULE}\n.*?^{RULE}\n)"
        self.replace(pattern, new, f"table after {after!r}")

    def listing(self, start, names, stop, width=WIDTH, indent=0):
        """Replace the names between `start` and `stop` in a paragraph or list item."""
        end = rf"\n\n|\n- |\n {{0,{max(indent - 1, 0)}}}\S"
        pattern = rf"(?P<old>^[^\n]*{re.escape(start)}(?:(?!\n\n|\n- ).)*?)(?={end})"

        def rewrap(old):
            text = " ".join(old.split())
            before, rest = text.split(start)
            words = f"{before}{start}{', '.join(names)}{stop}{rest.split(stop, 1)[1]}"
            first_indent = old[: len(old) - len(old.lstrip())]
            return textwrap.fill(
                words,
                width,
                initial_indent=first_indent,
                subsequent_indent=" " * indent,
                break_on_hyphens=False,
                break_long_words=False,
            )

        self.replace(pattern, rewrap, f"text with {start!r}")

    def words(self, start, names, stop):
        """Replace the names between `start` and `stop` in one line, which is not wrapped."""
        self.replace(
            rf"{re.escape(start)}(?P<old>[^\n]*?){re.escape(stop)}",
            ", ".join(names),
            f"line with {start!r}",
        )


def isort_key(name, normalize=str):
    """Return the sort key of ruff's import order: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), normalize(name)


def tuple_of(name, names):
    """Return the lines of `NAME = (a, b, ...)`, with one name on each line, as ruff formats it."""
    return [f"{name} = (", *(f"    {member}," for member in names), ")"]


# ---- compiled code ----


def members(enum):
    """Return [(name, note)] in the order of the numbers, which must be 0, 1, 2, ..."""
    rows = sorted(ENUMS[enum].items(), key=lambda row: row[1][0])
    if [number for _, (number, _) in rows] != list(range(len(rows))):
        raise ValueError(
            f"the numbers of enum {enum} must be 0, 1, 2, ... without holes, got {rows}"
        )
    return [(name, note) for name, (_, note) in rows]


def enums(pxd, pyi):
    for enum in ENUMS:
        names = members(enum)
        width = max(len(name) for name, _ in names) + 3
        lines = [
            f"    {name:{width}}# {note}\n" if note else f"    {name}\n" for name, note in names
        ]
        pxd.replace(
            rf"^cpdef enum {enum}:[^\n]*\n(?P<old>(?:    [^\n]*\n)+)",
            "".join(lines),
            f"enum {enum}",
        )
        numbers = "".join(f"    {name} = {i}\n" for i, (name, _) in enumerate(names))
        pyi.replace(
            rf"^class {enum}\(IntEnum\):\n(?P<old>(?:    [^\n]*\n)+)", numbers, f"class {enum}"
        )


def any_of(variable, kernels):
    """Return a statement that returns whether the variable equals one of the kernels."""
    return f"    return {' or '.join(f'{variable} == {kernel}' for kernel in kernels)}"


def branches(variable, kinds, call, otherwise):
    """Return the lines of `if variable == KIND: call`, `elif ...`, and `otherwise`."""
    return [
        f"{'el' * (i > 0)}if {variable} == {kind}: {call.format(kind)}"
        for i, kind in enumerate(kinds)
    ] + [otherwise]


def activation_kernels(pxi):
    kinds = [row.name.upper() for row in ACTIVATIONS if row.name != "identity"]
    pxi.region(
        "what a kernel must know",
        [
            "cdef inline bint reads_input(int kind) noexcept nogil:",
            '    """Whether `derivative` needs z instead of a."""',
            any_of("kind", [row.name.upper() for row in ACTIVATIONS if row.reads_input]),
            "",
            "cdef inline bint fills_padding(int kind) noexcept nogil:",
            '    """Whether f(0) != 0, so that the zero padding of a panel does not stay zero."""',
            any_of("kind", [row.name.upper() for row in ACTIVATIONS if row.fills_padding]),
        ],
    )
    call = "forward_span({}, z, a, n, stride)"
    pxi.region(
        "forward", branches("kind", kinds, call, "elif z != a: memcpy(a, z, n * sizeof(real))"), 4
    )
    call = "backward_span({}, s, da, dz, n, stride)"
    pxi.region(
        "backward",
        branches("kind", kinds, call, "elif da != dz: memcpy(dz, da, n * sizeof(real))"),
        4,
    )


LOSS_CALL = "loss_elements({}, lo, hi, c, r)"


def loss_kernels(pxi):
    pxi.region(
        "what a kernel must know",
        [
            "cdef inline bint is_fused(int loss) noexcept nogil:",
            '    """The loss takes z and its gradient is dL/dz: the last layer\'s activation is part of it."""',
            any_of("loss", dict.fromkeys(row.kernel for row in LOSSES if row.fused)),
            "",
            "cdef inline bint is_mean(int loss) noexcept nogil:",
            '    """Whether a row\'s loss is the mean over outputs, not the sum."""',
            any_of("loss", dict.fromkeys(row.kernel for row in LOSSES if row.mean)),
        ],
    )
    lines, weighted = [], {row.kernel: row.weighted for row in LOSSES if row.alone}
    for kernel in weighted:
        if weighted[kernel]:
            lines += [
                f"elif loss == {kernel} and weighted:",
                f"    {LOSS_CALL.format(weighted[kernel])}",
            ]
        lines += [f"elif loss == {kernel}:", f"    {LOSS_CALL.format(kernel)}"]
    pxi.region("losses of single outputs", [lines[0].removeprefix("el"), *lines[1:]], 4)


def update_kernels(pxi):
    lines = []
    for kernel, compiled in {row.kernel: row.compiled for row in OPTIMIZERS if row.kernel}.items():
        for moments, has_bare in compiled:
            condition = f"s.rule == {kernel}" + (
                f" and s.n_moments == {moments}" if len(compiled) > 1 else ""
            )
            if has_bare:
                lines.append(
                    f"elif {condition} and rule_only: update_span({kernel}, {moments}, True, s, w, g, m, n)"
                )
            lines.append(
                f"elif {condition}: update_span({kernel}, {moments}, False, s, w, g, m, n)"
            )
    pxi.region("rules", [lines[0].removeprefix("el"), *lines[1:]], 4)


# ---- the package ----


def activations_in(python, reference, initializers):
    names = [row.name for row in ACTIVATIONS]
    rows = [(row.name, row.formula, row.slope) for row in ACTIVATIONS]
    python.table(
        ("name", "f(z)", "f'(z), from a = f(z) where possible"), rows, "Activation functions."
    )
    width, formulas = max(map(len, names)) + 3, max(len(row.formula) for row in ACTIVATIONS) + 3
    lines = [f"{row.name:{width}}{row.formula:{formulas}}{row.slope}" for row in ACTIVATIONS]
    head = f"{'name':{width}}{'f(z)':{formulas}}f'(z), a = f(z)"
    body = "".join(f"        {line}\n" for line in [head, *lines])
    reference.replace(
        r"^(?P<old>        name +f\(z\) [^\n]*\n(?:        [^\n]*\n)+)",
        body,
        "table of activations",
    )
    inits = [
        f'    "{row.name}": {row.init},' for row in ACTIVATIONS if row.init != "glorot_uniform"
    ]
    initializers.region(
        "for activations", ["FOR_ACTIVATION = {  # others: glorot_uniform", *inits, "}"]
    )


def losses_in(package, functional, reference):
    named = [row for row in LOSSES if row.name]
    rows = [(row.name, row.formula, row.output, f"`{row.cls}`") for row in named]
    package.table(("name", "l_i", "output", "class"), rows, "Loss functions.")
    for module in dict.fromkeys(row.module for row in named):
        package.imports(module, [row.cls for row in named if row.module == module])
    package.names(r"^__all__ = \[\n(?P<old>.*?)\]", [row.cls for row in named], "__all__")
    lines = tuple_of("_CLASSES", [row.cls for row in named])
    defaults = [f'    "{row.default_for}": "{row.name}",' for row in named if row.default_for]
    package.region("losses", [*lines, "_FOR_OUTPUT = {", *defaults, "}"])
    functions = [row.function for row in LOSSES if row.function]
    for module in (functional, reference):
        module.imports("losses", functions)
        module.names(r"^__all__ = \[\n(?P<old>.*?)\]", functions, "__all__")


def optimizers_in(package, public, functional, reference):
    rows = [(f"`{row.cls}`", row.moments, row.source) for row in OPTIMIZERS]
    package.table(("class", "moments", "source"), rows, "Optimizers.")
    classes = [row.cls for row in OPTIMIZERS]
    for module in dict.fromkeys(row.module for row in OPTIMIZERS):
        package.imports(module, [row.cls for row in OPTIMIZERS if row.module == module])
    public.imports("optimizers", classes)
    for module in (package, public):
        module.names(r"^__all__ = \[\n(?P<old>.*?)\]", classes, "__all__")
    package.region("optimizers", tuple_of("_CLASSES", classes))
    steps = [f"{row.cls.lower()}_step_" for row in OPTIMIZERS if row.kernel]
    for module in (functional, reference):
        module.imports("updates", steps)
        module.names(r"^__all__ = \[\n(?P<old>.*?)\]", steps, "__all__")


def schedules_in(package):
    rows = [(f"`{row.cls}`", row.rate, row.source) for row in SCHEDULES]
    package.table(("class", "rate", "source"), rows, "Learning-rate schedules.")
    classes = [row.cls for row in SCHEDULES]
    for module in dict.fromkeys(row.module for row in SCHEDULES):
        package.imports(module, [row.cls for row in SCHEDULES if row.module == module])
    package.names(r"^__all__ = \[\n(?P<old>.*?)\]", classes, "__all__")
    package.region("schedules", tuple_of("_CLASSES", classes))


def hidden(exclude=()):
    """Return the names of the activations of hidden layers."""
    return [row.name for row in ACTIVATIONS if row.hidden and row.name not in exclude]


def names_in(typing):
    """Write the names of activations, losses and optimizers as Literal types."""
    literals = dict(
        HiddenActivation=hidden(),
        OutputActivation=[row.name for row in ACTIVATIONS],
        LossName=[row.name for row in LOSSES if row.cls],
        OptimizerName=[row.cls.lower() for row in OPTIMIZERS],
    )
    lines = []
    for name, values in literals.items():
        lines += [f"{name}: TypeAlias = Literal[", *(f'    "{value}",' for value in values), "]"]
    typing.region("names", lines)


def main(check):
    files = {name: Text(path) for name, path in PATHS.items()}
    enums(files["pxd"], files["pyi"])
    activation_kernels(files["activation"])
    loss_kernels(files["loss"])
    update_kernels(files["update"])
    activations_in(files["activations"], files["layer"], files["initializers"])
    losses_in(files["losses"], files["functional"], files["reference"])
    optimizers_in(files["optimizers"], files["public"], files["functional"], files["reference"])
    schedules_in(files["schedules"])
    names_in(files["typing"])
    files["mlp"].listing(
        "Activation of the hidden layers, one name or one for each: ", hidden(), ".", indent=8
    )
    names = ["logistic (or sigmoid)" if name == "sigmoid" else name for name in hidden()]
    files["classifier"].listing(
        "Activation of all hidden layers, or a list with one for each: ", names, ".", indent=8
    )
    in_sklearn = ("identity", "sigmoid", "relu", "tanh", "exponential")
    files["moving"].words("additional names (", hidden(in_sklearn), ")")
    features = files["features"]
    for start, rows, stop in (
        ("- **Losses**: ", LOSSES, ", or a Python function"),
        ("- **Optimizers**: ", OPTIMIZERS, ", with PyTorch's"),
        ("- **Schedules** of the learning rate: ", SCHEDULES, "."),
    ):
        features.listing(start, [row.label for row in rows if row.label], stop, 80, 2)
    features.listing("- **Activations**: ", hidden(["exponential"]), "; softmax", 80, 2)
    stale = [text for text in files.values() if text.now != text.before]
    for text in stale:
        print(("stale: " if check else "written: ") + str(text.path.relative_to(ROOT)))
        if not check:
            text.path.write_text(text.now, encoding="utf-8")
    return bool(stale and check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
