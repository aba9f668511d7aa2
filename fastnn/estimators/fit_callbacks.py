"""Callbacks of scikit-learn, such as its ProgressBar: they are called during a fit, as scikit-learn's estimators do."""

from contextlib import contextmanager
from functools import partial

from ..callbacks import Callback


def set_callbacks(estimator, callbacks):
    """Set the callbacks of an estimator, or raise ImportError if scikit-learn has none."""
    try:
        from sklearn.callback import CallbackSupportMixin
    except ImportError:
        raise ImportError(
            "set_callbacks needs scikit-learn 1.9 or newer: pip install -U scikit-learn. The "
            "parameter `callbacks` takes callbacks of fastnn."
        ) from None
    CallbackSupportMixin.set_callbacks(estimator, *callbacks)


@contextmanager
def calling(estimator, X, y):
    """Call the callbacks at the begin and the end of a fit. Yield a list of the Callback that calls them after an epoch.

    The fit is a task of scikit-learn, with the epochs as its subtasks. That of an ensemble, whose networks train
    side by side, has none.
    """
    if "_skl_callbacks" not in vars(estimator):
        yield []
        return
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback._callback_support import callback_management_context

    n_epochs = estimator.max_iter if estimator.n_estimators == 1 else 0
    with callback_management_context(estimator):
        context = CallbackSupportMixin._init_callback_context(estimator, max_subtasks=n_epochs)
        rows = dict(estimator=estimator, X=X, y=y)
        context.call_on_fit_task_begin(**rows)
        yield [_EpochCalls(context, rows)] if n_epochs else []
        context.call_on_fit_task_end(**rows, reconstruction_attributes=dict)


class _EpochCalls(Callback):
    """Call the callbacks after each epoch, with a copy of the estimator that predicts with the network of then."""

    def __init__(self, context, rows):
        self.context, self.rows = context, rows

    def on_epoch_end(self, net, history):
        task = self.context.subcontext(task_name="epoch")
        task.call_on_fit_task_begin(**self.rows)
        fitted = partial(dict, networks_=[net])
        return task.call_on_fit_task_end(**self.rows, reconstruction_attributes=fitted)

    def stop_reason(self, event):
        return "a callback of scikit-learn stopped it"
