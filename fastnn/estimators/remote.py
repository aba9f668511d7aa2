"""The networks of an estimator in the workers of an executor."""

from dataclasses import replace
from functools import partial

from ..callbacks import resolve_callbacks
from ..core.validation import check_threads
from ..distributed.executor_pool import (
    ExecutorPool,
    Workers,
    check_callbacks,
    threads_of_worker,
)
from ..distributed.shared_objects import SharedObjects
from ..training.data import arrays_of_several
from ..training.pool import Trainings, train_many
from .early_stopping import ScoreStopping


def train(fit, executor, line=None):
    """Train the networks of an EstimatorFit. Its attribute `trained` has those that are done.

    Parameters
    ----------
    fit : EstimatorFit
    executor : concurrent.futures.Executor
    line : ManyLine, optional
    """
    estimator, members = fit.estimator, fit.members
    check_callbacks(resolve_callbacks(estimator.callbacks))
    n_threads = threads_of_worker(estimator.n_threads)
    for callback in [c for member in members for c in member.callbacks]:
        if isinstance(callback, ScoreStopping) and callback.score is not None:
            callback.score = replace(callback.score, n_threads=n_threads)

    def plan(i):
        found = fit.plan(i)
        found.options = replace(found.options, n_threads=n_threads)
        return found

    def ended(i, result):
        _take_over(members[i], *result)
        fit.trained.append(i)
        pool.histories[i] = members[i].history

    data = [each for m in members for each in (m.data, m.validation) if each is not None]
    with SharedObjects(arrays_of_several(data)) as shared:
        workers = Workers(executor, n_threads, check_threads(estimator.n_threads), shared)
        function = partial(_train_task, n_threads)
        pool = ExecutorPool(workers, len(members), function, plan, ended, line)
        pool.run()


def _train_task(n_threads, plans, watch):
    """Train networks in a worker; return what training changed of each."""
    trainings = Trainings(
        n=len(plans),
        make=lambda i, queue: plans[i].session(queue),
        networks=[plan.net for plan in plans],
    )
    train_many(trainings, check_threads(n_threads), watch)
    return [
        (
            (plan.net.params, plan.net.state, plan.net.rng, plan.net.history),
            plan.options.patience,
            [c.result for c in plan.options.callbacks if isinstance(c, ScoreStopping)],
        )
        for plan in plans
    ]


def _take_over(member, trained, patience, results):
    """Store what a worker returns in a FitMember and its network."""
    net = member.net
    net.params, net.state, net.rng, net.history = trained
    member.history, member.patience = net.history, patience
    stoppings = [c for c in member.callbacks if isinstance(c, ScoreStopping)]
    for callback, result in zip(stoppings, results):
        callback.result = result
