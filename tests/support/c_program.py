"""Compile exported C files into one program that predicts rows with each, and run it."""

import math
import re
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np

GCC = shutil.which("gcc")
STRICT = "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -Wshadow".split()
SANITIZED = "-g -fsanitize=undefined,address,float-cast-overflow -fno-sanitize-recover=all".split()

MODEL = """
#include "%(name)s.c"

static const %(type)s %(name)s_rows[%(n)d]%(shape)s = {
%(rows)s
};

static void print_%(name)s(void)
{
    for (size_t i = 0; i < %(n)d; i++) {
        %(result)s y[%(NAME)s_N_OUTPUTS] = {0};
        const int status = %(name)s_predict(%(address)s%(name)s_rows[i], y);
        printf("%(name)s %%d", status);
        for (size_t j = 0; j < %(NAME)s_N_OUTPUTS; j++)
            printf(" %%.17g", (double)y[j]);
        %(interval)s
        %(label)s
        printf("\\n");
    }
}
"""
PRINT = """
#include <stdio.h>

static inline void print_text(const char *text) /* as digits, whatever it holds */
{
    for (; *text; text++)
        printf("%02x", (unsigned)(unsigned char)*text);
}
"""
#: Bounds, as further numbers of a row.
INTERVAL = """
        %(result)s bounds[%(n_bounds)d] = {0};
        if (%(name)s_interval(%(address)s%(name)s_rows[i], bounds, bounds + %(n_bounds)d / 2) != status)
            return;
        for (size_t j = 0; j < %(n_bounds)d; j++)
            printf(" %%.17g", (double)bounds[j]);
"""
#: By type of the classes: how to print one, and how to read it.
CLASSES = {
    "char *const": ("print_text({});", lambda digits: bytes.fromhex(digits).decode()),
    "int64_t": ('printf("%lld", (long long){});', int),
    "double": ('printf("%.17g", {});', float),
}


@dataclass
class Rows:
    """Rows to predict.

    Attributes
    ----------
    rows : ndarray (n, n_inputs), or list of tuple
        Dense inputs, or the fields of a struct.
    result : str
        The type of predictions.
    """

    rows: object
    result: str


def constant(value):
    """The C initializer of a value: a number, a text, None or a sequence."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return '"' + "".join(f"\\{b:03o}" for b in value.encode()) + '"'
    if isinstance(value, (list, tuple, np.ndarray)):
        return "{" + ", ".join(map(constant, value)) + "}"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "-INFINITY" if value < 0 else "INFINITY"
    return f"({'float' if isinstance(value, np.float32) else 'double'}){float(value)!r}"


def predict(folder, models, flags=("-O2",)):
    """Predict rows with the files NAME.c in a folder. models : {NAME: Rows}

    Returns
    -------
    {NAME: (status, Y, labels)}
        status : ndarray (n,) of int; Y : ndarray (n, n_outputs), with the lower and upper bounds of
        intervals in further columns; labels : list
    """
    parts, read = [PRINT], {}
    for name, case in models.items():
        source = (folder / f"{name}.c").read_text(encoding="ascii")
        is_dense = isinstance(case.rows, np.ndarray)
        kinds = [kind for kind in CLASSES if f"const {kind} {name}_classes" in source]
        label, read[name] = "", str
        if kinds:
            show, read[name] = CLASSES[kinds[0]]
            label = 'printf("\\t"); ' + show.format(f"{name}_classes[{name}_class(y)]")
        values = dict(name=name, NAME=name.upper(), n=len(case.rows), result=case.result)
        values |= dict(rows=",\n".join(map(constant, case.rows)), label=label)
        if is_dense:
            values |= dict(type=case.result, shape=f"[{case.rows.shape[1]}]", address="")
        else:
            values |= dict(type=f"{name}_row", shape="", address="&")
        bounds = re.search(rf"int {name}_interval\(.*lower\[(\d+)\]", source)
        values["n_bounds"] = 2 * int(bounds[1]) if bounds else 0
        values["interval"] = INTERVAL % values if bounds else ""
        parts.append(MODEL % values)
    calls = "".join(f"    print_{name}();\n" for name in models)
    parts.append(f"int main(void)\n{{\n{calls}    return 0;\n}}\n")
    program = folder / "program.c"
    program.write_text("\n".join(parts), encoding="ascii")
    compiled = folder / "program"
    command = [GCC, *STRICT, *flags, "-o", str(compiled), str(program), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[:3000]
    ran = subprocess.run([compiled], capture_output=True, text=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr[:3000]
    out = {}
    for name in models:
        lines = [line for line in ran.stdout.splitlines() if line.startswith(f"{name} ")]
        numbers, _, labels = zip(*(line.partition("\t") for line in lines))
        values = np.array([line.split()[1:] for line in numbers], float)
        out[name] = values[:, 0].astype(int), values[:, 1:], [read[name](x) for x in labels]
    return out
