"""Values as JSON holds them: classes, random generators, and training states without their arrays."""

import json
import math
from dataclasses import asdict

import numpy as np

from .. import optimizers
from ..schedules import Plateau
from ..state import Best, TrainingState
from . import ModelFileError
from .checks import check, check_mapping, is_count

MAX_TEXTS = 2**26  # bytes of an array of texts, each of which is as large as the longest
LABEL_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str}  # by kind of dtype
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
MAXIMA = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1, "has_gauss": 1}
#: Fields of a training state.
COUNTS = "step", "epoch", "row"
OPTIONAL_COUNTS = "seed", "split_seed", "split_rows", "split_held_out", "shards", "shuffle_seed"
SPLIT_METHODS = "permutation", "hash"


# ---- classes: texts, whole numbers, numbers and Booleans ----


class LabelError(ValueError):
    """A label is of a kind that no file can hold, such as a date."""


def describe_value(value):
    """Return a value, a list of values or a dict of weights as JSON holds it."""
    if isinstance(value, dict):
        return [[_describe_label(key), float(weight)] for key, weight in value.items()]
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [describe_value(item) for item in value]
    return _describe_label(value)


def _describe_label(label):
    """Return a label or another single value as JSON holds it, or raise a LabelError."""
    label = label.item() if isinstance(label, np.generic) else label
    if label is None or isinstance(label, (bool, int, str)):
        return label
    if isinstance(label, float) and math.isfinite(label):
        return label
    raise LabelError(
        f"a model file can hold classes that are texts, numbers or Booleans, got {label!r} of type "
        f"{type(label).__name__}. Convert y to texts before fit."
    )


def describe_classes(classes):
    """Return an array of classes as a dict that JSON can hold."""
    labels = [_describe_label(label) for label in classes.tolist()]
    if classes.dtype.kind == "U" and classes.nbytes > MAX_TEXTS:
        longest = max(labels, key=len)
        raise ValueError(
            f"the longest of the {len(labels):,} classes has {len(longest):,} characters "
            f"({longest[:20]!r}...), so that they need {classes.nbytes:,} bytes of memory, but a model "
            f"file can hold at most {MAX_TEXTS:,}. Shorten the texts of y."
        )
    return dict(classes=labels, dtype=classes.dtype.newbyteorder("=").str)


def parse_classes(description):
    """Return the array of classes that `describe_classes` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        The description is damaged.
    """
    labels, dtype = description["classes"], description["dtype"]
    check(isinstance(labels, list) and labels and isinstance(dtype, str), "classes")
    kind = "O" if dtype == "|O" else np.dtype(dtype).kind
    check(kind == "O" or kind in LABEL_TYPES, "dtype")
    types = (bool, int, float, str) if kind == "O" else (LABEL_TYPES[kind],)
    check(all(type(label) in types for label in labels), "classes")
    check(len(set(labels)) == len(labels), "classes")
    if kind == "U":  # as long as the labels, whatever the file says
        check(len(labels) * 4 * max(map(len, labels)) <= MAX_TEXTS, "classes")
        return np.array(labels)
    out = np.empty(len(labels), object if kind == "O" else dtype)
    out[:] = labels
    return out


# ---- random generators ----


def describe_generator(rng, what):
    """Return the state of a Generator or RandomState, with lists instead of arrays.

    what : how the user names it, for the error message
    """
    legacy = isinstance(rng, np.random.RandomState)
    state = rng.get_state(legacy=False) if legacy else rng.bit_generator.state
    if state["bit_generator"] not in BIT_GENERATORS:
        example = "RandomState(0)" if legacy else "default_rng(0)"
        raise ValueError(
            f"{what} uses {state['bit_generator']}, which a model file cannot hold. "
            f"Set {what} to a generator of NumPy, such as numpy.random.{example}."
        )
    return json.loads(json.dumps(state, default=lambda a: a.tolist()))


def parse_generator(state, legacy=False):
    """Return the Generator with this state, or with `legacy` the RandomState."""
    state = check_mapping(state, "rng")
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ModelFileError(f"rng must be one of {', '.join(BIT_GENERATORS)}, got {name!r}"[:200])
    bit_generator = getattr(np.random, name)(0)
    try:
        if legacy:
            random_state = np.random.RandomState(bit_generator)
            random_state.set_state(_check_generator(random_state.get_state(legacy=False), state))
            return random_state
        bit_generator.state = _check_generator(bit_generator.state, state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the state of the generator is damaged: {error!r}"[:300]) from None
    return np.random.Generator(bit_generator)


def _check_generator(template, value, key="rng"):
    """Return the state of a generator, converted and checked.

    `template` is a state of the same kind. NumPy itself does not check lengths and positions.
    """
    if isinstance(template, dict):
        value = check_mapping(value, key)
        return {name: _check_generator(template[name], value[name], name) for name in template}
    if isinstance(template, np.ndarray):
        array = np.array(value, template.dtype)
        if array.shape != template.shape:
            raise ValueError(f"{key} must have shape {template.shape}, got {array.shape}")
        return array
    maximum = MAXIMA.get(key, 2**128 - 1)
    if type(value) is not type(template) or (isinstance(value, int) and not 0 <= value <= maximum):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value


# ---- training states ----


def describe_state(state):
    """Return a training state without its arrays as a dict that JSON can hold."""
    numbers = {name: getattr(state, name) for name in (*COUNTS, *OPTIONAL_COUNTS, "loss_sum")}
    plateau = state.plateau and asdict(state.plateau)
    best = state.best and dict(loss=state.best.loss, epoch=state.best.epoch)
    return dict(
        **optimizers.describe(state.optimizer),
        **numbers,
        plateau=plateau,
        best=best,
        split_method=state.split_method,
    )


def parse_state(state):
    """Return a training state with empty arrays."""
    state = check_mapping(state, "state")
    counts = {name: state.get(name) for name in COUNTS}
    optional = {name: state.get(name) for name in OPTIONAL_COUNTS}
    loss_sum = state.get("loss_sum")
    valid = all(is_count(count, 2**62) for count in counts.values()) and all(
        count is None or is_count(count, 2**63) for count in optional.values()
    )
    if not valid or type(loss_sum) is not float or loss_sum != loss_sum:
        raise ModelFileError("state is damaged")
    rows, held_out = optional["split_rows"], optional["split_held_out"]
    if (rows is None) != (held_out is None) or (rows is not None and not 0 < held_out < rows):
        raise ModelFileError("split_rows and split_held_out are damaged")
    try:
        optimizer = optimizers.from_description(state.get("optimizer"), state.get("settings"))
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the settings of the optimizer are damaged: {error}") from None
    try:
        plateau = (
            None
            if state.get("plateau") is None
            else Plateau(**check_mapping(state["plateau"], "plateau"))
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"plateau is damaged: {error}") from None
    best = None if state.get("best") is None else check_mapping(state["best"], "best")
    if best is not None:
        if type(best.get("loss")) is not float or not is_count(best.get("epoch"), 2**62):
            raise ModelFileError("best is damaged")
        best = Best(best["loss"], best["epoch"], np.empty(0))
    split_method = state.get("split_method")  # older versions do not write it
    if split_method not in (None, *SPLIT_METHODS):
        raise ModelFileError(f"split_method {split_method!r} is invalid"[:100])
    return TrainingState(
        optimizer,
        np.empty(0),
        loss_sum=loss_sum,
        plateau=plateau,
        best=best,
        split_method=split_method,
        **counts,
        **optional,
    )
