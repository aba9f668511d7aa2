"""Draws from a generator that a signal cannot separate from what they are for."""

import numpy as np


def draw(rng, holder, name, function):
    """Set an attribute to ``function()``, which draws from a generator.

    If an exception such as KeyboardInterrupt comes before the attribute is set, the generator is as
    before. Otherwise a resumed training would draw other numbers than one that was not interrupted.

    Parameters
    ----------
    rng : numpy.random.Generator
    holder : object
    name : str
        Of the attribute.
    function : callable
        Returns a new object.
    """
    state, before = rng.bit_generator.state, getattr(holder, name)
    try:
        setattr(holder, name, function())
    except BaseException:
        if getattr(holder, name) is before:
            rng.bit_generator.state = state
        raise


class UndoDraws:
    """A context that undoes draws if an exception comes before the training of a network has begun.

    Parameters
    ----------
    pairs : list of (MLP, numpy.random.Generator or seed)
        Networks and what they draw from. The training of a network begins when it gets a new state.
    """

    def __init__(self, pairs):
        self.pairs = [pair for pair in pairs if isinstance(pair[1], np.random.Generator)]

    def __enter__(self):
        self.before = [(net.state, rng.bit_generator.state) for net, rng in self.pairs]

    def __exit__(self, kind, error, traceback):
        if error is None:
            return
        for (net, rng), (state, drawn) in zip(self.pairs, self.before):
            if net.state is state:
                rng.bit_generator.state = drawn
