"""Training states as JSON holds them, without their arrays."""

from dataclasses import asdict

import numpy as np

from .. import optimizers
from ..schedules import Plateau
from ..training.state import Best, TrainingState
from . import ModelFileError
from .safetensors import check_mapping, is_count

COUNTS = "step", "epoch", "row"
SPLIT_METHODS = "permutation", "hash"
OPTIONAL_COUNTS = "seed", "split_seed", "split_rows", "split_held_out"


def describe(state):
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


def parse(state):
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
    split_method = state.get("split_method")  # older versions do not write it
    if split_method not in (None, *SPLIT_METHODS):
        raise ModelFileError(f"split_method {split_method!r} is invalid"[:100])
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
