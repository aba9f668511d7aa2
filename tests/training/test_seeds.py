"""Seeds spawned at once are those that NumPy spawns one after the other."""

import copy
import pickle

import numpy as np
import pytest

from fastnn.core.draws import draw
from fastnn.training.planner import spawn_seeds

# of one word of 32 bits, of up to four, and of more than NumPy's pool holds
INTS = [0, 1, 2**32 - 1, 2**32, 2**64 + 3, 2**127, 2**128 - 1, 2**128, 3**300]


@pytest.mark.parametrize("entropy", INTS)
def test_spawned_seeds_make_the_generators_of_numpy(entropy):
    expected = np.random.SeedSequence(entropy).spawn(20)
    for seed, other in zip(spawn_seeds(entropy, 20), expected, strict=True):
        for _ in range(2):  # a seed may be used again
            generator, reference = np.random.default_rng(seed), np.random.default_rng(other)
            assert generator.bit_generator.state == reference.bit_generator.state
        assert np.random.MT19937(seed).random_raw() == np.random.MT19937(other).random_raw()


def test_spawned_seeds_behave_like_a_seed_sequence():
    seed, other = spawn_seeds(7, 3)[2], np.random.SeedSequence(7).spawn(3)[2]
    for n, dtype in ((4, np.uint32), (3, np.uint64), (4, np.uint64)):
        assert (seed.generate_state(n, dtype) == other.generate_state(n, dtype)).all()
    generator = np.random.default_rng(seed)
    assert repr(seed) == repr(other)
    for name in ("entropy", "spawn_key", "pool_size", "n_children_spawned"):
        assert getattr(seed, name) == getattr(other, name)
    assert [child.spawn_key for child in generator.bit_generator.seed_seq.spawn(2)] == [
        child.spawn_key for child in other.spawn(2)
    ]
    copies = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    for each in copies:  # they count the children that have been spawned
        assert type(each.bit_generator.seed_seq) is np.random.SeedSequence
        assert each.spawn(1)[0].bit_generator.seed_seq.spawn_key == (2, 2)


@pytest.mark.parametrize("is_set", [False, True])
def test_an_interrupted_draw_is_undone_unless_its_result_is_kept(is_set):
    class Holder:
        def __init__(self):
            vars(self)["drawn"] = None

        def __setattr__(self, name, value):
            if is_set:
                super().__setattr__(name, value)
            raise KeyboardInterrupt

    holder, rng, expected = Holder(), np.random.default_rng(0), np.random.default_rng(0)
    with pytest.raises(KeyboardInterrupt):
        draw(rng, holder, "drawn", rng.random)
    if is_set:
        assert holder.drawn == expected.random()
    assert rng.random() == expected.random()
