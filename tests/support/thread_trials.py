"""Trainings of tests are too short for a trial of several threads: `begin_at_once` lets the second slice be one.

It also lets trainings wait for all their threads, so that a busy machine runs the same tests."""

from fastnn import kernels
from fastnn.core import threads
from fastnn.core.threads import ThreadChoice


def record_threads(monkeypatch):
    """Return a list to which each later `run_in_threads` of work that is shared adds its number of threads."""
    run_in_threads, numbers = threads.run_in_threads, []

    def recording(calls, n_threads):
        numbers.append(n_threads)
        run_in_threads(calls, n_threads)

    monkeypatch.setattr(threads, "run_in_threads", recording)
    return numbers


def use_all_threads(monkeypatch):
    """Let work that is shared use as many threads as it may, from its first slice on."""
    monkeypatch.setattr(
        ThreadChoice, "run", lambda choice, work, seconds: work(choice.numbers[-1], seconds)
    )


def begin_at_once():
    """Return the options of trials that users have."""
    options = {name: getattr(ThreadChoice, name) for name in ("TRIAL", "LONG_RISK")}
    for name in options:
        setattr(ThreadChoice, name, 0.0)
    kernels.await_all_helpers(True)
    return options
