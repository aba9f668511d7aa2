"""Names of other libraries: the error says what to write here, and every hint is true."""

import inspect
import re

import numpy as np
import pytest

import fastnn
from fastnn import MLP, optimizers, schedules
from fastnn.core import foreign_names
from fastnn.core.options import ImmutableOptions

X, Y = np.zeros((4, 2)), np.zeros(4)


METHODS = dict(fit=foreign_names.FIT, partial_fit=foreign_names.PARTIAL_FIT)


HINTED = [(method, name) for method, names in METHODS.items() for name in names]


@pytest.mark.parametrize(("method", "name"), HINTED)
def test_training_hints_at_its_own_names(method, name):
    net = MLP([2, 3, 1], rng=0)
    before = net.params.copy()
    with pytest.raises(TypeError, match=rf"^MLP.{method}\(\) .*'{name}'\. ") as caught:
        getattr(net, method)(X, Y, **{name: 1})
    parameters = inspect.signature(getattr(MLP, method)).parameters
    assert name not in parameters
    for own in re.findall(r"`(\w+)`|\b(\w+)=", str(caught.value)):
        own = own[0] or own[1]
        assert own in parameters or own in ("lr", "weight_decay", "momentum")
    np.testing.assert_array_equal(net.params, before)


def test_partial_fit_refers_to_fit_for_what_only_fit_has():
    methods = (inspect.signature(method).parameters.keys() for method in (MLP.fit, MLP.partial_fit))
    for name in set.difference(*map(set, methods)):
        with pytest.raises(TypeError, match=f"'{name}'. partial_fit makes one pass .* Use fit"):
            MLP([2, 1], rng=0).partial_fit(X, Y, **{name: 1})


@pytest.mark.parametrize("name", foreign_names.NETWORK)
def test_a_network_hints_at_its_own_names(name):
    with pytest.raises(TypeError, match=rf"^MLP.__init__\(\) .*'{name}'\. "):
        MLP([2, 1], **{name: 1})
    assert name not in inspect.signature(MLP).parameters


@pytest.mark.parametrize("name", foreign_names.ATTRIBUTES)
def test_attributes_of_other_libraries_hint_at_what_to_call(name):
    net = MLP([2, 1], rng=0)
    assert not hasattr(net, name)
    message = rf"'MLP' object has no attribute '{name}': "
    with pytest.raises(AttributeError, match=message) as caught:
        getattr(net, name)
    for method in re.findall(r"net\.(\w+)", str(caught.value)):
        assert hasattr(net, method)
    assert not hasattr(MLP, name) and name not in dir(net)
    own = type("Own", (MLP,), {name: 3})([2, 1], rng=0)
    assert getattr(own, name) == 3 and name in dir(own)
    setattr(net, name, 4)
    assert getattr(net, name) == 4


def test_hints_do_not_slow_down_other_attributes():
    assert not hasattr(MLP, "__getattr__")  # it costs 30 ns in `forward`


def test_other_unknown_names_are_refused_as_python_does():
    net = MLP([2, 1], rng=0)
    with pytest.raises(TypeError, match=r"MLP.fit\(\) got an unexpected keyword argument 'foo'$"):
        net.fit(X, Y, foo=1)
    with pytest.raises(AttributeError, match=r"'MLP' object has no attribute 'foo'$"):
        net.foo  # noqa: B018 - the look-up raises
    assert getattr(net, "foo", 7) == 7


ADAM, SGD = fastnn.Adam, fastnn.SGD
HINTS = [
    (ADAM, dict(learning_rate=0.1), "Adam.*'learning_rate'. The learning rate is `lr`"),
    (ADAM, dict(epsilon=0.1), "Adam.*'epsilon'. It is `eps`"),
    (ADAM, dict(beta_1=0.1), "Adam.*'beta_1'. Both decay rates are one pair, betas="),
    (SGD, dict(beta_1=0.1), "SGD.*'beta_1'. Its options are lr, .*momentum, nesterov"),
    (fastnn.losses.Quantile, dict(quantile=0.1), "Quantile.*'quantile'. It is `q`"),
    (schedules.StepDecay, dict(lr=0.1, step_size=3), "StepDecay.*'step_size'. .* is `every`"),
    (ADAM, dict(foo=1, bar=2, baz=3), "Adam.*'foo'"),
    (ADAM, dict(foo=1), "Adam.*'foo'. Its options are lr, betas, eps"),
]


@pytest.mark.parametrize(("cls", "options", "message"), HINTS)
def test_options_hint_at_their_own_names(cls, options, message):
    with pytest.raises(TypeError, match=message):
        cls(**options)


class Doubled(fastnn.Adam):
    def __init__(self, half, **options):
        super().__init__(lr=2 * half, **options)


def test_a_subclass_may_have_parameters_of_its_own():
    assert Doubled(half=0.1, eps=1e-4).get_params() == fastnn.Adam(0.2, eps=1e-4).get_params()
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'foo'"):
        Doubled(half=0.1, foo=1)


# ---- get_params and set_params ----


@pytest.mark.parametrize("cls", optimizers.OPTIMIZERS.values(), ids=lambda cls: cls.__name__)
def test_get_params_gives_what_the_constructor_takes(cls):
    optimizer = cls()
    params = optimizer.get_params(deep=False)
    assert list(params) == list(inspect.signature(cls).parameters)
    assert cls(**params) == optimizer


def test_set_params_returns_a_copy_and_reaches_nested_options():
    adam = fastnn.Adam(schedules.StepDecay(0.1, 3), weight_decay=0.5)
    assert adam.get_params()["lr__every"] == 3 and "lr__every" not in adam.get_params(deep=False)
    other = adam.set_params(lr__every=7, lr__factor=0.5, eps=1e-4)
    assert other == fastnn.Adam(schedules.StepDecay(0.1, 7, 0.5), eps=1e-4, weight_decay=0.5)
    assert adam == fastnn.Adam(schedules.StepDecay(0.1, 3), weight_decay=0.5)
    both = adam.set_params(lr=schedules.ExponentialDecay(0.2, 0.9), lr__factor=0.8)
    assert both.lr == schedules.ExponentialDecay(0.2, 0.8)
    assert adam.set_params() == adam
    with pytest.raises(ValueError, match="lr__ needs lr to be an object with options"):
        fastnn.Adam().set_params(lr__=1)
    for name in ("foo", "foo__bar"):
        with pytest.raises(ValueError, match=r"Adam has no option 'foo'. Its options are lr, "):
            adam.set_params(**{name: 1})
    swapped = adam.set_params(lr__factor=0.8, lr=schedules.ExponentialDecay(0.2, 0.9))
    assert swapped.lr == schedules.ExponentialDecay(0.2, 0.8)
    with pytest.raises(ValueError, match=r"lr__factor needs lr to be an object .* got 0.1"):
        fastnn.Adam(0.1).set_params(lr__factor=0.5)
    with pytest.raises(ValueError, match="eps must be a finite number above 0, got 0"):
        adam.set_params(eps=0)


def test_sklearn_clones_options():
    sklearn = pytest.importorskip("sklearn.base")
    for thing in (fastnn.AdamW(), fastnn.losses.Huber(2.0), schedules.StepDecay(0.1, 3)):
        assert isinstance(thing, ImmutableOptions) and sklearn.clone(thing) == thing
