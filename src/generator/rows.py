"""Checks of the rows: a field that other files are generated from must not be missing, nor a class or
function that they name."""

import ast
import re

from .steps import step_name

#: Fields that every row of a kind must have, and what they hold.
ACTIVATION_FIELDS = {
    "formula": "f(z), for people",
    "slope": "f'(z), for people",
    "numpy": "an expression of z with functions of NumPy",
    "onnx": "ONNX operators of z and numbers, such as 'Mul(z, Sigmoid(z))'",
}
#: Fields of activations that compute something, and of those that treat each output alone.
COMPUTED = {"torch": "the class of the module in torch.nn, or of one with torch_forward"}
SINGLE = {
    "c99": "a C99 expression of z[j], such as '$tanh(z[j])'",
    "c99_slope": "a C99 expression of s, such as '1.0$f - s * s'",
    "c99_curvature": "a C99 expression of s and d[j], such as '-2.0$f * s * d[j]'",
}
LOSS_FIELDS = {  # of a row with a class
    "cls": "the class in fastnn/losses/",
    "module": "the file of the class in fastnn/losses/, without .py",
    "formula": "the loss of a row, for people",
}
OPTIMIZER_FIELDS = {
    "module": "the file of the class in fastnn/optimizers/, without .py",
    "moments": "its moments, for people",
    "source": "the publication",
    "label": "its name in docs/guide.md",
}
MEAN_FIELDS = {  # of a mean of errors, which TabularRegressor has
    "function": "the name in fastnn.functional and fastnn.reference",
    "metric": "the metric of numbers that goes with it, such as 'mae'",
    "baseline": "the loss of baselines that is most like it, such as 'squared_error'",
}
STEP_FIELDS = {  # of an optimizer with a kernel
    "compiled": "the numbers of moments to compile a loop for",
}


def problems(activations, losses, optimizers):
    """Return what is missing in the rows, one line for each field."""
    found = []
    for row in activations:
        fields = dict(ACTIVATION_FIELDS)
        if row.numpy != "z":
            fields |= COMPUTED | (SINGLE if row.hidden else {})
        found += _missing("ACTIVATIONS", row.name, row, fields)
        found += _not_onnx(row)
    for row in losses:
        if row.name or row.cls:
            fields = dict(name="the value of the argument `loss`") | LOSS_FIELDS
            fields |= MEAN_FIELDS if row.mean else {}
            found += _missing("LOSSES", row.name or row.cls, row, fields)
            if row.mean and row.output != "any":
                found.append(
                    f"LOSSES, {row.name}: a mean of errors is for any output, got {row.output!r}, "
                    "which TabularRegressor does not have."
                )
    kernels = {row.kernel: [] for row in losses}
    for row in losses:
        kernels[row.kernel].append(row)
    found += [
        f"LOSSES, {kernel}: no row of this kernel has a `label`, which is its name in docs/guide.md."
        for kernel, rows in kernels.items()
        if any(row.name for row in rows) and not any(row.label for row in rows)
    ]
    for row in optimizers:
        fields = OPTIMIZER_FIELDS | (STEP_FIELDS if row.kernel else {})
        found += _missing("OPTIMIZERS", row.cls, row, fields)
        found += _state(row) if row.kernel else []
    return found


def definitions(losses, optimizers):
    """Return [(row, path, name)]: the classes and functions that the rows need."""
    needed = []
    for row in losses:
        title = f"LOSSES, {row.name or row.kernel}"
        if row.cls:
            needed.append((title, f"fastnn/losses/{row.module}.py", row.cls))
        if row.function:
            needed.append((title, "fastnn/functional/losses.py", row.function))
            needed.append((title, "fastnn/reference/losses.py", row.function))
    for row in optimizers:
        title = f"OPTIMIZERS, {row.cls}"
        needed.append((title, f"fastnn/optimizers/{row.module}.py", row.cls))
        if row.kernel:
            needed.append((title, "fastnn/reference/updates.py", step_name(row)))
    return needed


def undefined(losses, optimizers, root):
    """Return which of the definitions are missing, one line for each."""
    found = []
    for title, path, name in definitions(losses, optimizers):
        source = (root / path).read_text("utf-8") if (root / path).exists() else ""
        if not re.search(rf"^(def|class) {name}\b", source, re.M):
            found.append(f"{title}: {path} does not define {name}. Write it first.")
    return found


def _missing(table, name, row, fields):
    return [
        f"{table}, {name}: `{field}` is missing. Set it to {what}."
        for field, what in fields.items()
        if not getattr(row, field)
    ]


def _not_onnx(row):
    """Return a problem if `onnx` is not made of calls, z and numbers."""
    try:
        parts = list(ast.walk(ast.parse(row.onnx or "z", mode="eval")))
    except SyntaxError:
        parts = [None]
    known = ast.Expression, ast.Call, ast.Name, ast.Load, ast.keyword, ast.Constant
    signs = ast.UnaryOp, ast.USub
    if all(isinstance(part, known + signs) for part in parts):
        return []
    return [f"ACTIVATIONS, {row.name}: `onnx` must be calls of z and numbers, got {row.onnx!r}."]


def _state(row):
    """Return a problem if the moments or the example of a step are not complete."""
    found, most = [], max((moments for moments, _ in row.compiled), default=0)
    if len(row.state) != most:
        found.append(
            f"OPTIMIZERS, {row.cls}: `state` must list the {most} moments of `compiled`, got "
            f"{len(row.state)}."
        )
    if not row.example[1]:
        found.append(
            f"OPTIMIZERS, {row.cls}: `example` is missing. Set it to options of a step and to the "
            "parameter after a step from 1 with gradient 5."
        )
    return found
