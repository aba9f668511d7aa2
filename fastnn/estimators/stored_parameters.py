"""The parameters of an estimator as JSON holds them."""

import numpy as np

from .. import losses, optimizers, schedules
from ..core.options import Options
from ..files import json_values

#: Parameters that a file cannot hold, since they are code or rows, and their values if unused.
NOT_STORED = {"callbacks": (), "validation_data": None}
NOT_FINITE = "inf", "-inf", "nan"


def describe(estimator):
    """Return the parameters as a dict that JSON can hold."""
    parameters = estimator.get_params(deep=False)
    for name, unused in NOT_STORED.items():
        value = parameters.pop(name)
        if value is not None and not (isinstance(value, (tuple, list)) and not value):
            raise ValueError(
                f"a file cannot hold the parameter {name}. It matters only to further training: "
                f"call set_params({name}={unused!r}) before save, and set it again after load."
            )
    return {name: _describe(name, value) for name, value in parameters.items()}


def _describe(name, value):
    if isinstance(value, Options) or (callable(value) and name == "loss"):
        return describe_options(name, value)
    if isinstance(value, np.random.RandomState):
        return json_values.describe_generator(value, name)
    if name == "dtype" and value is not None:
        return np.dtype(value).name
    if isinstance(value, float) and not np.isfinite(value):
        return {"float": str(float(value))}
    return json_values.describe_value(value)


def describe_options(name, value):
    """Describe an optimizer, a schedule or a loss."""
    for module, known in (
        (optimizers, optimizers.OPTIMIZERS),
        (schedules, schedules.SCHEDULES),
        (losses, losses.LOSSES),
    ):
        if type(value) in known.values():
            return module.describe(value)
    raise ValueError(
        f"a file cannot hold {name}={value!r}, which is code. It matters only to further training: "
        f"call set_params({name}=...) with an object of fastnn before save, or save the networks "
        "with networks_[i].save."
    )


def parse(description, cls):
    """Return the estimator of this class whose parameters `describe` described, not fitted.

    Raises
    ------
    ModelFileError, TypeError, ValueError
        The description is damaged.
    """
    unknown = set(description) - (set(cls._get_param_names()) - set(NOT_STORED))
    if unknown:
        raise ValueError(f"{cls.__name__} has no parameters {sorted(unknown)}")
    estimator = cls(**{name: _parse(name, value) for name, value in description.items()})
    estimator._validate_params()
    return estimator


def _parse(name, value):
    if isinstance(value, list):
        items = [tuple(each) if isinstance(each, list) else each for each in value]
        return dict(items) if name == "class_weight" else tuple(items)
    if not isinstance(value, dict):
        return value
    if "optimizer" in value:
        return optimizers.from_description(value["optimizer"], value["settings"])
    if "schedule" in value:
        return schedules.from_description(value)
    if "loss" in value:
        return losses.from_description(value)
    if "bit_generator" in value:
        return json_values.parse_generator(value, legacy=True)
    if value.get("float") in NOT_FINITE:
        return float(value["float"])
    raise ValueError(f"parameter {name}")
