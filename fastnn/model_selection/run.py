"""Run: the training of one network estimator on one fold; many runs train together."""

import time
import traceback
from functools import partial
from typing import Any

from ..core.validation import check_threads
from ..distributed import executor_pool
from ..distributed.executor_pool import ExecutorPool
from ..estimators import inputs
from ..estimators.fit import EstimatorFit
from ..estimators.rows import MemoryRows
from ..kernels import InTraining
from ..training.pool import Trainings, train_many
from ..training.progress import ManyLine


class Run:
    """Training of a network estimator on a fold.

    Parameters
    ----------
    fold_number : int
    network : MLPClassifier or MLPRegressor
        Not fitted.
    params : dict, optional
        Parameters of the earlier steps.

    Attributes
    ----------
    result : dict
        What `evaluate` of `train_runs` returned, and "fit_time"; with "error", the traceback of
        training that failed.
    """

    result: Any = None
    finished = False  # whether it would train no further
    lock: Any = None  # the kernels.InTraining of its networks

    def __init__(self, fold_number, network, params=None):
        self.fold_number, self.network, self.params = fold_number, network, params

    @property
    def n_networks(self):
        return self.network.n_estimators

    def start(self, folds, n_threads):
        """Prepare the training."""
        self.began = time.perf_counter()
        self.fold = folds.fold(self.fold_number, self.params)
        self.fit = self.make_fit()
        self.fit.n_threads = max(self.fit.n_threads, n_threads)
        self.n_left = self.fit.n_members

    def lock_networks(self):
        """Let no callback train the networks, and no other thread use them."""
        self.lock = InTraining([member.net for member in self.fit.members])
        self.lock.__enter__()

    def release_networks(self):
        """Undo `lock_networks`. Repeating it is harmless."""
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.__exit__()

    def make_fit(self):
        self.network._validate_params()
        X, y, sample_weight = self.fold.rows
        rows = inputs.validate_rows(self.network, X, y, sample_weight, True)
        return EstimatorFit(self.network, MemoryRows(rows), fresh=True)

    def session(self, member, queue):
        """Return the session of a member, or None if there is nothing to train."""
        return self.fit.session(member, queue)

    def end(self):
        """Set the fitted attributes."""
        self.fit.end()

    def close(self):
        """Release what only training needs."""
        del self.fit, self.fold


class Workers:
    """Where runs train: in threads of this process, or in the workers of an executor.

    Parameters
    ----------
    n_jobs, executor, verbose
        As in `cross_validate`.

    Attributes
    ----------
    n_threads : int
        In this process, or in each worker.
    """

    def __init__(self, n_jobs, executor, verbose):
        self.executor, self.verbose = executor, verbose
        if n_jobs is None:
            n_jobs = -1 if executor is None else 1
        self.n_threads = check_threads(n_jobs)

    def line(self):
        """Return what shows the progress, or None."""
        return ManyLine() if self.verbose else None

    def train(self, function, items, shared):
        """Train items, such as runs, in the workers of the executor.

        Parameters
        ----------
        function : callable
            function(some items, n_threads, line) returns a list with a result for each.
        items : list
        shared : SharedObjects
            What the items have in common.

        Returns
        -------
        list of the results
        """
        results: list[Any] = [None] * len(items)
        workers = executor_pool.Workers(self.executor, self.n_threads, check_threads(-1), shared)
        ended, run = results.__setitem__, partial(_run_items, function, self.n_threads)
        pool = ExecutorPool(workers, len(items), run, items.__getitem__, ended, self.line())
        pool.run()
        return results


def _run_items(function, n_threads, items, watch):
    return function(items, n_threads, watch)


class Runner:
    """Trains runs for `train_runs`."""

    def __init__(self, folds, runs, evaluate, n_threads):
        self.folds, self.runs, self.evaluate, self.n_threads = folds, runs, evaluate, n_threads
        self.jobs = [(run, member) for run in runs for member in range(run.n_networks)]

    def train(self, line):
        trainings = Trainings(n=len(self.jobs), make=self.make, ended=self.ended)
        try:
            train_many(trainings, self.n_threads, line)
        finally:
            for run in self.runs:
                run.release_networks()

    def make(self, i, queue):
        run, member = self.jobs[i]
        try:
            if member == 0:
                run.result = None
                run.start(self.folds, self.n_threads)
                run.lock_networks()
            if run.result is not None:  # an earlier member failed
                return None
            session = run.session(member, queue)
        except Exception as error:
            self.fail(run, error)
            return None
        if session is None:
            self.finish(run)
        return session

    def ended(self, i, session, error):
        run, _ = self.jobs[i]
        if run.result is not None:
            return
        if error is not None:
            self.fail(run, error)
            return
        run.n_left -= 1
        if run.n_left == 0:
            self.finish(run)

    def finish(self, run):
        run.release_networks()
        try:
            run.end()
        except Exception as error:
            self.fail(run, error)
            return
        seconds = time.perf_counter() - run.began
        run.result = self.evaluate(run.fold, run.network)
        run.result["fit_time"] = seconds
        run.close()

    def fail(self, run, error):
        run.release_networks()
        if self.evaluate.error_score == "raise":
            raise error
        run.result = self.evaluate.failed()
        run.result["fit_time"] = time.perf_counter() - run.began
        run.result["error"] = "".join(traceback.format_exception(error))
        run.network = None
        vars(run).pop("fit", None)
        vars(run).pop("fold", None)
        run.finished = True


def train_runs(folds, runs, evaluate, n_threads, line=None):
    """Train runs together, and evaluate each as soon as it ends.

    Parameters
    ----------
    folds : Folds
    runs : list of Run
    evaluate : callable
        evaluate(fold, network) returns a dict; ``evaluate.error_score`` is "raise" or the score of
        a failure, and ``evaluate.failed()`` the dict of one.
    n_threads : int
    line : optional
        Shows the progress, as a `training.progress.ManyLine` does.
    """
    Runner(folds, runs, evaluate, n_threads).train(line)
