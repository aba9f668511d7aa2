"""The networks of an estimator in the workers of an executor."""

from dataclasses import replace

from ..callbacks import resolve_callbacks
from ..core.validation import check_threads
from ..distributed.executor_pool import check_callbacks, threads_of_worker
from ..many import train_in_workers
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
    plans = [fit.plan(i) for i in range(len(members))]
    for plan in plans:
        plan.options = replace(plan.options, n_threads=n_threads)

    def ended(i, patience, results):
        member = members[i]
        member.history, member.patience = member.net.history, patience
        stoppings = [c for c in member.callbacks if isinstance(c, ScoreStopping)]
        for callback, result in zip(stoppings, results):
            callback.result = result
        fit.trained.append(i)

    n_threads_here = check_threads(estimator.n_threads)
    train_in_workers(executor, plans, n_threads, n_threads_here, line, ended)
