"""A clock that only training moves, for tests of time limits."""

from fastnn.tabular.fitting import budget, training_jobs
from fastnn.training import pool, session


class FakeClock:
    """The clock of fits of estimators for tables.

    Slices of training are one epoch, and take `step` seconds for each step.

    Attributes
    ----------
    step, trial : float
        Seconds of a step in training, and in the trial that measures it: the machine may become
        busier after it.
    n_threads : int
        Networks that train at the same time.
    sessions : list of TwoPartSession
        In the order in which they began.
    """

    def __init__(self, monkeypatch, step, trial=None, n_threads=1):
        self.now, self.step, self.trial = 0.0, step, step if trial is None else trial
        self.n_threads, self.sessions = n_threads, []
        monkeypatch.setattr(budget.TimeBudget, "clock", staticmethod(lambda: self.now))
        for module, name in (
            (pool, "SLICE_SECONDS"),
            (pool, "TAIL_SECONDS"),
            (session, "SLICE_SECONDS"),
        ):
            monkeypatch.setattr(module, name, 0.0)
        end_slice, fit_many = training_jobs.TwoPartSession.end_slice, budget.fit_many

        def end(session, stop):
            if session not in self.sessions:
                self.sessions.append(session)
            session.record()
            steps = session.history.n_steps - getattr(session, "n_counted", 0)
            session.n_counted = session.history.n_steps
            self.now += steps * self.step / self.n_threads
            end_slice(session, stop)

        def measure(nets, *args, **options):
            fit_many(nets, *args, **options)
            n = len(options["rows"][0])
            self.now += -(-n // options["batch_size"]) * self.trial

        monkeypatch.setattr(training_jobs.TwoPartSession, "end_slice", end)
        monkeypatch.setattr(budget, "fit_many", measure)

    @property
    def epochs(self):
        """list of int: epochs that each network was trained for."""
        return [session.history.n_epochs for session in self.sessions]
