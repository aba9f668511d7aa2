"""The examples: each runs as a program, prints the figures it documents in 80 columns, and
saves a picture that is not empty.

Each is run once, without --plot if there is no matplotlib.
Two variables name data that is not shipped: FASTNN_MNIST, a folder with the four IDX files, and
FASTNN_CHILDREN, a CSV file of height, male, age.
"""

import gzip
import importlib.util
import os
import re
import runpy
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from pages import run_script
from places import EXAMPLES

import fastnn
from fastnn.datasets import load_digits

if not EXAMPLES.exists():
    pytest.skip("there are no examples beside these tests", allow_module_level=True)
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
NEEDS = {  # a package: the examples that need it
    "sklearn": """decision_boundary diagnostics messy_table optuna_pruning quantiles reliability
        rows_to_come search sensitivities sensors wine_table""",
    "pyarrow": "messy_table rows_to_come wine_table",
    "optuna": "optuna_pruning",
    "casadi": "optimal_control",
    "pandas": "sensitivities",
}
MATPLOTLIB = importlib.util.find_spec("matplotlib") is not None


def run(name, *arguments):
    return run_script(EXAMPLES / f"{name}.py", *arguments)


def assert_is_a_picture(path):
    from matplotlib.image import imread

    image = imread(path)[..., :3]
    height, width, _ = image.shape
    assert width >= 1500 and 0.3 < height / width < 1.2
    ink = (image < 0.95).any(axis=2)
    for half in ink[:, : width // 2], ink[:, width // 2 :], ink[: height // 2], ink[height // 2 :]:
        assert 0.01 < half.mean() < 0.98
    red_over_blue = image[..., 0] - image[..., 2]
    assert (red_over_blue < -0.15).sum() > 500, "something is blue"
    assert (red_over_blue > 0.15).sum() > 500, "something is orange"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """shown(name): what the example prints, and where its picture is (None without matplotlib);
    each is run once."""
    folder, done = tmp_path_factory.mktemp("pictures"), {}

    def show(name, *arguments):
        if (name, arguments) not in done:
            for package, names in NEEDS.items():
                if name in names.split():
                    pytest.importorskip(package, reason=f"the example needs {package}")
            picture = folder / f"{len(done)}.png" if MATPLOTLIB else None
            result = run(name, *arguments, *(["--plot", picture] if picture else []))
            assert (result.returncode, result.stderr) == (0, "")
            if picture:
                assert_is_a_picture(picture)
            assert max(map(len, result.stdout.replace(str(folder.parent), "").splitlines())) <= 80
            done[name, arguments] = result.stdout, picture
        return done[name, arguments]

    return show


def table(text, header):
    """The rows of numbers below the line that begins so, as an array."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.strip().startswith(header))
    rows = []
    for line in lines:
        numbers = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", line)
        if not numbers:
            break
        rows.append([float(number) for number in numbers])
    return np.array(rows)


def number(text, pattern):
    """The number in the only place where the pattern, with one group, is found."""
    (found,) = re.findall(pattern, text)
    return float(found.replace(",", ""))


# ---- figures ----


def test_three_lines_learn(shown):
    text, _ = shown("three_lines")
    losses = table(text, "step")[:, 1]
    assert losses[0] == pytest.approx(np.log(2), abs=1e-4)
    np.testing.assert_array_less(np.diff(losses), 0)
    assert losses[-1] < 0.25
    assert number(text, r"accuracy ([\d.]+) on images") >= 0.9


TO_THE_END = pytest.param("", marks=pytest.mark.slow("in the midst"), id="to the end")


@pytest.mark.parametrize("more", [TO_THE_END, pytest.param("--steps 300", id="in the midst")])
def test_eleven_lines_are_those_of_numpy(shown, more):
    text, _ = shown("eleven_lines", "--repeats", "1", *more.split())
    rows = table(text, "bits")
    truth, by_numpy, by_fastnn = rows[:, -3:].T
    assert truth.tolist() == [0, 1, 1, 0]
    np.testing.assert_allclose(by_fastnn, by_numpy, rtol=0, atol=1e-6)
    assert number(text, r"largest difference ([\d.e-]+)") < 1e-6
    error = np.mean(np.abs(truth - by_numpy))
    assert number(text, r"mean error ([\d.]+)") == pytest.approx(error, abs=1e-4)
    if not more:
        assert np.mean(np.abs(truth - by_fastnn)) < 0.01
        assert number(text, r"fastnn is ([\d,]+) times faster") > 1


def test_eleven_lines_step_is_that_of_mse_with_learning_rate_two(rng):
    """The gradient of half the sum of squares is (output - target); that of the mean of four
    rows is 2/4 of it."""
    example = runpy.run_path(str(EXAMPLES / "eleven_lines.py"))
    W0, W1 = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (4, 1))
    for steps in 1, 2, 100:
        ours, theirs = (example[how](W0, W1, steps) for how in ("by_fastnn", "eleven_lines"))
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    assert not np.array_equal(example["by_fastnn"](W0, W1, 1), example["by_fastnn"](W0, W1, 2))


def test_odd_or_even_beats_one_layer(shown):
    text, _ = shown("odd_or_even")
    accuracy = number(text, r"accuracy ([\d.]+)")
    assert accuracy >= 0.975
    assert number(text, r": (\d+) of 360 images wrong") == round(360 * (1 - accuracy))
    losses = table(text, "epoch")
    assert losses[:, 0].tolist() == [1, 2, 5, 10, 20, 50, 100, 200]
    assert losses[-1, 1] < 0.02 and losses[-1, 2] < 0.1 < losses[0, 2]


def ages(text):
    """(R2, mean error) with an identity output, (R2, mean error) with a sigmoid output."""
    pattern = "{} output: R2 (-?[\\d.]+), mean absolute error ([\\d.]+)"
    assert len(re.findall(pattern.format(r"\w+"), text)) == 2
    names = "identity", "sigmoid"
    return [tuple(map(float, re.search(pattern.format(name), text).groups())) for name in names]


def test_age_of_synthetic_children(shown):
    text, _ = shown("age_from_height")
    (r2, error), (bad_r2, bad_error) = ages(text)
    assert "1700 synthetic children" in text
    assert r2 > 0.89 and error < 1.15
    assert bad_r2 < 0 and bad_error > 5
    girls_and_boys = table(text, "height")[:, 1:]
    np.testing.assert_array_less(0, np.diff(girls_and_boys, axis=0))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_age_of_children_from_a_file(tmp_path, order):
    height = np.linspace(80, 180, 300)
    columns = np.column_stack([height, np.arange(300) % 2, height / 10 - 5])
    names = np.array(["height", "male", "age"])
    path = tmp_path / "children.csv.gz"
    columns[7, 0] = np.nan  # is left out
    header = ",".join(["id", *names[list(order)]])
    numbers = np.column_stack([np.arange(300), columns[:, order]])
    np.savetxt(path, numbers, delimiter=",", header=header, comments="")
    result = run("age_from_height", path)
    assert result.stdout.startswith("299 children:")
    assert ages(result.stdout)[0][0] > 0.98
    height, girls, boys = table(result.stdout, "height").T
    np.testing.assert_allclose(girls, height / 10 - 5, atol=1)
    np.testing.assert_allclose(boys, height / 10 - 5, atol=1)


WRONG_FILES = [
    ("size,male,age\n1,1,1\n", "has the columns size, male, age, but the example needs height"),
    ("height,male,age\n1,1,1\n2,1,1\n", "has 2 complete rows, but the example needs at least"),
    (None, "children.csv not found"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_FILES)
def test_age_from_height_says_what_is_wrong_with_a_file(tmp_path, text, message):
    path = tmp_path / "children.csv"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    result = run("age_from_height", path)
    assert (result.returncode, result.stdout) == (2, "") and message in result.stderr


def needs_data(name, what):
    return pytest.mark.skipif(name not in os.environ, reason=f"{name} names no {what}")


@needs_data("FASTNN_CHILDREN", "CSV file of height, male, age")
def test_age_of_real_children(shown):
    (r2, error), _ = ages(shown("age_from_height", os.environ["FASTNN_CHILDREN"])[0])
    assert r2 >= 0.905 and error <= 1.05


@pytest.fixture(scope="module")
def small_mnist(tmp_path_factory):
    """The shipped digits as IDX files, two of them compressed."""
    folder = tmp_path_factory.mktemp("idx")
    X, digits = load_digits()
    order = np.random.default_rng(0).permutation(len(X))
    for part, rows in ("train", order[300:]), ("t10k", order[:300]):
        images = np.round(255 * X[rows]).astype(np.uint8).reshape(-1, 8, 8)
        labels = digits[rows].astype(np.uint8)
        for kind, numbers in ("images-idx3", images), ("labels-idx1", labels):
            head = bytes([0, 0, 8, numbers.ndim]) + np.array(numbers.shape, ">u4").tobytes()
            path, content = folder / f"{part}-{kind}-ubyte", head + numbers.tobytes()
            if part == "train":
                path, content = path.with_name(f"{path.name}.gz"), gzip.compress(content)
            path.write_bytes(content)
    return str(folder)


def accuracies(text):
    """Of the two networks; the last epoch's is the one that is printed alone."""
    lines = re.findall(r"after each epoch (.*)", text)
    curves = [[float(score) for score in line.split()] for line in lines]
    final = [float(score) for score in re.findall(r"test accuracy ([\d.]+)", text)]
    assert [curve[-1] for curve in curves] == pytest.approx(final, abs=6e-4)
    return final


def test_mnist_on_small_files(shown, small_mnist):
    text, _ = shown("mnist", small_mnist)
    assert text.startswith("1,497 training images, 300 test images")
    assert "64 - 16 - 16 - 10" in text and "64 - 128 - 10" in text
    sigmoids, relu = accuracies(text)
    assert sigmoids > 0.85 and relu > 0.95


def test_mnist_says_what_is_wrong_with_a_folder(small_mnist, tmp_path):
    missing = run("mnist", tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "found neither " in missing.stderr and "Traceback" not in missing.stderr
    assert "train-images-idx3-ubyte nor train-images-idx3-ubyte.gz" in missing.stderr
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"hello")
    other = run("mnist", tmp_path)
    assert "is not an IDX file of bytes" in other.stderr and "Traceback" not in other.stderr


@needs_data("FASTNN_MNIST", "folder with MNIST's four IDX files")
def test_mnist(shown):
    text, _ = shown("mnist", os.environ["FASTNN_MNIST"])
    assert text.startswith("60,000 training images, 10,000 test images")
    sigmoids, relu = accuracies(text)
    assert sigmoids >= 0.93 and relu >= 0.975


@pytest.mark.slow("test_loss.py")
def test_binary_cross_entropy_is_what_it_says(shown):
    text, _ = shown("binary_cross_entropy")
    predicted, yes, no = table(text, "prediction   cost").T
    np.testing.assert_allclose(yes, -np.log(predicted), atol=6e-4)
    np.testing.assert_allclose(no, -np.log(1 - predicted), atol=6e-4)
    share, cheapest, costs, entropy = table(text, "share of class 1").T
    np.testing.assert_array_equal(cheapest, share)
    np.testing.assert_array_equal(costs, entropy)
    _, truth, predicted, cost = table(text, "x   class").T
    expected = -np.log(np.where(truth, predicted, 1 - predicted))
    np.testing.assert_allclose(cost, expected, atol=0.3, rtol=0.02)
    assert number(text, r"loss: ([\d.]+) \(log 2\) before") == pytest.approx(np.log(2), abs=1e-4)
    last, mean = number(text, r"training, ([\d.]+) after"), number(text, r"mean cost: ([\d.]+)")
    assert last == mean == pytest.approx(cost.mean(), abs=1e-3) and last < 0.5


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two folders of pictures: light crosses and dark discs; and two of nothing but noise."""
    Image = pytest.importorskip("PIL.Image", reason="Pillow draws pictures (extra `plot`)")
    from PIL import ImageDraw

    folder, rng = tmp_path_factory.mktemp("cats"), np.random.default_rng(0)
    for set in "shapes", "noise":
        for kind in "crosses", "discs":
            (folder / set / kind).mkdir(parents=True)
            for i in range(100):
                picture = Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8))
                x, y, r = rng.integers(15, 30), rng.integers(15, 26), rng.integers(9, 14)
                draw = ImageDraw.Draw(picture)
                if set == "shapes" and kind == "discs":
                    draw.ellipse((x - r, y - r, x + r, y + r), fill=(40, 20, 60))
                elif set == "shapes":
                    draw.line((x - r, y - r, x + r, y + r), fill=(250, 220, 230), width=5)
                    draw.line((x - r, y + r, x + r, y - r), fill=(250, 220, 230), width=5)
                picture.save(folder / set / kind / f"{i}.png")
    (folder / "shapes" / "discs" / "notes.txt").write_text("not a picture", encoding="utf-8")
    return folder


def test_cat_or_not_tells_shapes_apart(shown, pictures):
    model = pictures / "model.safetensors"
    text, _ = shown("cat_or_not", pictures / "shapes", "--model", model)
    assert "notes.txt" in text.splitlines()[0] and "skipped, not a picture" in text
    rows = "100 crosses and 100 discs: 120 training pictures,\n40 to find the best epoch, 40"
    assert rows in text
    assert number(text, r"test accuracy +([\d.]+)") >= 0.9
    assert "dense networks reach 0.60 to 0.63" in text
    for kind in "crosses", "discs":
        (pictures / "shapes" / kind / "0.png").rename(pictures / "one.png")
        answer = run("cat_or_not", pictures / "one.png", "--model", model).stdout
        (pictures / "one.png").rename(pictures / "shapes" / kind / "0.png")
        assert re.fullmatch(rf"{kind} \(probability [01]\.\d\d\)\n", answer)


def test_cat_or_not_stops_at_the_best_epoch_where_there_is_nothing_to_tell(shown, pictures):
    text, _ = shown("cat_or_not", pictures / "noise", "--model", pictures / "noise.safetensors")
    n_epochs = number(text, r"parameters, (\d+) epochs")
    assert number(text, r"epochs, best (\d+)") == n_epochs - 10 < 90
    # 40 coins come above that once in a thousand times
    assert number(text, r"test accuracy +([\d.]+)") < 0.75
    assert 0.5 <= number(text, r"baseline +([\d.]+)") < 0.7


def test_cat_or_not_says_what_is_wrong_with_a_picture_or_a_model(pictures, tmp_path):
    picture, model = pictures / "noise" / "discs" / "0.png", tmp_path / "m.safetensors"
    result = run("cat_or_not", picture, "--model", model)
    assert result.returncode == 2 and "there is no model" in result.stderr
    fastnn.MLP([2, 1]).save(model)
    assert "was not written by this example" in run("cat_or_not", picture, "--model", model).stderr
    net = fastnn.MLP([3072, 1])
    net.metadata = {"kinds": '["a", "b"]'}
    net.save(model)
    for name, message in ("notes.txt", "not a picture"), ("none.png", "No such file"):
        result = run("cat_or_not", pictures / "shapes" / "discs" / name, "--model", model)
        assert result.returncode == 2 and message in result.stderr


def test_cat_or_not_says_what_is_wrong_with_a_folder(pictures, tmp_path):
    result = run("cat_or_not", tmp_path)
    message = "has 0 subfolders, but the example expects two"
    assert result.returncode == 2 and message in " ".join(result.stderr.split())
    (tmp_path / "cats").mkdir(), (tmp_path / "dogs").mkdir()
    result = run("cat_or_not", tmp_path)
    assert result.returncode == 2 and "cats has 0 pictures and dogs has 0" in result.stderr


SPIRALS = pytest.param("spirals", marks=pytest.mark.slow("moons"))


@pytest.mark.parametrize("shape", ["moons", SPIRALS])
def test_boundary_bends_with_time_and_layers(shown, shape):
    text, _ = shown("decision_boundary", "--shape", shape)
    scores = table(text, "epochs")
    assert scores[:, 0].tolist() == [1, 10, 100]
    np.testing.assert_array_less(scores[0, 1:] + 0.08, scores[2, 1:])
    np.testing.assert_array_less(0.99, scores[2, 2:])
    assert scores[2, 1] > 0.99 if shape == "moons" else scores[2, 1] < 0.95


ONE_RATE = ("SGD", "momentum", "Nesterov")


def test_optimizers_come_down(shown):
    text, _ = shown("optimizer_paths")
    for surface in "valley", "saddle":
        block = text.split(f"{surface}, height after")[1].split("\n\n")[0]
        lines = re.findall(r"^(\w+) +lr [\d.]+ +(.*)$", block, re.M)
        heights = {name: [float(height) for height in line.split()] for name, line in lines}
        assert len(heights) == 11 and len({line[0] for line in heights.values()}) == 1
        assert all(line[-1] < line[0] / 50 for line in heights.values())
        if surface == "saddle":
            assert min(heights[name][1] for name in ONE_RATE) >= 0.0625, "its height is 1/16"
        else:
            assert heights["AdamW"][-1] > 5 * heights["Adam"][-1], "it is pulled to (0, 0)"


def test_optimizers_with_one_rate_go_to_the_saddle_first():
    example = runpy.run_path(str(EXAMPLES / "optimizer_paths.py"))
    for name in example["OPTIMIZERS"]:
        path, _ = example["walk"]("saddle", name)
        x_half_way_up = path[np.argmax(path[:, 1] > 0.5), 0]
        assert (abs(x_half_way_up) < 0.05) == (name in ONE_RATE), name


@pytest.mark.parametrize("surface", ["valley", "saddle"])
def test_surfaces_have_the_gradient_that_they_say(surface, rng):
    height, _ = runpy.run_path(str(EXAMPLES / "optimizer_paths.py"))["SURFACES"][surface]
    for x, y in rng.uniform(-2, 2, (10, 2)):
        d = 1e-5
        steps = (d, 0), (0, d)
        slopes = [(height(x + a, y + b)[0] - height(x - a, y - b)[0]) / (2 * d) for a, b in steps]
        np.testing.assert_allclose(height(x, y)[1], slopes, rtol=1e-6, atol=1e-8)


@pytest.mark.slow("test_schedules.py")
def test_a_rate_that_falls_comes_closer(shown):
    text, _ = shown("learning_rate_schedules")
    example = runpy.run_path(str(EXAMPLES / "learning_rate_schedules.py"))
    epochs = [int(epoch) for epoch in text.splitlines()[0].split()[1:]]
    assert epochs[-1] == example["EPOCHS"]
    for name, schedule in example["SCHEDULES"].items():
        lines = text.split(f"\n{name}\n")[1].splitlines()[:2]
        lr, distance = ([float(x) for x in re.findall(r"\d\.\d+", line)] for line in lines)
        if name == "ReduceOnPlateau":
            assert lr[0] == 0.05 and lr == sorted(lr, reverse=True) and lr[-1] < 0.01
        else:
            constant = name == "constant"
            expected = [schedule if constant else schedule(epoch - 1) for epoch in epochs]
            np.testing.assert_allclose(lr, expected, atol=6e-5)
        if name == "constant":
            usual = np.mean(distance[-4:])
        else:
            assert distance[-1] < usual / 2


def test_quantiles_widen_with_the_noise(shown):
    text, _ = shown("quantiles")
    _, learned, truth = table(text, "x   width").T
    np.testing.assert_allclose(learned, truth, rtol=0.15)
    np.testing.assert_array_less(0.1, np.diff(learned))
    below = re.findall(r"^ +(\d+)%: ([\d.]+)%", text, re.M)
    assert [q for q, _ in below] == ["10", "50", "90"]
    np.testing.assert_allclose([float(share) for _, share in below], [10, 50, 90], atol=3)


@pytest.mark.slow("tests of derivatives of tables")
def test_differences_are_best_for_steps_that_are_neither_small_nor_large(shown):
    text, _ = shown("sensitivities")
    assert number(text, r"R2 out of fold ([\d.]+)") > 0.6
    rows = re.findall(r"^([a-z_0-9]+) +(\d\.\d\d) +(\d+)%$", text, re.M)
    sizes = [float(size) for _, size, _ in rows]
    assert len(rows) == 12 and sizes == sorted(sizes, reverse=True) and sizes[0] > 0.4
    shares = {name: int(share) for name, _, share in rows}
    assert shares["hue"] < 20 and shares["alcohol"] > 80
    steps, errors = table(text, "step").T
    assert errors.min() < 1e-4 and min(errors[0], errors[-1]) > 0.05
    assert 1e-4 < steps[errors.argmin()] < 0.1


def test_slopes_of_a_pendulum_save_points(shown):
    text, _ = shown("pendulum")
    n, without, with_slopes = table(text, "points").T
    assert (with_slopes < 0.75 * without).all()
    assert with_slopes[n == 32] < without[n == 64]
    needed = re.search(r"below 0.05: (\d+) without slopes, (\d+) with$", text, re.M)
    assert int(needed[2]) <= int(needed[1]) / 2


def test_a_cart_learns_to_swing_up_a_pole(shown):
    text, _ = shown("cart_pole", "--generations", "20")
    generation, score = table(text, "generation").T
    assert generation.tolist() == [0, 10, 20]
    assert score[0] < -0.5 and score[-1] > 0.6
    assert number(text, r"([\d,]+) steps of carts") == 256 * 2 * 500 * 21


def test_a_network_solves_the_heat_equation(shown):
    text, _ = shown("heat_equation")
    assert (table(text, "time")[:, 2] < 0.02).all()
    first, last = re.search(r"^loss ([\d.]+) at first, ([\d.]+) at", text, re.M).groups()
    assert float(last) < float(first) / 200


def test_calibrated_probabilities_are_what_they_say(shown):
    text, _ = shown("reliability")
    lines = (re.search(rf"^{when} +([\d. ]+)$", text, re.M)[1] for when in ("before", "after"))
    before, after = ([float(n) for n in line.split()] for line in lines)
    assert after[0] < before[0] - 0.2 and after[1] < 0.04 < 0.1 < before[1]
    assert after[2] == before[2] > 0.78
    assert number(text, r"temperature ([\d.]+)") > 2
    low, high, before, n_before, after, n_after = table(text, "probability").T
    assert n_before.sum() == n_after.sum() == 10_000
    middle = (low + high) / 2
    assert np.abs(after - middle).max() < 7 < 20 < np.abs(before - middle).max()


def test_expected_calibration_error_by_hand():
    pytest.importorskip("sklearn", reason="the estimators need the extra sklearn")
    example = runpy.run_path(str(EXAMPLES / "reliability.py"))
    p, y = np.array([0.0, 0.05, 0.95, 1.0, 0.5]), np.array([0, 1, 1, 1, 1])
    predicted, true, n = example["reliability"](p, y)
    assert n.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    np.testing.assert_allclose(predicted[[0, 5, 9]], [0.025, 0.5, 0.975])
    np.testing.assert_allclose(true[[0, 5, 9]], [0.5, 1, 1])
    assert example["ece"](p, y) == pytest.approx((2 * 0.475 + 0.5 + 2 * 0.025) / 5)


@pytest.mark.slow("test_summary.py")
def test_diagnostics_find_what_is_wrong(shown):
    text, _ = shown("diagnostics")
    assert text.startswith("MLP, float32\nlayer") and " 4,810" in text
    accuracy = number(text, r"accuracy ([\d.]+)")
    pairs = table(text, "true digit")
    assert accuracy > 0.94 and (pairs[:, 0] != pairs[:, 1]).all()
    assert 0 < pairs[:, 2].sum() <= round(600 * (1 - accuracy)) and pairs[0, 2] == max(pairs[:, 2])
    low, high = map(float, re.search(r"digits: ([\d.]+) to ([\d.]+)", text).groups())
    assert 0.95 < low < high <= 1
    row, column = map(int, re.search(r"row (\d), column (\d)", text).groups())
    assert 0 < row < 7 and 0 < column < 7, "the edges of the images are empty"


@pytest.mark.slow("test_code_of_the_guide_runs[index.md] fits this table")
def test_wines_are_told_apart(shown):
    text, _ = shown("wine_table")
    assert number(text, r"accuracy out of fold ([\d.]+)") > 0.95
    importances = [float(x) for x in re.findall(r"^[a-z_]+ +(\d\.\d{3})$", text, re.M)]
    assert len(importances) == 5 and importances == sorted(importances, reverse=True)
    assert importances[-1] > 0


@pytest.mark.slow("tests of texts, dates and intervals of tables")
def test_a_messy_table_is_read_as_it_is_meant(shown):
    text, _ = shown("messy_table")
    kinds = dict(re.findall(r"^(\w+) +(number|category|date)$", text, re.M))
    assert kinds == dict(Area="number", District="category", Floor="category", Listed="date")
    assert number(text, r"R2 out of fold ([\d.]+)") > 0.6
    assert number(text, r"intervals: ([\d.]+) of") == pytest.approx(0.9, abs=0.08)


@pytest.mark.slow("tests of folds in time")
def test_random_folds_promise_more_than_folds_in_time(shown):
    text, _ = shown("rows_to_come")
    assert "the rows depend on the time in column 'day'" in " ".join(text.split())
    at_random, in_time, later = (float(x) for x in re.findall(r"^R2, .* (-?\d\.\d\d)$", text, re.M))
    assert at_random > 0.8 and at_random > in_time + 0.2 and at_random > later + 0.2
    assert abs(in_time - later) < at_random - later


@pytest.mark.slow("test_search.py")
def test_halving_finds_a_good_candidate_in_fewer_epochs(shown):
    text, _ = shown("search", "--candidates", "60")
    lines = [line.split() for line in text.splitlines()[1:]]
    assert [line[0] for line in lines] == ["all", "halving"]
    networks, epochs, _, loss = (np.array([float(line[i]) for line in lines]) for i in range(1, 5))
    assert networks.tolist() == [300, 300]
    assert epochs[0] == 300 * 27 and 0.2 < epochs[1] / epochs[0] < 0.35
    assert (loss < 0.12).all()


def test_optuna_prunes(shown):
    text, _ = shown("optuna_pruning", "--trials", "40")
    assert 0 < number(text, r"(\d+) of them pruned") < 40
    assert number(text, r"(\d+) epochs instead") < number(text, r"instead of (\d+)") == 40 * 60
    assert number(text, r"test accuracy ([\d.]+)") > 0.9


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_control_is_that_of_the_graph(shown):
    text, _ = shown("optimal_control")
    assert number(text, r"acceleration, error ([\d.]+)") < 0.1
    assert len(re.findall(r": \d+\.\d\d s in IPOPT", text)) == 2
    assert number(text, r"difference of the torques: ([\d.e+-]+)") < 1e-6
    assert abs(number(text, r"ends at ([\d.]+) degrees") - 180) < 10


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("casadi", "Run: pip install casadi"), ("cc", "a C compiler, cc, such")],
)
def test_control_says_what_it_needs(monkeypatch, lacking, message):
    monkeypatch.setitem(sys.modules, "casadi", None if lacking == "casadi" else types)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=f"This example needs .*{message}"):
        runpy.run_path(str(EXAMPLES / "optimal_control.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_run(name):
    assert f'shown("{name}"' in Path(__file__).read_text(encoding="utf-8")


@pytest.mark.slow("test_many.py")
def test_each_sensor_gets_a_network_that_predicts_it(shown):
    text, _ = shown("sensors", "--sensors", "60")
    names = "for all sensors", "for each sensor", "the noise"
    for_all, for_each, noise = (number(text, rf"{name} +([\d.]+)") for name in names)
    assert noise == 0.1 < for_each < 0.13 and for_all > 0.7
    lists = (re.search(rf"{name} +\[(.*)\]", text)[1] for name in ("predicts", "measured"))
    predicted, measured = (np.array(each.split(), float) for each in lists)
    np.testing.assert_allclose(predicted, measured, atol=0.5)


@pytest.mark.parametrize("name", NAMES)
def test_text_helps_a_newcomer(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    docstring = re.match(r'"""(.*?)"""', text, re.S)[1]
    assert len(docstring.splitlines()) >= 10 and max(map(len, docstring.splitlines())) <= 80
    assert f"python examples/{name}.py" in docstring
    assert re.search(r"[Yy]ou\s+will\s+see", docstring)
    assert text.count("\n") <= 150, "an example is short"
    assert f"[{name}.py]({name}.py)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "arguments"), [("three_lines", ()), ("mnist", (".",))])
def test_a_picture_that_cannot_be_saved_is_refused_at_once(name, arguments):
    result = run(name, *arguments, "--plot", "picture.docx")
    assert (result.returncode, result.stdout) == (2, "")
    why = "the file name must end in .png, .svg or .pdf, got 'picture.docx'"
    why = why if MATPLOTLIB else "plots need matplotlib"
    assert f"argument --plot: {why}" in result.stderr.splitlines()[-1]
