"""A small model file takes little memory, whatever sizes it claims."""

import copy
import random
import tracemalloc

import pytest
from file_edits import join, pack, split, unpack
from places import MODEL_FILES
from scale import scaled

import fastnn

pytest.importorskip("sklearn", reason="estimators need the extra sklearn")

LIMIT = 8_000_000  # bytes
SIZES = (10**4, 10**6, 2**24, 3 * 10**8, 2**31 - 1, 2**40, 2**62, 10**30, 1e300)
FILES = sorted(MODEL_FILES.rglob("*.safetensors"))


def numbers_of(value, at=()):
    """Yield the keys that lead to each number of unpacked JSON."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_of(item, (*at, key))
    elif isinstance(value, (int, float)):
        yield at


def with_number(header, at, number):
    """Packed JSON with another number in one place."""
    place = header = copy.deepcopy(header)
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = number
    return pack(header)


def read(path):
    """Load a file, or refuse it. Return the peak of the memory in bytes."""
    from fastnn.files import kinds

    tracemalloc.start()
    try:
        (fastnn.load_many if kinds.kind_of(path) == "fastnn-networks" else fastnn.load)(path)
    except fastnn.ModelFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


def test_every_number_of_a_file_may_claim_any_size(tmp_path):
    path = tmp_path / "m"
    rng = random.Random(0 if scaled(1) == 1 else None)
    large = []
    for file in FILES:
        content = file.read_bytes()
        path.write_bytes(content)
        read(path)  # imports what it needs
        header, arrays = split(content)
        header = unpack(header)
        places = list(numbers_of(header))
        for at in rng.sample(places, min(scaled(15), len(places))):
            number = rng.choice(SIZES)
            path.write_bytes(join(with_number(header, at, number), arrays))
            peak = read(path)
            large += [(file.name, at, number, peak)] if peak > LIMIT else []
    assert len(FILES) > 5 and not large


@pytest.mark.filterwarnings("ignore:Training stopped after")
@pytest.mark.usefixtures("quick_recipe")
@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
@pytest.mark.parametrize("family", ["MLP", "Tabular"])
def test_files_without_column_names_may_claim_any_number_of_columns(family, kind, tmp_path):
    """Their names do not limit it: one of 2^31 columns took 200 GB. All golden files have names."""
    settings = {"max_iter": 2} if family == "MLP" else {"n_estimators": 2, "n_threads": 1}
    model = getattr(fastnn, f"{family}{kind}")(hidden_layer_sizes=4, random_state=0, **settings)
    model.fit([[i / 20, (i * 7 % 20) / 20] for i in range(20)], [i % 2 for i in range(20)])
    path = tmp_path / "m"
    model.save(path)
    read(path)
    header, arrays = split(path.read_bytes())
    header = unpack(header)
    places = list(numbers_of(header))
    columns = [at for at in places if str(at[-1]).startswith("n_features_in")]
    assert len(columns) == 1
    rng = random.Random(0 if scaled(1) == 1 else None)
    claims = [(at, rng.choice(SIZES)) for at in rng.sample(places, min(scaled(15), len(places)))]
    for at, number in [*((columns[0], number) for number in SIZES), *claims]:
        path.write_bytes(join(with_number(header, at, number), arrays))
        assert read(path) <= LIMIT, (at, number)
