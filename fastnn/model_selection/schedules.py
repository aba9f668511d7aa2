"""Learning-rate schedules of a training that ends earlier."""

from dataclasses import replace

from ..optimizers import Optimizer
from ..schedules import CosineDecay, OneCycle, Table

SPANNING = (CosineDecay, OneCycle, Table)  # schedules with an end


def stretch_schedule(network, share):
    """Set the schedule of an estimator to that of a training of `share` of the length.

    share : float in (0, 1]

    Returns whether it has a schedule that spans the training.
    """
    solver = network.solver
    if isinstance(network.schedule, SPANNING):
        network.schedule = stretched(network.schedule, share)
    elif isinstance(solver, Optimizer) and isinstance(solver.lr, SPANNING):
        network.solver = solver.set_params(lr=stretched(solver.lr, share))
    else:
        return False
    return True


def stretched(schedule, share):
    """Return the schedule with its time axis multiplied by `share`."""
    if share == 1:
        return schedule
    if isinstance(schedule, Table):
        old = len(schedule.rates)
        n = max(1, round(old * share))
        rates = (schedule.rates[(2 * i + 1) * old // (2 * n)] for i in range(n))
        return replace(schedule, rates=tuple(rates))
    duration = max(1, round(schedule.duration * share))
    if isinstance(schedule, OneCycle):
        return replace(schedule, duration=duration)
    warmup = min(round(schedule.warmup * share), duration - 1)
    return replace(schedule, duration=duration, warmup=warmup)
