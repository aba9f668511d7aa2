"""The steps of optimizers in fastnn/functional/updates.py, from their rows and their classes."""

import ast
import textwrap

from operations import OPTIMIZERS

from .text import WIDTH

OF_NETWORKS = "lazy_categories"  # an option that arrays do not have
FIRST = """\
    params : ndarray
        float32 or float64, C-contiguous, of any shape; changed in place.
    grads : array_like
        The gradient of the loss, like params.
"""
THREADS = """\
    n_threads : int, default 1
        Maximum number of threads, -1 for all CPUs of this process. Each updates at least 1,000,000
        parameters of plain SGD, 500,000 of Adam, and one is used if that is faster. The bits are
        the same for any number.
"""
OTHERS = """\
    params, grads
        As in `{}`.
"""
RAISES = """
    Raises
    ------
    ValueError
        An option is out of range, or an array does not have the shape of params, is not contiguous,
        is read-only or overlaps another.
    TypeError
        params or a moment is not a NumPy array of the right dtype. A copy would lose the update.
"""


def steps_in(updates, root):
    """Write the functions. root : pathlib.Path, the folder of the repository"""
    rows = [row for row in OPTIMIZERS if row.kernel]
    lines = []
    for row in rows:
        source = (root / "fastnn/optimizers" / f"{row.module}.py").read_text("utf-8")
        classes = _classes(source)
        lines += [*_function(row, _fields(classes[row.cls], classes, source), rows[0]), "", ""]
    updates.region("steps", lines)


def _classes(source):
    """Return {name: node} of the classes of a file."""
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _fields(node, classes, source):
    """Return {name: (type, default)} of the options of a class, those of its base first."""
    fields = {}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            fields |= _fields(classes[base.id], classes, source)
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and line.value is not None:
            kind, default = (
                ast.get_source_segment(source, x) for x in (line.annotation, line.value)
            )
            fields[line.target.id] = kind.replace("float | schedules.Schedule", "float"), default
    return fields


def _function(row, fields, first):
    always = [moment for moment in row.state if not moment.option]
    optional = [moment for moment in row.state if moment.option]
    implied = [moment for moment in optional if moment.sets_option]
    own = {
        name: field
        for name, field in fields.items()
        if name not in {OF_NETWORKS, *(moment.option for moment in implied)}
    }
    name = step_name(row)
    step = ["step: int"] * row.counts_steps
    parameters = [
        "params: FloatArray",
        "grads: FloatArray",
        *(f"{moment.name}: FloatArray" for moment in always),
        *step,
        *(
            f"{option}: {kind}" + f" = {default}" * (option != "lr" or not row.needs_lr)
            for option, (kind, default) in own.items()
        ),
        *(f"{moment.name}: FloatArray | None = None" for moment in optional),
        "n_threads: int = 1",
    ]
    doc = [
        f'    """Update params by one step of {row.cls}; see `fastnn.{row.cls}` for the formulas.',
        "",
        "    Parameters",
        "    ----------",
        *(FIRST if row is first else OTHERS.format(step_name(first))).splitlines(),
        *(line for moment in always for line in _moment(moment, fields)),
    ]
    if row.counts_steps:
        doc += ["    step : int", "        Number of this step, starting at 1."]
    doc += ["    lr : float", "        Learning rate of this step, at least 0."]
    others = [option for option in own if option != "lr"]
    if others:
        doc += [f"    {', '.join(others)}", f"        As in `fastnn.{row.cls}`."]
    doc += [line for moment in optional for line in _moment(moment, fields)]
    doc += (
        THREADS.splitlines()
        if row is first
        else ["    n_threads", f"        As in `{step_name(first)}`."]
    )
    doc += RAISES.splitlines() if row is first else []
    return [
        f"def {name}(",
        *(f"    {parameter}," for parameter in parameters),
        ") -> None:",
        *doc,
        *_example(row, name, always),
        '    """',
        *_body(row, own, fields, always, optional, implied),
    ]


def step_name(row):
    return f"{row.cls.lower()}_step_"


def _moment(moment, fields):
    """Return the lines of a moment in a docstring."""
    if not moment.option:
        kind, end = "ndarray", "."
    elif moment.sets_option:
        kind, end = "ndarray, optional", "."
    else:
        kind, end = "ndarray, optional", f". Required with {_setting(moment.option, fields)}."
    text = f"{moment.meaning}: like params, zeros before the first step; changed in place{end}"
    indent = " " * 8
    lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)
    return [f"    {moment.name} : {kind}", *lines]


def _setting(option, fields):
    """Return how an option is set so that its moment is needed."""
    return f"{option}=True" if fields[option][0] == "bool" else option


def _example(row, name, always):
    arrays = ["W", *(moment.name for moment in always)]
    values = ["np.array([1.0])", *("np.zeros(1)" for _ in always)]
    arguments = ["W", "[5.0]", *arrays[1:], *["step=1"] * row.counts_steps]
    arguments += [row.example[0]] * bool(row.example[0])
    return [
        "",
        "    Examples",
        "    --------",
        "    >>> import numpy as np",
        "    >>> from fastnn import functional as F",
        f"    >>> {', '.join(arrays)} = {', '.join(values)}",
        f"    >>> F.{name}({', '.join(arguments)})",
        "    >>> W.round(6)",
        f"    array([{row.example[1]}])",
    ]


def _body(row, own, fields, always, optional, implied):
    lines = [f"    {moment.option} = {moment.name} is not None" for moment in implied]
    settings = [f"{option}={option}" for option in (*own, *(m.option for m in implied))]
    lines += _call("optimizer = to_kernel(", [f"optimizers.{row.cls}", *settings])
    moments = f"dict({', '.join(f'{moment.name}={moment.name}' for moment in always)})"
    if optional:
        lines.append(f"    moments: dict[str, Any] = {moments}")
    for moment in optional:
        value = moment.name
        if not moment.sets_option:
            value = f'require("{value}", {value}, "{_setting(moment.option, fields)}")'
        lines += [f"    if {moment.option}:", f'        moments["{moment.name}"] = {value}']
    step = "check_step(step)" if row.counts_steps else "1"
    arrays = "moments" if optional else moments
    return lines + _call("update(", ["optimizer", step, "params", "grads", arrays, "n_threads"])


def _call(start, arguments):
    """Return the lines of a call as ruff formats it."""
    line = f"    {start}{', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    inner = f"        {', '.join(arguments)}"
    inner = [inner] if len(inner) <= WIDTH else [f"        {argument}," for argument in arguments]
    return [f"    {start}", *inner, "    )"]
