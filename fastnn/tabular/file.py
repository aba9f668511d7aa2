"""Read and write files of estimators for tables, with their encoding.

The file is a safetensors file. The array "params0" (number of folds, number of snapshots, n_params)
has the parameters of the networks of member 0, and so on; "importances" (n_features,) and, for a
regression, "errors" (m,) and "errors_fold" (m,) are what `feature_importances_` and
`predict_interval` need. A fit that Ctrl-C has stopped also has the members of share 0, and
"unfinished" in its JSON. Everything else is JSON in the text metadata: the model, and `metadata_`,
unless it is empty, under "user". Nothing in a file is run.
"""

import math
from dataclasses import asdict
from itertools import pairwise

import numpy as np

from .. import losses
from ..errors import Argument, DataError
from ..files import ModelFileError, kinds, labels, safetensors
from ..files.model import check_user_metadata
from ..files.safetensors import check_mapping, is_count, parse_json, to_text
from ..mlp import MLP
from ..tables.dates import COMPACT, FORMATS
from ..tables.texts import PUNCTUATION
from .columns import KINDS
from .encoder import Encoder, Scaling
from .estimator import MAX_FOLDS, MAX_HIDDEN, MAX_WIDTH
from .features import CATEGORIES, DATE_CATEGORIES, LAST_PART, NUMBERS, Features
from .fit import Member
from .targets import Classes, Numbers, resolve_loss
from .unfinished import PARTS, Unfinished

FORMAT, VERSION = "fastnn-tabular", 1
ACTIVATION = "silu"
MAX_SNAPSHOTS = 2
SPARE = 100_000  # bytes of the header for arrays, members and what resuming needs
MIN_T = 0.001
#: Fitted attributes that JSON holds as they are.
PLAIN = "n_features_in_", "oof_score_", "_target_name"


# ---- write ----


def write(path, estimator):
    """Write a fitted estimator to a file, atomically."""
    e = estimator
    arrays = {"importances": np.asarray(e.feature_importances_, np.float64)}
    for i, member in enumerate(e._members):
        arrays[f"params{i}"] = np.stack(
            [np.stack([net.params for net in networks]) for networks in member.networks]
        )
    errors = getattr(e, "_held_out_errors", None)
    if errors is not None:
        arrays["errors"] = np.concatenate(errors)[:, 0]
        arrays["errors_fold"] = np.repeat(np.arange(len(errors)), [len(x) for x in errors])
    content = _describe(e, e._encoders)
    content["members"] = [
        dict(encoder=m.encoder, share=m.share, hidden=list(m.networks[0][0].layer_sizes[1:-1]))
        for m in e._members
    ]
    if e._unfinished is not None:
        content["unfinished"] = asdict(e._unfinished)
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "model": to_text(content, allow_nan=False),
    }
    if e.metadata_:
        metadata["user"] = to_text(check_user_metadata(e.metadata_, ValueError, "metadata_"))
    safetensors.write(path, arrays, metadata, "Store less in metadata_.")


def check_before_training(e, encoders, n_folds):
    """Raise ValueError unless a file can hold an estimator once its networks are trained.

    Parameters
    ----------
    e : TabularClassifier or TabularRegressor
        With features and targets.
    encoders : list of Encoder
        All that its networks may use.
    n_folds : int
    """
    content = _describe(e, encoders)
    room = safetensors.MAX_HEADER - SPARE - 8 * n_folds - e._metadata_bytes
    n_bytes, features = _n_bytes(content), e._features
    if n_bytes <= room:
        return
    sizes: dict = {  # {part: (bytes, what to do)}
        f"the names of {e.n_features_in_:,} columns": (
            _n_bytes([features.names, features.left_out]),
            "Shorten the names, or pass fewer columns.",
        ),
        f"the encoding of {len(features.numbers):,} numbers": (
            _n_bytes(content["encoders"]),
            ("Leave columns out with ", Argument("drop"), "."),
        ),
        "the targets": (_n_bytes(content["targets"]), "Shorten the texts of the classes."),
    }
    for c in features.categories:
        if c.levels:
            label, longest = features.columns[c.source].label, max(map(len, c.levels))
            drop = ("Shorten its texts, or leave it out. Pass ", Argument("drop", [label]), ".")
            what = f"column {label!r} with {len(c.levels):,} categories of up to {longest:,} characters"
            sizes[what] = _n_bytes(c.levels), drop
    what, (size, advice) = max(sizes.items(), key=lambda item: item[1][0])
    raise DataError(
        "the model would describe its columns and targets in {n_bytes:,} bytes, but the header of "
        "its file has room for {room:,}. The largest part is {what}: {size:,} bytes.",
        "{advice}",
        n_bytes=n_bytes,
        room=max(room, 0),
        what=what,
        size=size,
        advice=advice,
    )


def _n_bytes(value):
    """Return the size of a value in a header, where it is JSON in JSON."""
    return len(to_text(to_text(value, allow_nan=False)).encode())


def _describe(e, encoders):
    """Return what is known of an estimator before its networks are trained, as JSON holds it."""
    fitted = {name: getattr(e, name, None) for name in PLAIN}
    if fitted["oof_score_"] is not None and not math.isfinite(fitted["oof_score_"]):
        fitted["oof_score_"] = None
    return dict(
        estimator=type(e).__name__,
        parameters={name: _to_json(name, value) for name, value in e.get_params(False).items()},
        fitted=fitted,
        features=e._features.to_json(),
        encoders=[_describe_encoder(encoder) for encoder in encoders],
        targets=_describe_targets(e),
    )


def _to_json(name, value):
    """Return a parameter of the estimator as JSON holds it."""
    if name == "random_state" and not isinstance(value, (int, np.integer)):
        return None  # the state of a generator does not matter to a fitted estimator
    if isinstance(value, losses.Loss):
        return losses.describe(value)
    if isinstance(value, dict):
        return [[labels.to_json(key), float(weight)] for key, weight in value.items()]
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        return [_to_json(name, item) for item in value]
    return labels.to_json(value)


def _describe_encoder(encoder):
    return dict(
        scalings=[asdict(s) for s in encoder.scalings],
        edges=encoder.edges,
        values=encoder.values,
        n_levels=encoder.n_levels,
        width=encoder.width,
    )


def _describe_targets(e):
    targets = e._targets
    if targets.is_classifier:
        return dict(labels.describe(e.classes_), temperature=targets.temperature)
    return dict(
        loss=losses.describe(targets.loss),
        shift=targets.shift,
        scale=targets.scale,
        bounds=list(targets.bounds),
        log=targets.log,
    )


# ---- read ----


def read(path):
    """Return the estimator of a file.

    Raises
    ------
    ModelFileError
        The file does not hold an estimator for tables, is damaged, or was written by a newer
        version.
    """
    with safetensors.reading(path) as reader, kinds.damage_refused("model"):
        return _read(reader)


def _read(reader):
    metadata = reader.metadata
    kinds.check(metadata, FORMAT, VERSION)
    content = check_mapping(parse_json(metadata.get("model"), "model"), "model")
    n_features = check_mapping(content["fitted"], "fitted")["n_features_in_"]
    _check(n_features == reader.length("importances"), "n_features_in_")  # at most what it stores
    e = _estimator(content)
    e.metadata_ = {}
    if "user" in metadata:
        user = parse_json(metadata["user"], "user")
        e.metadata_ = check_user_metadata(user, ModelFileError, "metadata_")
    members = content["members"]
    _check(isinstance(members, list), "members")
    one_class = isinstance(e._targets, Classes) and e._targets.n_out == 1
    _check((len(members) == 0) == one_class, "members")
    shapes = [_shape(reader, f"params{i}") for i in range(len(members))]
    sizes = []
    for member, (n_folds, n_snapshots) in zip(members, shapes):
        hidden = member["hidden"]
        _check(isinstance(hidden, list) and 0 < len(hidden) <= MAX_HIDDEN, "hidden")
        _check(all(is_count(size, MAX_WIDTH, 1) for size in hidden), "hidden")
        _check(is_count(member["encoder"], len(e._encoders) - 1), "encoder")
        _check(type(member["share"]) is float and 0 <= member["share"] <= 1, "share")
        _check(n_folds == shapes[0][0] and n_snapshots <= MAX_SNAPSHOTS, "params")
        sizes.append([e._encoders[member["encoder"]].n_inputs, *hidden, e._targets.n_out])
    expected = {"importances": ([e.n_features_in_], "F64")}
    for i, (size, shape) in enumerate(zip(sizes, shapes)):
        n_params = sum(a * b + b for a, b in pairwise(size))
        expected[f"params{i}"] = [*shape, n_params], "F32"
    e._unfinished = None
    if "unfinished" in content:
        e._unfinished = _unfinished(content["unfinished"], shapes)
    used = [member["share"] > 0 for member in members]
    _check(any(used or [True]) and (e._unfinished is not None or all(used)), "share")
    e.n_folds_ = shapes[0][0] if shapes else 0
    e.n_folds_left_ = e._unfinished.n_folds - e.n_folds_ if e._unfinished is not None else 0
    is_classifier = e._targets.is_classifier
    has_errors = not is_classifier and e._targets.n_out == 1
    if has_errors:
        n = _length(reader, "errors")
        expected |= {"errors": ([n], "F64"), "errors_fold": ([n], "I64")}
    reader.check(expected)
    e.feature_importances_ = reader.array("importances")
    e._members = []
    for i, (member, size) in enumerate(zip(members, sizes)):
        networks = []
        for fold in reader.array(f"params{i}"):
            networks.append([_network(size, e._targets.output, params) for params in fold])
        e._members.append(Member(member["encoder"], member["share"], networks))
    if not is_classifier:
        e._held_out_errors = None
    if has_errors:
        errors, fold = reader.array("errors"), reader.array("errors_fold")
        _check(np.all((fold >= 0) & (fold < shapes[0][0])), "errors_fold")
        e._held_out_errors = [errors[fold == i, None] for i in range(shapes[0][0])]
    return e


def _check(valid, what):
    if not valid:
        raise ValueError(what)


def _shape(reader, name):
    shape = check_mapping(reader.entries.get(name), name).get("shape")
    valid = isinstance(shape, list) and len(shape) == 3
    if not valid or not all(is_count(k, MAX_FOLDS, 1) for k in shape[:2]):
        raise ModelFileError(f"the shape of {name} is invalid")
    return shape[:2]


def _length(reader, name):
    shape = check_mapping(reader.entries.get(name), name).get("shape")
    if not isinstance(shape, list) or len(shape) != 1 or not is_count(shape[0], reader.n_bytes):
        raise ModelFileError(f"the shape of {name} is invalid")
    return shape[0]


def _network(sizes, output, params):
    hidden = [ACTIVATION] * (len(sizes) - 2)
    dropout = [0.0] * (len(sizes) - 1)
    net = MLP._blank(
        sizes, [*hidden, output], True, np.dtype(np.float32), dropout, np.random.default_rng(0)
    )
    net.params = params
    return net


def _estimator(content):
    """Return an estimator without networks."""
    from .classifier import TabularClassifier
    from .regressor import TabularRegressor

    known = {cls.__name__: cls for cls in (TabularClassifier, TabularRegressor)}
    _check(content["estimator"] in known, "estimator")
    cls = known[content["estimator"]]
    parameters = dict(check_mapping(content["parameters"], "parameters"))
    if isinstance(parameters.get("loss"), dict):
        parameters["loss"] = losses.from_description(parameters["loss"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    e = cls(**parameters)
    e._validate_params()
    fitted = content["fitted"]
    for name in PLAIN:
        setattr(e, name, fitted[name])
    _check(is_count(e.n_features_in_, 2**31), "n_features_in_")
    _check(e.oof_score_ is None or _is_finite(e.oof_score_), "oof_score_")
    _check(e._target_name is None or isinstance(e._target_name, str), "_target_name")
    e._features = _features(content["features"], e.n_features_in_)
    if e._features.names is not None:
        e.feature_names_in_ = np.array(e._features.names, dtype=object)
    e._describe_columns()
    n_numbers, categories = len(e._features.numbers), e._features.categories
    _check(isinstance(content["encoders"], list), "encoders")
    e._encoders = [_encoder(d, n_numbers, categories) for d in content["encoders"]]
    targets = check_mapping(content["targets"], "targets")
    if cls is TabularClassifier:
        e.classes_ = labels.parse(targets)
        temperature = targets["temperature"]
        _check(_is_finite(temperature) and MIN_T <= temperature <= 1 / MIN_T, "temperature")
        e._targets = Classes(len(e.classes_), temperature)
    else:
        shift, scale, bounds = targets["shift"], targets["scale"], targets["bounds"]
        _check(all(map(_is_finite, [shift, scale, *bounds])), "targets")
        _check(len(bounds) == 2 and bounds[0] <= bounds[1] and scale > 0, "targets")
        loss, log = resolve_loss(losses.from_description(targets["loss"])), targets["log"]
        _check(type(log) is bool and (bounds[0] > 0 or not log), "log")
        e._targets = Numbers(loss, shift, scale, tuple(bounds), log)
    return e


def _unfinished(d, shapes):
    d = Unfinished(**check_mapping(d, "unfinished"))
    _check(is_count(d.n_folds, MAX_FOLDS) and isinstance(d.folds, list), "folds")
    _check(all(is_count(fold, d.n_folds - 1) for fold in d.folds), "folds")
    _check(d.folds == sorted(set(d.folds)) and len(d.folds) < d.n_folds, "folds")
    _check(all(shape[0] == len(d.folds) for shape in shapes) and len(shapes) > 0, "folds")
    _check(_is_finite(d.share) and 0 <= d.share <= 1, "share of epochs")
    digests = check_mapping(d.digests, "digests")
    _check(digests.keys() == PARTS.keys(), "digests")
    _check(all(type(digest) is str for digest in digests.values()), "digests")
    return d


def _is_finite(x):
    return type(x) is float and math.isfinite(x)


def _features(d, n):
    d = check_mapping(d, "features")
    left_out = check_mapping(d["left_out"], "left_out")
    _check(all(type(reason) is str for reason in left_out.values()), "left_out")
    names = d["names"]
    if names is not None:
        _check(isinstance(names, list) and len(names) == n, "names")
        _check(all(type(name) is str for name in names), "names")
    features = Features.from_json(d)
    columns = names if names is not None else list(map(str, range(n)))
    _check(set(left_out) <= set(columns), "left_out")
    _check(len(features.positions) == len(features.columns), "positions")
    for position, column in zip(features.positions, features.columns):
        _check(is_count(position, n - 1) and column.label == columns[position], "positions")
        _check(column.kind in KINDS and type(column.from_text) is bool, "columns")
        _check(column.style is None or _is_style(column.style, column.kind), "style")
    last = len(features.columns) - 1
    for f in (*features.numbers, *features.categories):
        _check(is_count(f.source, last), "source")
    for f in features.numbers:
        kind = features.columns[f.source].kind
        _check(f.part in NUMBERS and kind in ("number", "date"), "part")
    for f in features.categories:
        is_category = features.columns[f.source].kind == "category"
        _check(f.part in CATEGORIES, "part")
        _check(is_category == (f.part == "value") and type(f.marks_missing) is bool, "part")
        _check(isinstance(f.levels, list) and all(type(x) is str for x in f.levels), "levels")
        _check(len(f.levels) == (1 if f.part == "presence" else len(set(f.levels))), "levels")
        if f.part in DATE_CATEGORIES:
            numbers = [int(x) for x in f.levels]
            _check(numbers and 0 <= min(numbers) and max(numbers) <= LAST_PART, "levels")
            _check(f.levels == list(map(str, numbers)), "levels")
    return features


def _is_style(style, kind):
    if kind == "date":
        return style in (COMPACT, *FORMATS)
    marks = style.split("|")
    return kind == "number" and len(marks) == 3 and tuple(marks[:2]) in PUNCTUATION


def _encoder(d, n_numbers, categories):
    d = check_mapping(d, "encoder")
    encoder = Encoder([Scaling(**s) for s in d["scalings"]], *(
        d[name] for name in ("edges", "values", "n_levels", "width")
    ))  # fmt: skip
    lengths = [len(some) for some in (encoder.scalings, encoder.edges, encoder.values)]
    _check(lengths == [n_numbers] * 3, "encoder")
    for s in encoder.scalings:
        _check(_is_finite(s.median) and _is_finite(s.factor), "scalings")
        _check(type(s.marks_missing) is bool, "scalings")
    for some in (*encoder.edges, *encoder.values):
        _check(all(map(_is_finite, some)) and all(a < b for a, b in pairwise(some)), "edges")
    _check(all(len(e) != 1 for e in encoder.edges), "edges")
    _check(len(encoder.n_levels) == len(categories), "n_levels")
    _check(all(k in (0, c.n_levels) for k, c in zip(encoder.n_levels, categories)), "n_levels")
    _check(is_count(encoder.width, MAX_WIDTH, 1), "width")
    _check(0 < encoder.n_inputs <= MAX_WIDTH, "n_inputs")
    return encoder
