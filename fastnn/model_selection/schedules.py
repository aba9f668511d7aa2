"""Learning-rate schedules in a search whose first rungs end early.

Falling schedules stay as they are, so a survivor has the bits of one uninterrupted training. A
schedule with a warm-up is stretched to each rung: otherwise the first rungs would compare
candidates at the low rates of the warm-up.
"""

from dataclasses import replace

from ..optimizers import Optimizer
from ..schedules import CosineDecay, OneCycle


def stretch_schedule(network, share):
    """Set the schedule of an estimator to that of a training of `share` of the length.

    share : float in (0, 1]

    Returns whether it has a schedule with a warm-up. Others are not changed.
    """
    solver = network.solver
    if has_warmup(network.schedule):
        network.schedule = stretched(network.schedule, share)
    elif isinstance(solver, Optimizer) and has_warmup(solver.lr):
        network.solver = solver.set_params(lr=stretched(solver.lr, share))
    else:
        return False
    return True


def has_warmup(schedule):
    if isinstance(schedule, CosineDecay):
        return schedule.warmup > 0
    return isinstance(schedule, OneCycle)


def stretched(schedule, share):
    """Return the schedule with its time axis multiplied by `share`."""
    if share == 1:
        return schedule
    duration = max(1, round(schedule.duration * share))
    if isinstance(schedule, OneCycle):
        return replace(schedule, duration=duration)
    warmup = min(round(schedule.warmup * share), duration - 1)
    return replace(schedule, duration=duration, warmup=warmup)
