"""Read and write files of estimators for tables, with their encoding.

The file is a safetensors file. The array "params0" (number of folds, number of snapshots, n_params)
has the parameters of the networks of member 0, and so on; "importances" (n_features,) and, for a
regression, "errors" (m,) and "errors_fold" (m,) are what `feature_importances_` and
`predict_interval` need. A fit that Ctrl-C has stopped also has the members of share 0, and
"unfinished" in its JSON. Everything else is JSON in the text metadata: the model, and `metadata_`,
unless it is empty, under "user". Nothing in a file is run.
"""

import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np

from .. import losses
from ..files import ModelFileError, kinds, labels, safetensors
from ..files.checks import check, is_finite
from ..files.model import check_user_metadata
from ..files.safetensors import check_mapping, is_count, parse_json
from ..mlp import MLP
from .columns.features import Features
from .encoder import Encoder, Scaling
from .estimator import MAX_WIDTH
from .fitting.fit import Member
from .fitting.unfinished import PARTS, Unfinished
from .targets import Classes, Numbers, resolve_loss

FORMAT, VERSION = "fastnn-tabular", 1
ACTIVATION = "silu"
MAX_FOLDS, MAX_SNAPSHOTS = 10_000, 2
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
    content = dict(
        estimator=type(e).__name__,
        parameters={name: _to_json(name, value) for name, value in e.get_params(False).items()},
        fitted={name: getattr(e, name, None) for name in PLAIN},
        features=e._features.to_json(),
        encoders=[_describe_encoder(encoder) for encoder in e._encoders],
        members=[
            dict(encoder=m.encoder, share=m.share, hidden=list(m.networks[0][0].layer_sizes[1:-1]))
            for m in e._members
        ],
        targets=_describe_targets(e),
    )
    if e._unfinished is not None:
        content["unfinished"] = asdict(e._unfinished)
    metadata = {
        "format": FORMAT,
        "format_version": str(VERSION),
        "model": json.dumps(content, allow_nan=False, separators=(",", ":")),
    }
    if e.metadata_:
        metadata["user"] = json.dumps(check_user_metadata(e.metadata_, ValueError, "metadata_"))
    safetensors.write(path, arrays, metadata)


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
    e = _estimator(content)
    e.metadata_ = {}
    if "user" in metadata:
        user = parse_json(metadata["user"], "user")
        e.metadata_ = check_user_metadata(user, ModelFileError, "metadata_")
    members = content["members"]
    check(isinstance(members, list), "members")
    one_class = isinstance(e._targets, Classes) and e._targets.n_out == 1
    check((len(members) == 0) == one_class, "members")
    shapes = [_shape(reader, f"params{i}") for i in range(len(members))]
    sizes = []
    for member, (n_folds, n_snapshots) in zip(members, shapes):
        hidden = member["hidden"]
        check(isinstance(hidden, list) and 0 < len(hidden) < 100, "hidden")
        check(all(is_count(size, MAX_WIDTH, 1) for size in hidden), "hidden")
        check(is_count(member["encoder"], len(e._encoders) - 1), "encoder")
        check(type(member["share"]) is float and 0 <= member["share"] <= 1, "share")
        check(n_folds == shapes[0][0] and n_snapshots <= MAX_SNAPSHOTS, "params")
        sizes.append([e._encoders[member["encoder"]].n_inputs, *hidden, e._targets.n_out])
    expected = {"importances": ([e.n_features_in_], "F64")}
    for i, (size, shape) in enumerate(zip(sizes, shapes)):
        n_params = sum(a * b + b for a, b in pairwise(size))
        expected[f"params{i}"] = [*shape, n_params], "F32"
    e._unfinished = None
    if "unfinished" in content:
        e._unfinished = _unfinished(content["unfinished"], shapes)
    used = [member["share"] > 0 for member in members]
    check(any(used or [True]) and (e._unfinished is not None or all(used)), "share")
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
        check(np.all((fold >= 0) & (fold < shapes[0][0])), "errors_fold")
        e._held_out_errors = [errors[fold == i, None] for i in range(shapes[0][0])]
    return e


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
    check(content["estimator"] in known, "estimator")
    cls = known[content["estimator"]]
    parameters = dict(check_mapping(content["parameters"], "parameters"))
    if isinstance(parameters.get("loss"), dict):
        parameters["loss"] = losses.from_description(parameters["loss"])
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = dict(parameters["class_weight"])
    e = cls(**parameters)
    e._validate_params()
    fitted = check_mapping(content["fitted"], "fitted")
    for name in PLAIN:
        setattr(e, name, fitted[name])
    check(is_count(e.n_features_in_, 2**31), "n_features_in_")
    check(e.oof_score_ is None or is_finite(e.oof_score_), "oof_score_")
    check(e._target_name is None or isinstance(e._target_name, str), "_target_name")
    e._features = Features.from_json(content["features"], e.n_features_in_)
    if e._features.names is not None:
        e.feature_names_in_ = np.array(e._features.names, dtype=object)
    e._describe_columns()
    n_numbers, categories = len(e._features.numbers), e._features.categories
    check(isinstance(content["encoders"], list), "encoders")
    e._encoders = [_encoder(d, n_numbers, categories) for d in content["encoders"]]
    targets = check_mapping(content["targets"], "targets")
    if cls is TabularClassifier:
        e.classes_ = labels.parse(targets)
        temperature = targets["temperature"]
        check(is_finite(temperature) and MIN_T <= temperature <= 1 / MIN_T, "temperature")
        e._targets = Classes(len(e.classes_), temperature)
    else:
        shift, scale, bounds = targets["shift"], targets["scale"], targets["bounds"]
        check(all(map(is_finite, [shift, scale, *bounds])), "targets")
        check(len(bounds) == 2 and bounds[0] <= bounds[1] and scale > 0, "targets")
        loss, log = resolve_loss(losses.from_description(targets["loss"])), targets["log"]
        check(type(log) is bool and (bounds[0] > 0 or not log), "log")
        e._targets = Numbers(loss, shift, scale, tuple(bounds), log)
    return e


def _unfinished(d, shapes):
    d = Unfinished(**check_mapping(d, "unfinished"))
    check(is_count(d.n_folds, MAX_FOLDS) and isinstance(d.folds, list), "folds")
    check(all(is_count(fold, d.n_folds - 1) for fold in d.folds), "folds")
    check(d.folds == sorted(set(d.folds)) and len(d.folds) < d.n_folds, "folds")
    check(all(shape[0] == len(d.folds) for shape in shapes) and len(shapes) > 0, "folds")
    check(is_finite(d.share) and 0 <= d.share <= 1, "share of epochs")
    digests = check_mapping(d.digests, "digests")
    check(digests.keys() == PARTS.keys(), "digests")
    check(all(type(digest) is str for digest in digests.values()), "digests")
    return d


def _encoder(d, n_numbers, categories):
    d = check_mapping(d, "encoder")
    encoder = Encoder([Scaling(**s) for s in d["scalings"]], *(
        d[name] for name in ("edges", "values", "n_levels", "width")
    ))  # fmt: skip
    lengths = [len(some) for some in (encoder.scalings, encoder.edges, encoder.values)]
    check(lengths == [n_numbers] * 3, "encoder")
    for s in encoder.scalings:
        check(is_finite(s.median) and is_finite(s.factor), "scalings")
        check(type(s.marks_missing) is bool, "scalings")
    for some in (*encoder.edges, *encoder.values):
        check(all(map(is_finite, some)) and all(a < b for a, b in pairwise(some)), "edges")
    check(all(len(e) != 1 for e in encoder.edges), "edges")
    check(len(encoder.n_levels) == len(categories), "n_levels")
    check(all(k in (0, c.n_levels) for k, c in zip(encoder.n_levels, categories)), "n_levels")
    check(is_count(encoder.width, MAX_WIDTH, 1), "width")
    check(0 < encoder.n_inputs <= MAX_WIDTH, "n_inputs")
    return encoder
