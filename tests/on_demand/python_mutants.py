"""Mutants of the Python code in fastnn/, found in its syntax trees.

Not changed: docstrings, annotations, blocks for type checkers, the texts of f-strings, warnings and
`raise`, strings that are not compared, and `return`, since nearly every test would notice None.
`encoding="utf-8"` is the default on Linux.
"""

import ast
import re
from itertools import accumulate
from pathlib import Path

from mutation import Mutant

SWAPS = {  # the text of an operator: what it becomes
    **{"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    **{"is": "is not", "is not": "is", "in": "not in", "not in": "in"},
    **{"+": "-", "-": "+", "*": "/", "/": "*", "//": "/", "%": "*", "**": "*"},
    **{"<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&", "and": "or", "or": "and"},
}
NEGATED = ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn  # swaps negate them
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
TYPES = "annotation", "returns", "type_params"


class PythonMutants:
    """The mutants of one file: the method of each kind of node finds those of the node alone."""

    def __init__(self, path, text):
        self.path, self.text, self.found = path, text, []
        lines = text.splitlines(keepends=True)
        self.lines = [line.encode() for line in lines]
        self.starts = [0, *accumulate(map(len, lines))]
        self.visit(ast.parse(text))

    def visit(self, node):
        if isinstance(node, ast.Raise):
            self.add("statement", node, "pass")
        if isinstance(node, ast.Raise | ast.JoinedStr) or is_warning(node) or is_overload(node):
            return
        getattr(self, type(node).__name__, lambda node: None)(node)
        is_for_types = isinstance(node, ast.If) and is_type_checking(node.test)
        for field, value in ast.iter_fields(node):
            if field in TYPES or (is_for_types and field != "orelse"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.visit(child)

    def span(self, node):
        """The indices of the text of a node; syntax trees count bytes."""
        places = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        return [self.starts[i - 1] + len(self.lines[i - 1][:j].decode()) for i, j in places]

    def add(self, kind, place, new):
        """`place` is a node or indices."""
        start, end = place if isinstance(place, tuple) else self.span(place)
        line = self.text.count("\n", 0, start)
        old = self.text[start:end]
        if old != new:
            place = line + 1, start - self.starts[line]
            self.found.append(Mutant(self.path, *place, old, new, kind))

    def swap(self, kind, left, right):
        """Swap the operator between two nodes, beside which there may be parentheses."""
        start, end = self.span(left)[1], self.span(right)[0]
        words = r"[\s)\\]*?(is\s+not|not\s+in|\S+?)(=?)[\s(\\]*"
        match = re.fullmatch(words, self.text[start:end])
        operator = match and (match[1] if kind == "assignment" else match[1] + match[2])
        if operator in SWAPS:
            place = start + match.start(1), start + match.start(1) + len(operator)
            self.add("operator" if kind == "assignment" else kind, place, SWAPS[operator])

    def Compare(self, node):
        sides = [node.left, *node.comparators]
        for left, right in zip(sides, sides[1:]):
            self.swap("comparison", left, right)
        for side in sides:  # kind == "text", kind in ("text", "other")
            for each in [side, *getattr(side, "elts", [])]:
                if isinstance(getattr(each, "value", None), str):
                    self.add("constant", each, repr(each.value + "?"))

    def BoolOp(self, node):
        for left, right in zip(node.values, node.values[1:]):
            self.swap("operator", left, right)

    def BinOp(self, node):
        is_text = isinstance(getattr(node.left, "value", None), str)  # "%s" % value
        if not is_text and not isinstance(node.left, ast.JoinedStr):
            self.swap("operator", node.left, node.right)

    def UnaryOp(self, node):
        start = self.span(node)[0]
        if match := re.match(r"(not\b|-)\s*", self.text[start:]):
            self.add("operator", (start, start + match.end()), "")

    def AugAssign(self, node):
        self.swap("assignment", node.target, node.value)
        self.add("statement", node, "pass")

    def Constant(self, node):
        if isinstance(node.value, bool):
            self.add("constant", node, repr(not node.value))
        elif isinstance(node.value, int | float):
            more = node.value + 1
            self.add("constant", node, repr(more if more != node.value else node.value / 2))

    def If(self, node, fixed=("True", "False")):
        test = node.test
        if is_type_checking(test):
            return
        is_swapped = isinstance(test, ast.Compare) and isinstance(test.ops[-1], NEGATED)
        if not is_swapped and not isinstance(getattr(test, "op", None), ast.Not):
            start, end = self.span(test)
            self.add("branch", test, f"not ({self.text[start:end]})")
        for each in fixed:
            self.add("branch", test, each)

    IfExp = If

    def While(self, node):
        self.If(node, ["False"])  # without an end it would only take time

    def comprehension(self, node):
        for test in node.ifs:
            self.add("branch", test, "True")

    def Delete(self, node):
        self.add("statement", node, "pass")

    Break = Continue = Delete

    def Expr(self, node):
        if isinstance(node.value, ast.Call | ast.Await):
            self.add("statement", node, "pass")

    def Assign(self, node):
        if all(isinstance(each, ast.Attribute | ast.Subscript) for each in node.targets):
            self.add("statement", node, "pass")

    def FunctionDef(self, node):
        """Leave out assignments to names that have a value: arguments, or assigned above."""
        names = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
        inside = [each for each in ast.walk(node) if isinstance(each, ast.Assign)]
        for each in sorted(inside, key=self.span):
            stored = {
                name.id
                for target in each.targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            if stored and stored <= names:
                self.add("statement", each, "pass")
            names |= stored

    AsyncFunctionDef = FunctionDef

    def Call(self, node):
        """Leave out each keyword argument, and the comma before it or, for the first one, after it."""
        spans = sorted(map(self.span, [*node.args, *node.keywords]))
        for each in node.keywords:
            start, end = self.span(each)
            i = spans.index([start, end])
            if each.arg is None or self.text[start:end] == 'encoding="utf-8"':
                continue
            before = spans[i - 1][1] if i else start
            after = spans[1][0] if i == 0 and spans[1:] else end
            if len(spans) == 1:
                after += len(re.match(r"\s*,?", self.text[end:])[0])
            if re.fullmatch(r"\s*,?\s*", self.text[before:start] + self.text[end:after]):
                self.add("argument", (before, after), "")


def is_type_checking(test):
    return ast.unparse(test).endswith("TYPE_CHECKING")


def is_overload(node):
    return isinstance(node, FUNCTION) and "overload" in map(ast.unparse, node.decorator_list)


def is_warning(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("warn", "TypeVar"))


def python_mutants(root, folder="fastnn"):
    """Yield the mutants of all files of a folder of the checkout."""
    for path in sorted(Path(root, folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found = PythonMutants(path.relative_to(root).as_posix(), text).found
        yield from dict.fromkeys(found)  # assignments in nested functions are found twice
