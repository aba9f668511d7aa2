"""Random generators as JSON holds them."""

import json

import numpy as np

from . import ModelFileError
from .safetensors import check_mapping

BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
MAXIMA = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1, "has_gauss": 1}


def describe(rng, what):
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


def parse(state, legacy=False):
    """Return the Generator with this state, or with `legacy` the RandomState."""
    state = check_mapping(state, "rng")
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ModelFileError(f"rng must be one of {', '.join(BIT_GENERATORS)}, got {name!r}"[:200])
    bit_generator = getattr(np.random, name)(0)
    try:
        if legacy:
            random_state = np.random.RandomState(bit_generator)
            random_state.set_state(_check(random_state.get_state(legacy=False), state))
            return random_state
        bit_generator.state = _check(bit_generator.state, state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(f"the state of the generator is damaged: {error!r}"[:300]) from None
    return np.random.Generator(bit_generator)


def _check(template, value, key="rng"):
    """Return the state of a generator, converted and checked.

    `template` is a state of the same kind. NumPy itself does not check lengths and positions.
    """
    if isinstance(template, dict):
        value = check_mapping(value, key)
        return {name: _check(template[name], value[name], name) for name in template}
    if isinstance(template, np.ndarray):
        array = np.array(value, template.dtype)
        if array.shape != template.shape:
            raise ValueError(f"{key} must have shape {template.shape}, got {array.shape}")
        return array
    maximum = MAXIMA.get(key, 2**128 - 1)
    if type(value) is not type(template) or (isinstance(value, int) and not 0 <= value <= maximum):
        raise ValueError(f"{key} is {value!r}"[:100])
    return value
