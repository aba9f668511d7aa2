"""A table of texts in each medium that fastnn reads: text files, JSON, spreadsheets, databases, frames.

A writer takes a path without a suffix and {column: texts or None}, and returns what to read: a path, or a
table in memory. MEDIA has all of them by name.
"""

import csv
import gzip
import json
import sqlite3
from functools import partial
from xml.sax.saxutils import escape, quoteattr

from table_error_cases import ods

from fastnn.tables import read


def rows(columns):
    """Yield the rows of a table as dicts."""
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values))


def write_text(path, columns, sep=",", encoding="utf-8", quoting=csv.QUOTE_MINIMAL):
    path = f"{path}.csv"
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=sep, quoting=quoting)
        writer.writerow(columns)
        writer.writerows(["" if x is None else x for x in row.values()] for row in rows(columns))
    return path


def write_gz(path, columns):
    with open(write_text(path, columns), "rb") as file, gzip.open(f"{path}.gz", "wb") as packed:
        packed.write(file.read())
    return f"{path}.gz"


def write_json(path, columns, orient="lines"):
    records = list(rows(columns))
    content = {
        "lines": "\n".join(map(json.dumps, records)),
        "array": json.dumps(records),
        "columns": json.dumps(columns),
    }[orient]
    with open(f"{path}.json", "w", encoding="utf-8") as file:
        file.write(content)
    return f"{path}.json"


def write_xlsx(path, columns):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(columns))
    for i, row in enumerate(rows(columns), 2):
        for j, value in enumerate(row.values(), 1):
            cell = sheet.cell(i, j, value)
            if isinstance(value, str):
                cell.data_type = "s"  # not a formula
    book.save(f"{path}.xlsx")
    return f"{path}.xlsx"


def write_ods(path, columns):
    cells = [list(columns), *(row.values() for row in rows(columns))]
    content = "".join(
        f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in cells
    )
    with open(f"{path}.ods", "wb") as file:
        file.write(ods(f"<table:table table:name={quoteattr('s')}>{content}</table:table>"))
    return f"{path}.ods"


def _ods_cell(value):
    if value is None:
        return "<table:table-cell/>"
    text = f"<text:p>{escape(value)}</text:p>"
    return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'


def to_arrow(path, columns):
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def write_parquet(path, columns):
    import pyarrow.parquet as pq

    pq.write_table(to_arrow(path, columns), f"{path}.parquet")
    return f"{path}.parquet"


def write_feather(path, columns):
    from pyarrow import feather

    feather.write_feather(to_arrow(path, columns), f"{path}.feather")
    return f"{path}.feather"


def write_stream(path, columns):
    import pyarrow as pa

    table = to_arrow(path, columns)
    with pa.ipc.new_stream(f"{path}.arrow", table.schema) as writer:
        writer.write_table(table)
    return f"{path}.arrow"


def write_sqlite(path, columns):
    names = ", ".join(f'"{name}" TEXT' for name in columns)
    with sqlite3.connect(f"{path}.db") as connection:
        connection.execute(f"CREATE TABLE t ({names})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(
            f"INSERT INTO t VALUES ({marks})", [tuple(row.values()) for row in rows(columns)]
        )
    connection.close()
    return f"{path}.db"


def write_duckdb(path, columns):
    import duckdb

    with duckdb.connect(f"{path}.duckdb") as connection:
        connection.register("texts", to_arrow(path, columns))
        connection.execute("CREATE TABLE t AS SELECT * FROM texts")
        connection.unregister("texts")
    return f"{path}.duckdb"


def to_records(path, columns):
    return list(rows(columns))


def to_pandas(path, columns, dtype=object):
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values, dtype=dtype) for name, values in columns.items()})


def to_polars(path, columns):
    import polars as pl

    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


#: Readers by name, and what they need besides pyarrow.
MEDIA = {
    "csv": (write_text, ()),
    "csv, all values in quotes": (partial(write_text, quoting=csv.QUOTE_ALL), ()),
    "csv, utf-16": (partial(write_text, encoding="utf-16"), ()),
    "csv, gz": (write_gz, ()),
    "semicolon": (partial(write_text, sep=";"), ()),
    "tab": (partial(write_text, sep="\t"), ()),
    "bar": (partial(write_text, sep="|"), ()),
    "json lines": (write_json, ()),
    "json array": (partial(write_json, orient="array"), ()),
    "json by columns": (partial(write_json, orient="columns"), ()),
    "xlsx": (write_xlsx, ("openpyxl",)),
    "ods": (write_ods, ()),
    "parquet": (write_parquet, ()),
    "feather": (write_feather, ()),
    "arrow stream": (write_stream, ()),
    "sqlite": (write_sqlite, ()),
    "duckdb": (write_duckdb, ("duckdb",)),
    "records": (to_records, ()),
    "pandas": (to_pandas, ("pandas",)),
    "pandas, str": (partial(to_pandas, dtype="str"), ("pandas",)),
    "polars": (to_polars, ("polars",)),
    "arrow": (to_arrow, ()),
}


def read_with_notes(path, **options):
    """A table, and the notes about it without its path."""
    notes = []
    table = read(path, on_note=notes.append, **options)
    assert all("\n" not in note for note in notes)
    return table, [note.removeprefix(f"{path}") for note in notes]


def columns_with_notes(path, **options):
    """{column: values} and the notes."""
    table, notes = read_with_notes(path, **options)
    return table.to_pydict(), notes
