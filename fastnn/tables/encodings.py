"""Find the encoding of a text file, and read it as UTF-8."""

import codecs
import io
from importlib.util import find_spec

from ..core.errors import Argument, Message
from ..core.messages import printable
from . import encoding_guess
from .table_errors import TableError

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHUNK = 1 << 20
SAMPLE = 1 << 14  # bytes that decide about the encoding
MIXED = "utf-8 with cp1252"  # of a file with some lines that are not UTF-8


def find(source, encoding, note, likely=None):
    """Return the encoding of a source: that of the user, of its byte order mark, UTF-8, or a guess.

    `likely` is an encoding of `encoding_guess.NAMES` to try before guessing.

    Raise TableError if it cannot be told. `note(text)` is called if the encoding is a guess.
    """
    start = source.read_start(4096)
    if encoding is not None:
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            raise TableError(
                "{argument} {value!r} is unknown.",
                "Pass one such as utf-8, cp1252, latin-1 or utf-16.",
                argument="encoding",
                value=encoding,
            ) from None
        name = "utf-8-sig" if name == "utf-8" else name
        _check(source, name)
        return name
    for mark, name in BOMS:
        if start.startswith(mark):
            _check(source, name)
            return name
    if b"\0" in start:
        zeros = [start[i::2].count(0) for i in (0, 1)]
        if max(zeros) > len(start) // 4 and min(zeros) < max(zeros) // 4:
            name = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
            raise TableError(
                "seems to be UTF-16 without a byte order mark.",
                "Pass {argument}, or save the file as UTF-8.",
                argument=Argument("encoding", name),
                place=source.label,
            )
    line = first_invalid_line(source, "utf-8")
    if line is None:
        return "utf-8"
    sample = _sample(source)
    if encoding_guess.is_mostly_utf_8(sample):
        note(
            f"{source.label}, line {line}: is not UTF-8, but most lines are. The bytes that are not "
            "were read as Windows-1252 (cp1252)."
        )
        return MIXED
    guessed = likely if likely in encoding_guess.NAMES else None
    if guessed is None or first_invalid_line(source, guessed) is not None:
        guessed = encoding_guess.guess(sample)
    is_valid = guessed is not None and first_invalid_line(source, guessed) is None
    if (
        not is_valid
        and guessed == encoding_guess.DEFAULT
        and encoding_guess.is_nearly_ascii(sample)
    ):
        note(
            f"{source.label}, line {line}: is not UTF-8, and no encoding fits all lines. The bytes that "
            "are not UTF-8 were read as Windows-1252 (cp1252)."
        )
        return MIXED
    if not is_valid:
        advice = "Pass the right {name}, or save the file as UTF-8."
        if guessed is None and find_spec("charset_normalizer") is None:
            advice += " Or run: python -m pip install charset-normalizer"
        raise TableError(
            "is not UTF-8, and its encoding cannot be told.",
            advice,
            argument="encoding",
            place=f"{source.label}, line {line}",
        )
    word = encoding_guess.example(sample.decode(guessed, "replace"))
    such = f", such as {printable(word)!r}" if word else ""
    note(
        Message(
            "{place}: is not UTF-8. The file was read as {read_as}. If letters are wrong, pass the right "
            "{encoding}.",
            place=f"{source.label}, line {line}",
            read_as=f"{encoding_guess.NAMES[guessed]} ({guessed}){such}",
            encoding=Argument("encoding"),
        )
    )
    return guessed


def _sample(source):
    """Return the first lines with other characters than those of ASCII."""
    lines, size = [], 0
    with source.open() as file:
        while size < SAMPLE and (line := file.readline(SAMPLE)):
            if not line.isascii():
                lines.append(line)
                size += len(line)
    return b"".join(lines)


def _check(source, encoding):
    line = first_invalid_line(source, encoding.removesuffix("-sig"))
    if line is not None:
        raise TableError(
            "is not text in {encoding}.",
            "Pass the right {name}.",
            argument="encoding",
            place=f"{source.label}, line {line}",
            encoding=encoding.removesuffix("-sig"),
        )


def first_invalid_line(source, encoding):
    """Return the number of the first line that is not text in an encoding, or None.

    Raise TableError if a line before it contains a zero byte, which no text does.
    """
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 1
    with source.open() as file:
        while True:
            chunk = file.read(CHUNK)
            is_valid = True
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                valid = getattr(error, "object", b"")[: getattr(error, "start", 0)]
                text, is_valid = valid.decode(encoding, "ignore"), False
            before, zero, _ = text.partition("\0")
            if zero:
                line = lines + before.count("\n")
                raise TableError(
                    "is not text (it contains zero bytes).",
                    "Save the table as CSV in UTF-8.",
                    place=f"{source.label}, line {line}",
                )
            if not is_valid:
                return lines + text.count("\n")
            if not chunk:
                return None
            lines += text.count("\n")


def _decode_others(error):
    """Return the bytes that are not UTF-8 as text, and where the text goes on."""
    text = error.object[error.start : error.end].decode("cp1252", "replace")
    return text, error.end


codecs.register_error("fastnn-cp1252", _decode_others)


def open_as_utf8(source, encoding):
    """Open a text file for reading bytes of UTF-8, without a byte order mark."""
    file = source.open()
    if encoding in ("utf-8", "utf-8-sig"):
        buffered = file if hasattr(file, "peek") else io.BufferedReader(file)
        if buffered.peek(3)[:3] == codecs.BOM_UTF8:
            buffered.read(3)
        return buffered
    return io.BufferedReader(_Recoder(file, encoding), CHUNK)


class BytesInPieces(io.RawIOBase):
    """A file of the bytes that `next_piece` returns."""

    rest = b""

    def next_piece(self):
        """Return the next bytes, none at the end."""
        raise NotImplementedError

    def readable(self):
        return True

    def readinto(self, target):
        self.rest = self.rest or self.next_piece()
        n = min(len(target), len(self.rest))
        target[:n], self.rest = self.rest[:n], self.rest[n:]
        return n


class _Recoder(BytesInPieces):
    """Bytes in any encoding, read as bytes of UTF-8."""

    def __init__(self, file, encoding):
        self.file = file
        if encoding == MIXED:
            self.decoder = codecs.getincrementaldecoder("utf-8")("fastnn-cp1252")
        else:
            self.decoder = codecs.getincrementaldecoder(encoding)()

    def next_piece(self):
        while chunk := self.file.read(CHUNK):
            if piece := self.decoder.decode(chunk).encode():
                return piece
        return self.decoder.decode(b"", final=True).encode()

    def close(self):
        self.file.close()
        super().close()
