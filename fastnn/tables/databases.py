"""Read a table of an SQLite or a DuckDB file, or what a query of it returns.

The file is opened for reading only. A query can neither write, nor open other files, nor load
extensions, whatever the file holds.
"""

import os
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import quote

from ..core.errors import Argument
from ..core.messages import join, plural, printable, reason
from . import formats
from .arrow_files import to_array
from .cells.numbers import are_wide
from .errors import TableError, import_pyarrow
from .limits import check_free_memory, check_width

BATCH = 10_000  # rows
BYTES_PER_CELL = 100  # of an object of Python in a batch, at most for numbers
STEPS = 100_000  # instructions of SQLite after which Ctrl-C is noticed
ALLOWED = "SQLITE_SELECT", "SQLITE_READ", "SQLITE_FUNCTION", "SQLITE_RECURSIVE"
FORBIDDEN_FUNCTIONS = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer")
TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
    "ESCAPE '\\' ORDER BY name"
)


def read_database(source, options, note):
    """Return a table or the rows of a query as a pyarrow Table. options : ReadOptions"""
    opened = _DuckDB if source.format is formats.DUCKDB else _SQLite
    try:
        with opened(source) as database:
            query = options.sql
            if query is None:
                query = f"SELECT * FROM {_quote(_only_table(source.label, database.tables()))}"
            table = database.read(query)
            if database.n_invalid:
                note(f"{source.label}: {plural(database.n_invalid, 'text')} with invalid UTF-8")
    except TableError:
        raise
    except Exception as error:  # of a damaged file, or a wrong query
        if options.sql is None:
            raise TableError(
                "not a readable database ({reason}).",
                "Export the table as CSV or Parquet.",
                place=source.label,
                reason=reason(error),
            ) from None
        raise TableError(
            "{argument} fails: {reason}.",
            "Pass a query that reads rows, such as 'SELECT * FROM orders'.",
            argument="sql",
            place=source.label,
            reason=reason(error),
        ) from None
    return _without_bytes(source.label, table, note)


def _only_table(label, names):
    if len(names) == 1:
        return names[0]
    if not names:
        raise TableError("contains no tables.", "Pass another file.", place=label)
    raise TableError(
        "contains {tables}: {names}.",
        "Pass {sql}.",
        place=label,
        tables=plural(len(names), "table"),
        names=join(names, 8),
        sql=Argument("sql", f"SELECT * FROM {_quote(names[0])}"),
    )


def _quote(name):
    return name if name.isidentifier() else '"' + name.replace('"', '""') + '"'


def _without_bytes(label, table, note):
    types = import_pyarrow().types
    for field in table.schema:
        if types.is_binary(field.type) or types.is_large_binary(field.type):
            note(f"{label}: column {printable(field.name)!r} left out: bytes")
            table = table.drop_columns([field.name])
    return table


class _Database(AbstractContextManager):
    """A context with a database."""

    connection: Any
    n_invalid = 0  # texts with invalid UTF-8

    def __exit__(self, *exception):
        self.connection.close()


# ---- SQLite ----


class _SQLite(_Database):
    def __init__(self, source):
        import sqlite3  # not all builds of Python have it

        self.sqlite3, self.label = sqlite3, source.label
        if source.path is not None and source.compression is None:
            path = quote(os.path.abspath(source.path))
            # Without a write-ahead log nobody writes: then SQLite need not lock the file, nor
            # create one beside it.
            lock = "" if os.path.exists(source.path + "-wal") else "&immutable=1"
            self.connection = sqlite3.connect(f"file:{path}?mode=ro{lock}", uri=True)
        else:
            self.connection = sqlite3.connect(":memory:")
            with source.open() as file:
                check_free_memory(source.label, source.size or source.stored_size)
                self.connection.deserialize(file.read())

    def __enter__(self):
        self.connection.execute("PRAGMA query_only = ON")
        self.connection.execute("PRAGMA trusted_schema = OFF")
        self.connection.text_factory = self._decode
        self.connection.set_authorizer(self._authorize)
        self.connection.set_progress_handler(lambda: 0, STEPS)  # Python handles signals in it
        return self

    def _decode(self, data):
        try:
            return data.decode()
        except UnicodeDecodeError:
            self.n_invalid += 1
            return data.decode("utf-8", "replace")

    def tables(self):
        return [name for (name,) in self.connection.execute(TABLES)]

    def read(self, query):
        pa = import_pyarrow()
        cursor = self.connection.execute(query)
        if cursor.description is None:
            raise ValueError("it returns no rows")
        names = [name for name, *_ in cursor.description]
        check_width(self.label, len(names))
        parts: list = [[] for _ in names]
        while rows := self._next(cursor):
            check_free_memory(self.label, len(rows) * len(names) * BYTES_PER_CELL)
            for column, values in zip(parts, zip(*rows)):
                column.append(to_array(values, _to_text))
        return pa.Table.from_arrays(list(map(_join_parts, parts)), names)

    def _next(self, cursor):
        try:
            return cursor.fetchmany(BATCH)
        except self.sqlite3.OperationalError as error:
            if "interrupted" in str(error):  # by the signal handler in the progress handler
                raise KeyboardInterrupt from None
            raise

    def _authorize(self, action, name, function, database, trigger):
        is_function = action == self.sqlite3.SQLITE_FUNCTION
        is_allowed = action in [getattr(self.sqlite3, each) for each in ALLOWED]
        if not is_allowed or (is_function and function in FORBIDDEN_FUNCTIONS):
            return self.sqlite3.SQLITE_DENY
        return self.sqlite3.SQLITE_OK


def _join_parts(parts):
    """Return one column of Arrow arrays: of numbers if all are, else of texts.

    Each row of SQLite may have another type. Whole numbers beside others are texts, too, if float64
    does not hold them.
    """
    pa = import_pyarrow()
    types = {part.type for part in parts} - {pa.null()}
    whole = [part for part in parts if part.type == pa.int64()]
    if len(types) <= 1:
        kind = types.pop() if types else pa.null()
    elif types == {pa.int64(), pa.float64()} and not any(map(are_wide, whole)):
        kind = pa.float64()
    else:
        kind = pa.string()
    return pa.chunked_array([_cast(pa, part, kind) for part in parts], kind)


def _to_text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cast(pa, part, kind):
    if part.type == kind:
        return part
    if kind == pa.string():  # as they would be in a part with texts
        return pa.array([None if v is None else _to_text(v) for v in part.to_pylist()], kind)
    return part.cast(kind, safe=False)


# ---- DuckDB ----


class _DuckDB(_Database):
    def __init__(self, source):
        duckdb = source.format.import_package(source.label)
        if source.path is None or source.compression is not None:
            raise TableError(
                "is a DuckDB file that is compressed or not on the disk.",
                "Save it as a file that is not compressed.",
                place=source.label,
            )
        self.label, self.duckdb = source.label, duckdb
        self.connection = duckdb.connect(
            source.path,
            read_only=True,
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "lock_configuration": "true",
            },
        )

    def tables(self):
        rows = self.connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
            "ORDER BY table_name"
        ).fetchall()
        return [name for (name,) in rows]

    def read(self, query):
        pa = import_pyarrow()
        statements = self.duckdb.extract_statements(query)
        if len(statements) != 1 or statements[0].type != self.duckdb.StatementType.SELECT:
            raise ValueError("it is not one SELECT")
        rows = self.connection.sql(query)
        to_reader = getattr(rows, "to_arrow_reader", None) or rows.fetch_arrow_reader
        reader = to_reader(BATCH)
        check_width(self.label, len(reader.schema.names))
        batches = []
        for batch in reader:
            check_free_memory(self.label, batch.nbytes)
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)
