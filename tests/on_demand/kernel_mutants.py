"""Mutants of the kernels and the training loop in src/ops and src/train, and the tests that run them; see
mutation.py.

A mutant is compiled for float32 and one instruction set, the last one that this machine supports, without
optimizations that take long. The copies of the checkout have no other instruction set: tests that compare
two of them would notice any mutant that is compiled for one alone.

A change that compiles to the same machine code is not a mutant: the draw has another one.
"""

import ast
import functools
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tokenize
from collections import defaultdict

from gcov_map import ONCE, GcovMap, build, supported
from mutation import Mutant
from warm_tests import copy_checkout

COMMANDS = "build/commands"
FOLDERS = "src/ops", "src/train"
BANDS = "kernels", "networks", "training"  # the other bands test what calls them
SWAPS = {
    "comparison": {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="},
    "operator": {
        **{"+": "-", "-": "+", "*": "+", "//": "*", "/": "*", "%": "*", "<<": ">>", ">>": "<<"},
        **{"&": "|", "|": "&", "^": "&", "and": "or", "or": "and", "not": ""},
        **{"+=": "-=", "-=": "+=", "*=": "+=", "//=": "*=", "/=": "*=", "|=": "&=", "&=": "|="},
        **{"min_": "max_", "max_": "min_", "vmin": "vmax", "vmax": "vmin", "fmin": "fmax"},
        **{"vadd": "vsub", "vsub": "vadd", "vmul": "vdiv", "vdiv": "vmul"},
        **{"vfma": "vfnma", "vfnma": "vfma"},
    },
    "constant": {"True": "False", "False": "True"},
}
WORDS = "and", "or", "not", "True", "False"  # the other names that are swapped are functions
BLOCKS = "if", "elif", "else", "for", "while", "with"


def statements(text):
    """Yield the tokens of each logical line, without comments."""
    tokens = []
    for each in tokenize.generate_tokens(io.StringIO(text).readline):
        if each.type == tokenize.NEWLINE:
            yield tokens
            tokens = []
        elif each.type in (tokenize.NAME, tokenize.NUMBER, tokenize.OP, tokenize.STRING):
            tokens.append(each)


class FileMutants:
    """The mutants of the functions of one file of Cython."""

    def __init__(self, path, text):
        self.path, self.lines, self.found = path, text.splitlines(keepends=True), []
        indent = names = None  # of a function: its indentation, and the names that have a value
        for tokens in statements(text):
            column, words = tokens[0].start[1], [each.string for each in tokens]
            if indent is not None and column <= indent:
                indent = None
            if indent is not None:
                self.visit(tokens, words, names)
            elif words[0] == "cdef" and words[-1] == ":" and "(" in words:
                indent, names = column, set(words)

    def source(self, first, last):
        """What is from one token to another one."""
        (line, column), (end_line, end) = first.start, last.end
        part = self.lines[line - 1 : end_line]
        part[-1] = part[-1][:end]
        part[0] = part[0][column:]
        return "".join(part)

    def add(self, kind, first, last, new):
        old = self.source(first, last)
        self.found.append(Mutant(self.path, *first.start, old, new, kind))

    def visit(self, tokens, words, names):
        if tokens[0].type == tokenize.STRING or (words[0] == "cdef" and "=" not in words):
            return
        for i, each in enumerate(tokens):
            if each.type == tokenize.NUMBER:
                value = ast.literal_eval(each.string)
                self.add(
                    "constant", each, each, repr(value + 1 if value + 1 != value else value / 2)
                )
            elif each.string == "vselect_gt":
                (a, b), (c, d) = arguments(words, i + 1)[:2]
                left, right = self.source(tokens[a], tokens[b]), self.source(tokens[c], tokens[d])
                self.add("comparison", tokens[a], tokens[d], f"{right}, {left}")
            elif self.is_operator(each) or "(" in words[i + 1 : i + 2] or each.string in WORDS:
                for kind, swaps in SWAPS.items():
                    if each.string in swaps:
                        self.add(kind, each, each, swaps[each.string])
        self.conditions(tokens, words)
        self.statement(tokens, words, names)

    def is_operator(self, token):
        """Operators have spaces on both sides, but not what belongs to a type or takes an address."""
        line = self.lines[token.start[0] - 1]
        before, after = line[: token.start[1]][-1:], line[token.end[1] :][:1]
        return token.type == tokenize.OP and before == " " and after in (" ", "\n")

    def conditions(self, tokens, words):
        """Conditions of statements and of conditional expressions."""
        for i, word in enumerate(words):
            if word in ("if", "elif", "while"):
                j = closing(words, i + 1, ":" if i == 0 else "else")
                text = self.source(tokens[i + 1], tokens[j - 1])
                for new in ("0",) if word == "while" else (f"not ({text})", "1", "0"):
                    self.add("branch", tokens[i + 1], tokens[j - 1], new)

    def statement(self, tokens, words, names):
        """Leave out a call, a jump, or an assignment to what has a value before."""
        stores = [i for i, word in enumerate(words) if re.fullmatch(r"[-+*/|&]*=", word)]
        if words in (["break"], ["continue"], ["return"]):
            self.add("statement", tokens[0], tokens[0], "pass")
        elif words[0] not in BLOCKS and words[0] not in ("cdef", "return", "pass"):
            has_value = stores and (stores[0] > 1 or words[1] != "=" or words[0] in names)
            if has_value or not stores:
                self.add("statement", tokens[0], tokens[-1], "pass")
        names |= {words[i - 1] for i in stores}


def closing(words, start, end):
    """The index of the word `end` outside of brackets."""
    depth = 0
    for i in range(start, len(words)):
        if depth == 0 and words[i] == end:
            return i
        depth += (words[i] in ("(", "[")) - (words[i] in (")", "]"))
    raise ValueError(words)


def arguments(words, opening):
    """The first and the last index of the first two arguments."""
    comma = closing(words, opening + 1, ",")
    return (opening + 1, comma - 1), (comma + 1, closing(words, comma + 1, ",") - 1)


class KernelCode:
    """The code of src/ops and src/train."""

    weak, by_case = ("test_golden.py",), False

    def __init__(self, root, state):
        self.root, self.tree = root, state / "one_set"
        *self.others, self.isa = supported(root)
        self.module = f"{self.isa}_float32"
        self.map = GcovMap(state / "map", root, state / "tree", [self.isa])
        self.compiled = {}  # {(path, text): library}

    def mutants(self):
        for path in sorted(
            each for folder in FOLDERS for each in self.root.glob(f"{folder}/*.pxi")
        ):
            name = path.relative_to(self.root).as_posix()
            yield from FileMutants(name, path.read_text("utf-8")).found

    def record(self, n_workers):
        files = [each for each in self.map.missing() if each.split("/")[1] in BANDS]
        self.map.record_all(files, n_workers)
        if not (self.tree / COMMANDS).exists():
            self._build()
        shutil.copytree(self.root / "tests", self.tree / "tests", dirs_exist_ok=True)
        self._files  # noqa: B018 - once, for all workers

    def _build(self):
        """Build a copy of the checkout for the instruction set alone, and keep the commands."""
        copy_checkout(self.root, self.tree)
        output = build(self.tree, f"-O1 {ONCE}", [self.isa])
        lines = [shlex.split(line) for line in output.splitlines() if self.module in line]
        commands = [
            next(words for words in lines if "-o" in words and ("-c" in words) == compiles)
            for compiles in (True, False)
        ]
        commands[1][commands[1].index("-o") + 1] = str(
            self._library(self.tree).relative_to(self.tree)
        )
        (self.tree / COMMANDS).write_text(json.dumps(commands))

    def _library(self, tree):
        return next(tree.glob(f"fastnn/_{self.module}.*.so"))

    @functools.cached_property
    def _directives(self):
        """The options of Cython in setup.py."""
        for node in ast.walk(ast.parse((self.root / "setup.py").read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "compiler_directives":
                settings = ast.literal_eval(node.value)
                return [f"-X{name}={value}" for name, value in settings.items()]

    def rebuild(self, tree, path):
        """Compile a mutant of `path`, unless it is known, or take the original back."""
        text = (tree / path).read_bytes()
        if text == (self.tree / path).read_bytes():
            content = self._library(self.tree).read_bytes()
        else:
            if (path, text) not in self.compiled:
                self.compiled[path, text] = self._compile(tree)
            content = self.compiled[path, text]
        if content is not None:
            (tree / "fastnn" / self._library(self.tree).name).write_bytes(content)
        return content is not None

    def _compile(self, tree):
        """The library with the mutant, None if it does not compile or is the same machine code."""
        compile_, link = json.loads((self.tree / COMMANDS).read_text())
        c_file, object_ = f"build/src/variants/{self.module}.c", compile_[compile_.index("-o") + 1]
        for each in (c_file, object_):
            (tree / each).parent.mkdir(parents=True, exist_ok=True)
        cython = [sys.executable, "-m", "cython", *self._directives, "-o", c_file]
        cython += ["--module-name", f"fastnn._{self.module}"]
        is_new = (
            succeeds([*cython, f"src/variants/{self.module}.pyx"], tree)
            and succeeds(compile_, tree)
            and (tree / object_).read_bytes() != (self.tree / object_).read_bytes()
            and succeeds(link, tree)
        )
        return self._library(tree).read_bytes() if is_new else None

    @functools.cached_property
    def _files(self):
        """{(path, line): files of tests that run it} and {path: files of tests that run any line}."""
        lines, paths = defaultdict(set), defaultdict(set)
        for file in self.map.files():
            for _, (found, _) in self.map.counts(file, [self.module]):
                for (path, line), count in found.items():
                    if count:
                        lines[path, line].add(file)
                        paths[path].add(file)
        return lines, paths

    def tests(self, mutant):
        """{node id: seconds} of the files of tests that run the line, or else any line of the file, without
        cases for float64 and for other instruction sets."""
        lines, paths = self._files
        files = lines[mutant.path, mutant.line] or paths[mutant.path]
        others = "float64", *self.others
        return {
            name: seconds
            for name, seconds in self.map.seconds.items()
            if name.split("::")[0] in files and not any(each in name for each in others)
        }

    def group(self, path):
        return path.rpartition("/")[0]


def succeeds(command, tree):
    return subprocess.run(command, cwd=tree, capture_output=True).returncode == 0
