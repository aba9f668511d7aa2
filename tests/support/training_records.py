"""Records of trainings that did not happen."""

from fastnn.cli import record
from fastnn.tables.checks import DataIssue


def training_setup(**changes):
    """Return the TrainingSetup of table.csv of `cli_models`, with changes."""
    values = dict(fastnn="0.1.0", command="fastnn train table.csv --target n", data="table.csv")
    values |= dict(reading={}, rows=120, columns=5, test_rows=0, sample="", target="n")
    values |= dict(task="number", classes=None, seed=0, time_limit=None, notes=[])
    values |= dict(data_checks=[DataIssue("id", "id", "'id' numbers the rows.")])
    return record.TrainingSetup(**values | changes)


def model_description(**changes):
    """Return the ModelDescription of an estimator with a few networks, with changes."""
    values = dict(split="2 folds, drawn at random", kinds={"a": "number", "city": "category"})
    values |= dict(left_out={"id": "--drop"}, threshold=None, metric=None, oof_score=0.5)
    values |= dict(oof_score_name="R2", importances={"a": 2.0, "city": 0.5})
    values |= dict(score_drops={"a": 0.25, "city": 0.01}, drop_name="fall of R2", folds=2)
    values |= dict(folds_left=0, kept=None, hidden=[8], networks=2, parameters=90)
    return record.ModelDescription(**values | changes)


def number_record(**changes):
    """Return the TrainingRecord of a number that has all that a record can have, with changes."""
    values = {"rmse": 2.0, "mae": 1.5, "mape": None, "r2": 0.5, "pinball": 0.75}
    scores = record.Scores(None, 100, values, dict.fromkeys(values, 4.0) | {"r2": 0.0})
    issue = {"row": 3, "place": "line 5", "given": 9.0, "predicted": 1.0}
    model = {"score": 2.0, "error": 0.1, "difference": None, "difference_error": None}
    model |= {"is_worse": None, "is_better": None}
    test = {f"test_{key}": value for key, value in model.items()}
    other = model | {
        "difference": 0.5,
        "difference_error": 0.1,
        "is_worse": True,
        "is_better": False,
    }
    tried = [{"options": "--hidden 32,32", "folds": 1, "score": 2.5}]
    decision = record.Decision("--hidden 32,32", 60, 0.5, 0.1, True)
    compared = [{"name": "fastnn", **model, "seconds": None, **test}]
    compared += [{"name": "lightgbm", **other, "seconds": 1.5, **test}]
    found = vars(training_setup(test_rows=20, time="day", weight="w"))
    found |= dict(tuning=record.Tuning("rmse", tried, decision), model=model_description())
    found |= dict(seconds=3.5, scores=scores, test_scores=scores, label_issues=[issue])
    found |= dict(last_block=record.LastBlock(scores, "r2", 0.6, None), score_errors={"rmse": 0.1})
    baselines = record.Baselines("rmse", 100, ["catboost"], False, ["xgboost"], compared)
    return record.TrainingRecord(**found | dict(baselines=baselines) | changes)


def class_record(**changes):
    """Return the TrainingRecord of two classes with a chosen threshold, with changes."""
    values = {"accuracy": 0.9, "balanced_accuracy": 0.8, "log_loss": 0.3, "auc": 0.9, "f1": 0.7}
    row = {"rows": 60, "precision": 0.9, "recall": 0.9, "f1": 0.9, "auc": 0.9}
    table = [{"class": "no", **row}, {"class": "yes", **row}]
    baseline = dict.fromkeys(values, 0.5) | {"cost": 1.0}
    values |= {"cost": 0.25}
    scores = record.Scores("cost", 120, values, baseline, 12, table, [[50, 10], [2, 58]])
    issue = {"row": 3, "place": "row 4", "file": "a.csv", "place_in_file": "line 5"}
    rule = dict(threshold=0.25, threshold_rule="cost:5,1", kept="2 of 5 folds", folds_left=3)
    found = vars(training_setup(target="b", task="binary", classes=["no", "yes"]))
    found |= dict(model=model_description(**rule), seconds=3.5, scores=scores, test_scores=None)
    found["label_issues"] = [issue | {"given": "no", "predicted": "yes", "probability": 0.01}]
    return record.TrainingRecord(**found | changes)
