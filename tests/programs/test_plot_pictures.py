"""The pictures of fastnn.plotting, compared with those on record.

The difference of two pictures is the root mean square over pixels, from 0 to 255. It is 0 between
matplotlib 3.8 with scikit-learn 1.7 and matplotlib 3.11 with scikit-learn 1.9, except for images:
the edges of their pixels move by one pixel of the picture.
"""

import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra `plot`)")
pytest.importorskip("sklearn", reason="the displays are those of scikit-learn")

import pictures
from matplotlib.image import imread
from matplotlib.testing.compare import calculate_rms

TOLERANCES = {"images": 25, "weights": 25, "weights_images": 25, "confusion": 25}
TOLERANCE = 5  # of others


def difference(a, b):
    return calculate_rms(*(255 * imread(path)[..., :3] for path in (a, b)))


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_the_picture_is_that_on_record(name, tmp_path):
    pictures.draw(name, tmp_path / "now.png")
    record = pictures.FOLDER / f"{name}.png"
    assert difference(record, tmp_path / "now.png") < TOLERANCES.get(name, TOLERANCE)


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_the_tolerance_is_less_than_the_difference_of_two_plots(name):
    record = pictures.FOLDER / f"{name}.png"
    others = [path for path in pictures.FOLDER.glob("*.png") if path != record]
    assert len(others) == len(pictures.PLOTS) - 1
    least = min(difference(record, other) for other in others)
    assert least > 1.5 * TOLERANCES.get(name, TOLERANCE)
