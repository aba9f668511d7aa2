"""The models of `fastnn compare`, and their predictions for the same rows."""

import numpy as np

from ..core.messages import join, plural, printable
from ..tables.addresses import without_secrets
from ..tables.table_errors import import_pyarrow
from ..tabular.checking.row_sketch import MIN_COMPARED
from ..tabular.comparing.paired import PairedScores
from ..tabular.metric_values import ScoredRows
from ..tabular.metrics import CLASS_METRICS, NUMBER_METRICS
from ..tabular.prediction_columns import label_text
from . import row_roles
from .console import CommandError, warnings_as_notes
from .model_file import is_training_table, load_model, target_style, training_reading
from .predict_rows import PredictTable
from .predict_scores import read_targets
from .scores import default_metric, threshold_of
from .table_file import TableFile

KNOWN_SHARE = 0.05  # of the rows in the training table that is noted: equal rows are more frequent


class ComparedModels:
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
        for option in ("group", "weight"):
            name = getattr(options, option)
            row_roles.refuse_target(option, name, self.facts[0].target)
        self.metric = self._choose_metric()
        self.names = {
            "group": options.group or self._common("groups"),
            "weight": options.weight or self._common("weight"),
        }
        columns, outputs = self._predict_all()
        self.y, rows = read_targets(self.models[0], columns, notes, target_style(self.models[0]))
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
        if name is None:
            names = {facts.metric for facts in self.facts}
            found = names.pop() if len(names) == 1 else None
            name = "pinball" if _has_quantiles(first) else found or default_metric(self.models[0])
        if name not in known or (_has_quantiles(first) and name != "pinball"):
            allowed = ["pinball"] if _has_quantiles(first) else [*known]
            raise CommandError(
                f"--metric {name} cannot score {_describe_kind(first)}. Choose {', '.join(allowed)}."
            )
        return known[name]

    def _common(self, role):
        """Return the column that all models were trained with, None without one."""
        names = {getattr(facts, role) for facts in self.facts}
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
            table = PredictTable(file, model)
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
        from ..core.errors import DataError
        from ..tabular import row_columns
        from ..tabular.columns import input_column

        file = self._file_for(self.models[0])
        wanted = [name for name in self.names.values() if name is not None]
        table = file.read((), wanted)
        found: dict = {}
        for role, read in (("group", row_columns.to_groups), ("weight", row_columns.to_weights)):
            name = self.names[role]
            if name is None:
                continue
            if name not in table.column_names:
                if getattr(self.options, role) is not None:
                    row_roles.require_column(self.options.data, role, name, table.column_names)
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
            return ScoredRows(
                model.targets_,
                self.y[some],
                P[some],
                None if weight is None else weight[some],
                chosen=None if chosen is None else chosen[some],
            )

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
