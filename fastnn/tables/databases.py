"""Read a table of an SQLite or a DuckDB file, or what a query of it returns.

The file is opened for reading only. A query can neither write, nor open other files, nor load
extensions, whatever the file holds.
"""

import os
from collections import Counter
from urllib.parse import quote

from ..core.errors import Argument
from ..core.messages import join, plural, printable, reason
from . import formats, memory
from .table_errors import TableError, import_pyarrow
from .wide_numbers import is_wide_integer

BATCH = 10_000  # rows
BYTES_PER_CELL = 100  # of an object of Python in a batch, at most for numbers
STEPS = 100_000  # instructions of SQLite after which Ctrl-C is noticed
ALLOWED = "SQLITE_SELECT", "SQLITE_READ", "SQLITE_FUNCTION", "SQLITE_RECURSIVE"
FORBIDDEN_FUNCTIONS = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer")
TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
    "ESCAPE '\\' ORDER BY name"
)


def read(source, options, note=lambda text: None):
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
        _explain(source, options, error)
    return _without_bytes(source.label, table, note)


def _explain(source, options, error):
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


# ---- SQLite ----


class _SQLite:
    """A context with an SQLite database."""

    def __init__(self, source):
        import sqlite3  # not all builds of Python have it

        self.sqlite3, self.label, self.n_invalid = sqlite3, source.label, 0
        if source.path is not None and source.compression is None:
            path = quote(os.path.abspath(source.path))
            # Without a write-ahead log nobody writes: then SQLite need not lock the file, nor
            # create one beside it.
            lock = "" if os.path.exists(source.path + "-wal") else "&immutable=1"
            self.connection = sqlite3.connect(f"file:{path}?mode=ro{lock}", uri=True)
        else:
            self.connection = sqlite3.connect(":memory:")
            with source.open() as file:
                memory.check(source.label, source.size or source.stored_size)
                self.connection.deserialize(file.read())

    def __enter__(self):
        self.connection.execute("PRAGMA query_only = ON")
        self.connection.execute("PRAGMA trusted_schema = OFF")
        self.connection.text_factory = self._decode
        self.connection.set_authorizer(self._authorize)
        self.connection.set_progress_handler(lambda: 0, STEPS)  # Python handles signals in it
        return self

    def __exit__(self, *exception):
        self.connection.close()

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
        memory.check_width(self.label, len(names))
        columns = [_Cells(pa) for _ in names]
        while rows := self._next(cursor):
            memory.check(self.label, len(rows) * len(names) * BYTES_PER_CELL)
            for column, values in zip(columns, zip(*rows)):
                column.add(values)
        return pa.Table.from_arrays([column.joined() for column in columns], names)

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


class _Cells:
    """The values of a column of SQLite, in which each row may have another type."""

    def __init__(self, pa):
        self.pa, self.parts = pa, []
        self.kinds: Counter = Counter()
        self.has_wide = False

    def add(self, values):
        kinds = {type(value) for value in values} - {type(None)}
        self.kinds.update(kinds)
        are_wide = any(map(is_wide_integer, values))
        self.has_wide |= are_wide
        if kinds <= {int, float} and len(kinds) == 2 and not are_wide:
            values = [None if value is None else float(value) for value in values]
        elif len(kinds) > 1:
            values = [None if value is None else _to_text(value) for value in values]
        self.parts.append(self.pa.array(values))

    def joined(self):
        """Return one column: of numbers if all values are, else of texts.

        Whole numbers beside others are texts, too, if float64 does not hold them.
        """
        pa = self.pa
        types = {part.type for part in self.parts} - {pa.null()}
        if not types:
            return pa.chunked_array(self.parts or [pa.nulls(0)], pa.null())
        kind = types.pop() if len(types) == 1 else pa.float64()
        if types and (self.has_wide or not types <= {pa.int64(), pa.float64()}):
            kind = pa.string()
        return pa.chunked_array([_cast(pa, part, kind) for part in self.parts], kind)


def _to_text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _cast(pa, part, kind):
    if part.type == kind:
        return part
    if kind == pa.string():  # as they would be in a part with texts
        return pa.array([None if v is None else _to_text(v) for v in part.to_pylist()], kind)
    return part.cast(kind, safe=False)


# ---- DuckDB ----


class _DuckDB:
    """A context with a DuckDB database."""

    def __init__(self, source):
        duckdb = source.format.import_package(source.label)
        if source.path is None or source.compression is not None:
            raise TableError(
                "is a DuckDB file that is compressed or not on the disk.",
                "Save it as a file that is not compressed.",
                place=source.label,
            )
        self.label, self.duckdb, self.n_invalid = source.label, duckdb, 0
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

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.connection.close()

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
        memory.check_width(self.label, len(reader.schema.names))
        batches = []
        for batch in reader:
            memory.check(self.label, batch.nbytes)
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)
