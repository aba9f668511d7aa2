"""Lists of operations in fastnn/: imports, `__all__`, tables of names and docstrings."""

from operations import ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES

from .steps import step_name
from .text import dict_of, tuple_of


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
    lines = dict_of("_MODULES", {row.cls: row.module for row in named})
    lines += dict_of("_NAMES", {row.name: row.cls for row in named})
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
    package.region("optimizers", dict_of("_MODULES", {row.cls: row.module for row in OPTIMIZERS}))
    public.region("optimizers", tuple_of("_OPTIMIZERS", [f'"{name}"' for name in classes]))
    steps = [step_name(row) for row in OPTIMIZERS if row.kernel]
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
    package.region("schedules", dict_of("_MODULES", {row.cls: row.module for row in SCHEDULES}))


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


def losses_of_tables(targets, options):
    """Write which losses TabularRegressor and the command line have, and what goes with them."""
    rows = [row for row in LOSSES if row.mean and row.name]
    known = [*rows, *(row for row in LOSSES if row.name == "poisson")]
    targets.region(
        "losses",
        [
            "#: Names of losses that scikit-learn uses.",
            "ALIASES = {",
            *(f'    "{row.alias}": "{row.name}",' for row in rows if row.alias),
            "}",
            "VALUES = {",
            *(f'    "{row.name}": functional.{row.function},' for row in rows),
            "}",
            "#: The metric that goes with a loss, and the loss of baselines.",
            *dict_of("LOSS_METRICS", {row.name: row.metric for row in known}),
            *dict_of("BASELINE_LOSSES", {row.name: row.baseline for row in known}),
        ],
    )
    # a quantile needs a number, and its default is absolute_error
    names = [row.alias or row.name for row in known if row.name != "quantile"]
    options.region("losses", tuple_of("LOSSES", [f'"{name}"' for name in names]))
