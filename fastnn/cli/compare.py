"""fastnn compare: compare models on the rows of a table."""

from dataclasses import dataclass

import numpy as np

from ..core.errors import DataError
from ..core.messages import join, join_all, plural, printable
from ..tables.errors import import_pyarrow
from ..tables.source import without_secrets
from ..tabular.drift.profile import MIN_COMPARED
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS, PairedScores, ScoredRows
from ..tabular.targets import label_text
from . import column_roles
from .console import CommandError, Notes, print_json, print_line, warnings_as_notes
from .model_file import is_model_name, is_training_table, load_model, training_reading
from .model_rows import ModelRows, read_targets
from .options import json_flag, option, positional, threads_option
from .scores import default_metric, threshold_of
from .table_file import TableFile, TableOptions, table_options
from .text_report import format_models
from .train_options import metric_name

HELP = """
Compare models that predict the same column, on the rows of a table.

The models are scored on the same rows, so the difference of two scores is known
better than each score. A model is better if the difference is above two
standard errors. Pass rows that no model was trained on.

examples:
  fastnn compare a.safetensors b.safetensors new.csv
  fastnn compare a.safetensors b.safetensors new.csv --metric auc
  fastnn compare *.safetensors new.csv --json
"""
USAGE = "fastnn compare MODEL MODEL ... TABLE [options]"
KNOWN_SHARE = 0.05  # of the rows in the training table that is noted: equal rows are more frequent


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `fastnn compare`."""

    models: list[str] = positional(
        "MODEL",
        "model files written by 'fastnn train', and after them the table with the target",
        nargs="+",
    )
    data: str = option("TABLE", "the table, in place of the last argument")
    metric: str | None = option(
        "NAME",
        "score to compare (default: that of the models, if they agree, else log_loss or rmse)",
        type=metric_name,
    )
    group: str | None = option(
        "COL",
        "column whose rows with equal values are not independent (default: as in the training)",
        argument="groups",
    )
    weight: str | None = option(
        "COL", "column of the weights (default: as in the training)", argument="sample_weight"
    )
    threads: int = threads_option()
    json: bool = json_flag()
    table: TableOptions = table_options()

    @staticmethod
    def complete(given):
        """Take the last of the models for the table, unless --data names it."""
        if "data" in given:
            return given
        *models, data = given["models"]
        if not models or is_model_name(data):
            raise CommandError(
                "which table are the models compared on? Pass it last: "
                "fastnn compare a.safetensors b.safetensors new.csv"
            )
        return given | {"models": models, "data": data}


def run(options):
    notes = Notes(is_printed=not options.json)
    compared = _ComparedModels(options, notes)
    content = _comparison_to_json(compared)
    if options.json:
        print_json({"data": without_secrets(options.data), **content, "notes": notes.texts})
        return 0
    rows = plural(content["rows"], "row")
    print_line(f"{without_secrets(options.data)}: {rows} with the target {content['target']}")
    print_line()
    for line in _format_comparison(content):
        print_line(line)
    return 0


# ---- the models ----


class _ComparedModels:
    """Several models and their predictions.

    Parameters
    ----------
    options : compare.Options
    notes : Notes

    Attributes
    ----------
    paths : list of str
    models : list of StoredClassifier or StoredRegressor
    facts : list of ModelFacts
    metric : Metric
    y : ndarray (n,)
        The targets of the rows that are scored.
    paired : PairedScores
    names : dict of str to str or None
        The columns of groups and weights.
    """

    def __init__(self, options, notes):
        self.paths, self.options, self.notes = options.models, options, notes
        if len(self.paths) < 2:
            raise CommandError(
                "compare needs at least two models. To score one: "
                f"fastnn predict {self.paths[0]} {without_secrets(options.data)}"
            )
        if options.data == "-":
            raise CommandError(
                "--data: standard input can be read only once, but each model reads the table in its "
                "own way. Write it to a file."
            )
        self.models = [load_model(path) for path in self.paths]
        self.facts = [model.facts() for model in self.models]
        for path, model, facts in zip(self.paths, self.models, self.facts):
            model.n_threads = options.threads
            self._check_target(path, facts)
        for role in ("group", "weight"):
            name = getattr(options, role)
            column_roles.refuse_target(role, name, self.facts[0].target)
        self.metric = self._choose_metric()
        self.names = {
            "group": options.group or self._common("groups"),
            "weight": options.weight or self._common("weight"),
        }
        columns, outputs = self._predict_all()
        self.y, rows = read_targets(self.models[0], columns, notes)
        groups, weight = self._roles(rows)
        if not rows.any():
            raise CommandError(
                f"{without_secrets(options.data)}: no row has a target that can be scored."
            )
        self.y = self.y[rows]
        self.paired = PairedScores(
            self.metric,
            [self._scorer(model, P[rows], weight) for model, P in zip(self.models, outputs)],
            len(self.y),
            groups,
        )

    # ---- what can be compared ----

    def _check_target(self, path, facts):
        """Raise CommandError unless a model predicts the same column as the first, and alike."""
        first, first_path = self.facts[0], self.paths[0]
        name, other = facts.target, first.target
        if name is None:
            raise CommandError(
                f"{path}: does not know the name of its target. Train it on a table with a named "
                "target."
            )
        if name != other:
            raise CommandError(
                f"{path} predicts {printable(name)!r}, but {first_path} predicts "
                f"{printable(other)!r}. Pass models of the same target."
            )
        kinds = [_describe_kind(each) for each in (facts, first)]
        if kinds[0] != kinds[1]:
            raise CommandError(
                f"{path} predicts {kinds[0]}, but {first_path} predicts {kinds[1]}. Pass models of "
                "the same task."
            )
        others = {*_class_texts(facts)} ^ {*_class_texts(first)}
        if others:
            raise CommandError(
                f"{path} and {first_path} predict other classes: only one of them has "
                f"{join(sorted(others), 8)}. Pass models of the same classes."
            )

    def _choose_metric(self):
        first, name = self.facts[0], self.options.metric
        known = CLASS_METRICS if first.is_classifier else NUMBER_METRICS
        allowed = ["pinball"] if _has_quantiles(first) else [*known]
        if name is None and _has_quantiles(first):
            name = "pinball"
        name = name or self._common("metric") or default_metric(self.models[0])
        if name not in allowed:
            raise CommandError(
                f"--metric {name} cannot score {_describe_kind(first)}. Choose {', '.join(allowed)}."
            )
        return known[name]

    def _common(self, name):
        """Return a fact of all models if it is the same, else None."""
        names = {getattr(facts, name) for facts in self.facts}
        return names.pop() if len(names) == 1 else None

    # ---- rows ----

    def _file_for(self, model):
        """Return the table as a model reads it."""
        reading, _ = training_reading(self.options.data, self.options.table.reading(), model)
        return TableFile(self.options.data, reading, self.notes)

    def _predict_all(self):
        """Return the target column in parts, and the predictions of each model."""
        columns: list = []
        outputs: list = []
        for i, (path, model) in enumerate(zip(self.paths, self.models)):
            file = self._file_for(model)
            table = ModelRows(file, model)
            if not table.has_target:
                raise CommandError(
                    f"{file.name}: has no column "
                    f"{printable(self.facts[0].target)!r}, the target of the models."
                )
            found, known = self._predict(model, table, columns if i == 0 else [])
            if outputs and len(found) != len(outputs[0]):
                raise CommandError(
                    f"{file.name}: has {plural(len(found), 'row')} for {path}, "
                    f"but {len(outputs[0]):,} for {self.paths[0]}, which reads it otherwise. Pass "
                    "the options of the table file."
                )
            outputs.append(found)
            self._note_training(path, model, table.n_rows, known)
        return columns, outputs

    def _predict(self, model, table, columns):
        """Return the predictions of a model, and the NewRows that count rows of its training table.

        columns : list, to which the parts of the target are added
        """
        from ..tabular.columns import frames

        known = None if model.facts().n_rows is None else model.new_rows()
        predict = model.predict_proba if model.is_classifier else model.predict
        outputs: list = []
        for part in table.parts():
            with table.explained(part), warnings_as_notes(self.notes):
                outputs.append(predict(part.inputs))
                if known is not None:
                    known.add(frames.read(part.inputs))
            columns.append(part.target)
        return np.concatenate(outputs), known

    def _note_training(self, path, model, n_rows, known):
        """Note if rows were in the training table, as far as the file of the model tells."""
        if known is not None and known.n_compared >= MIN_COMPARED:
            share = known.n_known / known.n_compared
            if share > KNOWN_SHARE:
                about = "all" if share == 1 else f"about {100 * share:.0f} %"
                self.notes(f"{path} was trained on {about} of these rows, so its score is too good")
        elif is_training_table(model, self.options.data, n_rows):
            self.notes(
                f"this seems to be the table that {path} was trained on, so its score is too good"
            )

    def _roles(self, rows):
        """Return the groups and the weights of the rows that are scored, None without them."""
        if not any(self.names.values()):
            return None, None
        from ..tabular import roles
        from ..tabular.columns import input_column

        file = self._file_for(self.models[0])
        wanted = [name for name in self.names.values() if name is not None]
        table = file.read((), wanted)
        found: dict = {}
        for role, read in (("group", roles.to_groups), ("weight", roles.to_weights)):
            name = self.names[role]
            if name is None:
                continue
            if name not in table.column_names:
                if getattr(self.options, role) is not None:
                    column_roles.require_column(self.options.data, role, name, table.column_names)
                what = {"group": "rows count as independent", "weight": "rows count equally"}[role]
                self.notes(
                    f"{file.name} has no column {printable(name)!r}, the {role} of the training: {what}"
                )
                self.names[role] = None
                continue
            numbers = np.flatnonzero(rows)
            values = table.column(name).take(import_pyarrow().array(numbers))
            try:
                found[role] = read(input_column.from_chunks(values, name), name)
            except DataError as error:
                raise file.explain(error, None, numbers) from None
        return found.get("group"), found.get("weight")

    def _scorer(self, model, P, weight):
        """Return what `PairedScores` needs of a model. P : its predictions"""
        chosen = None
        if model.is_classifier:
            P, chosen = _in_order_of(self.models[0], model, P)

        def rows(some):
            w, codes = (None if each is None else each[some] for each in (weight, chosen))
            return ScoredRows(model.targets_, self.y[some], P[some], w, chosen=codes)

        return rows


def _in_order_of(first, model, P):
    """Return the probabilities, and the numbers of the predicted classes, in the order of the classes
    of the first model: numbers and texts of the same classes are sorted differently."""
    numbers = {text: i for i, text in enumerate(_class_texts(first.facts()))}
    order = np.array([numbers[text] for text in _class_texts(model.facts())])
    chosen = model.decide(P, threshold_of(model))
    return P[:, np.argsort(order)], order[chosen]


def _has_quantiles(facts):
    return len(facts.quantiles or ()) > 1


def _class_texts(facts):
    """Return the texts of the classes of a model, in their order; none if it predicts numbers."""
    return list(map(label_text, facts.classes or ()))


def _describe_kind(facts):
    """Return what a model predicts."""
    if facts.is_classifier:
        return "classes"
    if _has_quantiles(facts):
        return f"the quantiles {join((f'{q:g}' for q in facts.quantiles), quoted=False)}"
    return "numbers"


# ---- what is printed ----


def _comparison_to_json(compared):
    """Return scores, differences to the best model and verdicts as a dict that JSON can hold.

    compared : _ComparedModels
    """
    paired, order = compared.paired, compared.paired.order()
    models: list = []
    for i in order:
        found = paired.difference(order[0], i) if models else None
        gain, error, is_worse = (found.gain, found.error, found.is_certain) if found else [None] * 3
        scores = {"score": paired.scores[i], "error": paired.errors[i]}
        difference = {"difference": gain, "difference_error": error, "is_worse": is_worse}
        models.append({"model": compared.paths[i], **scores, **difference})
    return {
        "target": compared.facts[0].target,
        "rows": len(compared.y),
        "metric": compared.metric.name,
        **compared.names,
        "models": models,
        "pairs": [
            {
                "better": compared.paths[i],
                "worse": compared.paths[j],
                "difference": found.gain,
                "error": found.error,
                "is_certain": found.is_certain,
            }
            for a, i in enumerate(order)
            for j in order[a + 1 :]
            if (found := paired.difference(i, j)) is not None
        ],
    }


def _format_comparison(content):
    """Yield the lines of a table of models, the best first, and what it means."""
    models = content["models"]
    names = [printable(m["model"], 60) for m in models]
    yield from format_models("model", content["metric"], names, models)
    yield ""
    best, *others = models
    if best["score"] is None:
        yield "The metric is undefined for these rows."
        return
    worse = [m["model"] for m in others if m["is_worse"]]
    equal = [m["model"] for m in others if not m["is_worse"]]
    if worse:
        yield f"{best['model']} is better than {join_all(worse)}."
    if equal:
        yield f"{best['model']} and {join_all(equal)} cannot be told apart on these rows."
