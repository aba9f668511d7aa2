"""Jobs in the workers of an executor."""

from functools import partial

from ...core.validation import check_threads
from ...distributed.executor_pool import (
    ExecutorPool,
    Workers,
    threads_of_worker,
)
from ...state import DivergenceError
from ...training.pool import Trainings, train_many
from .budget import TimeBudget
from .pace import RemotePace


def workers_of(executor, n_threads, shared):
    """Return the Workers of an executor. n_threads : as in the estimator; shared : SharedObjects"""
    return Workers(executor, threads_of_worker(n_threads), check_threads(n_threads), shared)


def shared_objects(jobs, setup):
    """Return the arrays and tables that all jobs of a fit have in common."""
    yield setup.encoded_y
    yield setup.rows.weight
    for job in jobs:
        yield from (job.table, job.train, job.held_out, job.seen)


def train(jobs, trainer, ended, line, budget):
    """Train the networks of jobs in the workers of ``trainer.setup``.

    Parameters are those of `training_jobs.train`. budget : TimeBudget with a limit, or None
    """
    setup, workers = trainer.setup, trainer.setup.workers
    shares, pace = {}, None
    if budget is not None:
        pace = RemotePace(budget, jobs, setup, workers.n, are_balanced=False)

    def make(i):
        share, seconds = None, None
        if pace is not None:
            share = shares[i] = pace.begin_job(jobs[i])
            seconds = share.ends - share.began
        return trainer.in_worker(jobs[i]), trainer.fraction(jobs[i], share), seconds

    def end(i, result):
        networks, best, n_steps = result
        job = jobs[i]
        if pace is not None:
            shares[i].end(n_steps)
        job.best = best
        job.networks = networks  # at once: Ctrl-C may come in between
        if ended is not None:
            ended(job)

    function = partial(_train_task, type(trainer), setup.in_worker())
    ExecutorPool(workers, len(jobs), function, make, end, line).run()


def _train_task(kind, setup, items, watch):
    """Train jobs in a worker; return the networks, `Job.best` and the number of steps of each."""
    n_threads = check_threads(setup.n_threads)
    jobs = [job for job, _, _ in items]
    trainer, results, began = kind(setup, jobs), [None] * len(items), TimeBudget.clock()

    def make(i, queue):
        job, fraction, seconds = items[i]
        session = trainer.session(job, fraction, queue, n_threads)
        if seconds is not None:
            session.is_over = lambda: TimeBudget.clock() - began >= seconds
        return session

    def end(i, session, error):
        if error is not None and not isinstance(error, DivergenceError):
            raise error
        trainer.end(jobs[i], session)
        results[i] = jobs[i].networks, jobs[i].best, session.history.n_steps

    trainings = Trainings(n=len(jobs), make=make, ended=end, late=True)
    train_many(trainings, n_threads, watch)
    return results
