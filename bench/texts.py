"""Is free text worth reading? Held-out losses of tables with a column of free text.

    python bench/texts.py FOLDER [NAME ...]        all tables whose files are in the folder, or some
    python bench/texts.py FOLDER NAME=SPLITS       a table with several splits

Two thirds of at most 5,000 rows train, the others score. Each split shuffles the table anew. Compared are

    today     TabularClassifier or TabularRegressor without the text
    text      TF-IDF of words and pairs of words with logistic regression or ridge regression
              (scikit-learn), whose regularization cross-validation chooses, on the text alone
    stacked   today, with the cross-fitted outputs of `text` as further numbers
    fastnn    the same estimators with the text

The losses are the log loss and the mean squared error. Ratios have standard errors of the test rows (jackknife
over 50 parts). A NAME is one of `TABLES`; "chosen" are those that settings were chosen on, "reported" the others.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

import fastnn

MOST, PARTS = 5000, 50
#: {name: (file, text, target, other columns, whether the target is a class)}
TABLES = {
    "tweets": ("tweets.csv", "text", "airline_sentiment", "airline tweet_created user_timezone", True),
    "disaster": ("disaster.csv", "text", "target", "keyword location", True),
    "ramen": ("ramen.csv", "Variety", "Stars", "Brand Style Country", False),
    "spam": ("spam.csv", "Text", "label", "n", True),
    "clickbait": ("clickbait.csv", "headline", "clickbait", "n", True),
    "clothing": ("wcp.csv", "ReviewText", "Recommended IND", "Age Title DepartmentName ClassName", True),
    "imdb": ("imdb.csv", "Description", "Rating", "Genre Director Year Votes", False),
    "tmdb": ("tmdb.csv", "overview", "vote_average", "vote_count release_date runtime budget", False),
    "kickstarter": ("kickstarter.csv", "name", "status", "category deadline goal launched", True),
}  # fmt: skip
CHOSEN = ["tweets", "disaster", "ramen"]


def read(folder, name, split):
    """Return the table in the order of a split, the text, the targets and whether they are classes."""
    file, text, target, others, is_class = TABLES[name]
    table = pd.read_csv(folder / file, encoding_errors="replace")
    table["n"] = table[text].fillna("").str.len()  # the only other column of tables of texts
    if not is_class:
        table[target] = pd.to_numeric(table[target], errors="coerce")
    table = table[table[target].notna()].sample(frac=1, random_state=split).iloc[:MOST]
    return (
        table[[text, *others.split()]].reset_index(drop=True),
        text,
        table[target].to_numpy(),
        is_class,
    )


def text_model(is_class):
    """Return the model of the text alone."""
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    if is_class:
        last = LogisticRegressionCV(Cs=[0.3, 1, 3, 10, 30, 100], cv=3, max_iter=300,
                                    scoring="neg_log_loss", use_legacy_attributes=False)  # fmt: skip
    else:
        last = RidgeCV(alphas=[0.1, 0.3, 1, 3, 10, 30])
    return make_pipeline(vectors, last)


def losses(model, X, y, is_class):
    """Return the loss of each row."""
    if not is_class:
        return (model.predict(X) - y) ** 2
    P = model.predict_proba(X)
    return -np.log(np.maximum(P[np.arange(len(y)), np.searchsorted(model.classes_, y)], 1e-15))


def compare(name, table, text, y, is_class):
    """Print the losses of a table, and their ratios."""
    n_train = 2 * len(y) // 3
    train, test = slice(0, n_train), slice(n_train, None)
    estimator = fastnn.TabularClassifier if is_class else fastnn.TabularRegressor
    texts, without = table[text].fillna(""), table.drop(columns=text)
    found, seconds = {}, {}

    def fit(key, model, X):
        began = time.process_time()
        model.fit(X[train], y[train])
        seconds[key] = time.process_time() - began
        found[key] = losses(model, X[test], y[test], is_class)
        return model

    fit("today", estimator(random_state=0, n_threads=1), without)
    alone = fit("text", text_model(is_class), texts)
    method = "predict_log_proba" if is_class else "predict"
    inner = cross_val_predict(text_model(is_class), texts[train], y[train], cv=5, method=method)
    outer = getattr(alone, method)(texts[test])
    Z = np.concatenate([inner, outer]).reshape(len(y), -1)
    stacked = without.assign(**{f"text {k}": z for k, z in enumerate(Z.T)})
    fit("stacked", estimator(random_state=0, n_threads=1), stacked)
    model = fit("fastnn", estimator(random_state=0, n_threads=1, texts=[text]), table)
    kinds = [c for c, kind in model.columns_.items() if kind == "text"]
    ratios = [ratio(found["fastnn"], found[key]) for key in ("today", "text", "stacked")]
    print(f"{name:12}{n_train:6}", *(f"{x.mean():8.4f}" for x in found.values()),
          *(f"  {r:.3f} +- {e:.3f}" for r, e in ratios),
          *(f"{s:6.0f}" for s in seconds.values()), " ", kinds, flush=True)  # fmt: skip
    return [r for r, _ in ratios]


def ratio(a, b):
    """Return the ratio of mean losses, and its standard error."""
    part = np.arange(len(a)) % PARTS
    left_out = np.array([a[part != k].mean() / b[part != k].mean() for k in range(PARTS)])
    error = np.sqrt((PARTS - 1) * np.mean((left_out - left_out.mean()) ** 2))
    return a.mean() / b.mean(), error


def main(folder, *names):
    """Compare the tables of a folder."""
    warnings.simplefilter("ignore")
    others = [name for name in TABLES if name not in CHOSEN]
    groups = {"chosen": CHOSEN, "reported": others}
    names = [x for name in names for x in groups.get(name, [name])] or list(TABLES)
    print(
        "table        train    today     text  stacked   fastnn   fastnn: today, text, stacked; seconds of CPU"
    )
    ratios = []
    for name in names:
        name, _, n_splits = name.partition("=")
        ratios += [
            compare(name, *read(Path(folder), name, split)) for split in range(int(n_splits or 1))
        ]
    print("geometric mean of the ratios:", np.exp(np.log(ratios).mean(axis=0)).round(3))


if __name__ == "__main__":
    main(*sys.argv[1:])
