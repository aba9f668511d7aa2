"""Trainings of tests are too short for a trial of several threads: `begin_at_once` lets the second slice be one."""

from fastnn.core.threads import ThreadChoice


def begin_at_once():
    """Return the options of trials that users have."""
    options = {name: getattr(ThreadChoice, name) for name in ("TRIAL", "LONG_RISK")}
    for name in options:
        setattr(ThreadChoice, name, 0.0)
    return options
