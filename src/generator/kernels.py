"""Enums and the selection of kernels, in compiled code."""

from operations import ACTIVATIONS, LOSSES, NO_OPTIMIZER, NO_SCHEDULE, OPTIMIZERS, SCHEDULES

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
    call = "slopes_span({}, z, f1, f2, n)"
    pxi.region(
        "slopes",
        branches(
            "kind",
            [kind for kind in kinds if kind != "SOFTMAX"],
            call,
            "else: slopes_span(IDENTITY, z, f1, f2, n)",
        ),
        4,
    )
    kinds.remove("SOFTMAX")
    pxi.region("tangents", branches("kind", kinds, "tangent_span({}, t[0])", "")[:-1], 4)


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
                    f"elif {condition} and rule_only: update_span({kernel}, {moments}, True, u)"
                )
            lines.append(f"elif {condition}: update_span({kernel}, {moments}, False, u)")
    pxi.region("rules", [lines[0].removeprefix("el"), *lines[1:]], 4)
