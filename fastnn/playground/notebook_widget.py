"""play(): a network that trains in a notebook, drawn by the module that the page uses."""

from __future__ import annotations

import threading
import time
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.validation import describe_type
from .data_sets import from_arrays
from .picture import Picture

if TYPE_CHECKING:
    from ..mlp import MLP


def play(net: MLP, X: Any, y: Any, inputs: Any = None, **options: Any) -> Any:
    """Show a network that trains on your rows, in a notebook (extra `notebook`).

    The widget has buttons to train, to pause and for one step. Training changes `net` itself, by
    ``net.fit(X, y, resume=True, max_steps=...)``, so it goes on from where the network is.

    Parameters
    ----------
    net : MLP
        A network of one output (two classes or numbers), or one for each class.
    X : array_like (n, n_in)
        With two columns the plane of the picture is theirs, with more that of the first two
        principal components.
    y : array_like (n,)
        Class numbers 0, 1, ... or floating-point numbers.
    inputs : list of str, optional
        The names of the columns.
    **options
        Arguments of `MLP.fit`: loss, optimizer, batch_size, ...

    Returns
    -------
    anywidget.AnyWidget
        Its attribute `playing` starts and stops the training.

    Raises
    ------
    ImportError
        anywidget is not installed.
    ValueError
        The network has other inputs or outputs than the rows.

    Examples
    --------
    >>> import fastnn
    >>> data = fastnn.playground.make_data("moons")
    >>> net = fastnn.MLP([2, 8, 1], output="sigmoid", rng=0)
    >>> widget = fastnn.play(net, data.X, data.y)  # doctest: +SKIP
    """
    try:
        import anywidget
        import traitlets
    except ModuleNotFoundError:
        raise ImportError(
            'play needs anywidget. Run: python -m pip install "fastnn-mlp[notebook]"'
        ) from None
    training = NotebookTraining(net, X, y, inputs, options)

    class PlayWidget(anywidget.AnyWidget):
        """The widget: `frame` goes to the notebook, `command` comes from there."""

        _esm = _module()
        points = traitlets.Dict(training.picture.points()).tag(sync=True)
        sizes = traitlets.List(list(net.layer_sizes)).tag(sync=True)
        frame = traitlets.Dict().tag(sync=True)
        command = traitlets.Dict().tag(sync=True)
        playing = traitlets.Bool(False).tag(sync=True)

        @traitlets.observe("command")
        def _on_command(self, change):
            if change["new"].get("do") == "step":
                self.playing = False
                training.advance(1)
                self.frame = training.frame()

        @traitlets.observe("playing")
        def _on_playing(self, change):
            if change["new"]:
                threading.Thread(target=self._train, daemon=True).start()

        def _train(self):
            while self.playing:
                began = time.perf_counter()
                training.advance_for(0.02)
                self.frame = training.frame()
                if training.diverged:
                    self.playing = False
                time.sleep(max(0.0, 1 / 30 - (time.perf_counter() - began)))

    widget = PlayWidget()
    widget.frame = training.frame()
    return widget


class NotebookTraining:
    """The training of a network of the user, with what `Picture` asks of a playback."""

    pending = None

    def __init__(self, net, X, y, inputs, options):
        if not hasattr(net, "layer_sizes"):
            raise TypeError(f"net must be an MLP, got {describe_type(net)}")
        self.net, self.options = net, options
        self.data = from_arrays(X, y, inputs, test=0)
        X, numbers = np.asarray(X), set(range(len(self.data.classes)))
        if self.data.kind == "classes" and set(np.unique(y).tolist()) != numbers:
            raise ValueError("y must hold the class numbers 0, 1, ...")
        if net.layer_sizes[0] != X.shape[1] or net.layer_sizes[-1] != self.data.n_out:
            raise ValueError(
                f"the network has {net.layer_sizes[0]} inputs and {net.layer_sizes[-1]} outputs, but "
                f"the rows need {X.shape[1]} and {self.data.n_out}"
            )
        self.picture = Picture(self.data)
        self.rate, self.diverged = 1000.0, ""
        self.loss_name = options.get("loss")

    @property
    def step(self):
        return 0 if self.net.state is None else self.net.state.step

    @property
    def epoch(self):
        return 0 if self.net.state is None else self.net.state.epoch

    @property
    def learning_rate(self):
        return None if self.net.state is None else self.net.state.lr

    def advance(self, steps):
        """Train for this many steps."""
        from ..state import DivergenceError

        resume = self.net.state is not None
        try:
            self.net.fit(
                self.data.X,
                self.data.y,
                epochs=10**9,
                max_steps=steps,
                resume=resume,
                **self.options,
            )
        except DivergenceError as error:
            self.diverged = str(error)

    def advance_for(self, seconds):
        """Train for about this many seconds."""
        steps, began = max(1, int(self.rate * seconds)), time.perf_counter()
        self.advance(steps)
        self.rate = 0.5 * (self.rate + steps / max(time.perf_counter() - began, 1e-7))

    def frame(self):
        """Return what the widget draws."""
        return self.picture.frame(self)

    def loss_now(self):
        return float(self.net.loss(self.data.X, self.data.y, self.loss_name))

    def test_loss_now(self):
        return None


def _module():
    """Return the widget's ES module: the drawing, and what connects it to a notebook."""
    files = resources.files(__package__)
    return "".join(files.joinpath(name).read_text() for name in ("pages/drawing.js", "widget.js"))
