"""Find the rows in one JSON value: in an object around them, by columns, or as pandas writes them."""

from ..core.messages import join

MAX_DEPTH = 5  # of objects around the rows


def find_rows(value):
    """Return the rows in a JSON value as a list of dicts, and where they are.

    Returns
    -------
    rows : list of dict, or None
        None if the value holds no rows, or several lists of them.
    where : str
        "" if they are the whole value; the paths of the lists if there are several.
    """
    if isinstance(value, list):
        return (value, "") if _are_objects(value) else (_with_header(value), "")
    for find in (_with_schema, _by_position, _by_column, _by_label):
        rows = find(value)
        if rows is not None:
            return rows, ""
    paths = list(_paths(value, (), MAX_DEPTH))
    if len(paths) != 1:
        return None, join((".".join(path) for path in paths), 4)
    rows = value
    for key in paths[0]:
        rows = rows[key]
    return rows, ".".join(paths[0])


def _are_objects(value):
    return bool(value) and all(isinstance(row, dict) for row in value)


def _are_lists(value, n):
    return isinstance(value, list) and all(isinstance(r, list) and len(r) == n for r in value)


def _with_header(rows):
    """Lists of values, of which the first holds the names."""
    if len(rows) < 2 or not isinstance(rows[0], list) or not _are_lists(rows, len(rows[0])):
        return None
    names = rows[0]
    is_header = names and all(isinstance(name, str) for name in names)
    are_texts = all(isinstance(x, str) for row in rows for x in row)
    if not is_header or are_texts or len(set(names)) < len(names):
        return None
    return [dict(zip(names, row)) for row in rows[1:]]


def _with_schema(value):
    """The objects of DataFrame.to_json(orient="table")."""
    has_schema = isinstance(value.get("schema"), dict) and "fields" in value["schema"]
    rows = value.get("data")
    return rows if has_schema and isinstance(rows, list) and _are_objects(rows) else None


def _by_position(value):
    """The lists of DataFrame.to_json(orient="split"), or of an export of Socrata."""
    names = value.get("columns")
    if names is None:
        try:
            names = [column["name"] for column in value["meta"]["view"]["columns"]]
        except (KeyError, TypeError):
            return None
    rows = value.get("data")
    if not isinstance(names, list) or not names or not rows or not _are_lists(rows, len(names)):
        return None
    return [dict(zip(map(str, names), row)) for row in rows]


def _by_column(value):
    """A list of values for each column."""
    if not value or not all(isinstance(values, list) for values in value.values()):
        return None
    n = {len(values) for values in value.values()}
    has_objects = any(isinstance(x, (dict, list)) for values in value.values() for x in values)
    if len(n) != 1 or n == {0} or has_objects:
        return None
    return [dict(zip(value, row)) for row in zip(*value.values())]


def _by_label(value):
    """The values of DataFrame.to_json() or of orient="index", by the number of the row."""
    if not value or not all(isinstance(values, dict) for values in value.values()):
        return None
    if all(name.isdecimal() for name in value):  # a row for each number
        return list(value.values())
    labels = dict.fromkeys(label for values in value.values() for label in values)
    if not labels or not all(label.isdecimal() for label in labels):
        return None
    return [{name: values.get(label) for name, values in value.items()} for label in labels]


def _paths(value, path, depth):
    """Yield the keys that lead to each list of objects."""
    if _are_objects(value) if isinstance(value, list) else False:
        yield path
    elif isinstance(value, dict) and depth:
        for key, item in value.items():
            yield from _paths(item, (*path, key), depth - 1)
