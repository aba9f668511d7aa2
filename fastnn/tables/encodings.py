"""Find the encoding of a text file, and read it as UTF-8.

The encoding of a text that is not UTF-8 is guessed. Latin letters are told apart by the alphabets of
languages: a text in the right encoding has only the letters of one. Other scripts are left to
charset-normalizer (extra `cli`).
"""

import codecs
import io
import re
import unicodedata
from collections import Counter
from functools import partial
from importlib.util import find_spec

from ..core.errors import Argument, Message
from ..core.messages import printable
from .errors import TableError

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


def find_encoding(source, encoding, note, likely=None):
    """Return the encoding of a source: that of the user, of its byte order mark, UTF-8, or a guess.

    `likely` is an encoding of `ENCODING_NAMES` to try before guessing.

    Raise TableError if it cannot be told. `note(text)` is called if the encoding is a guess.
    """
    start = source.read_start(4096)
    marked = next((name for mark, name in BOMS if start.startswith(mark)), None)
    if encoding is not None or marked is not None:
        return _check_encoding(source, marked if encoding is None else _look_up(encoding))
    _refuse_utf_16(source.label, start)
    line = first_invalid_line(source, "utf-8")
    return "utf-8" if line is None else _find_other(source, line, note, likely)


def _look_up(encoding):
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):  # the latter of a NUL
        raise TableError(
            "{argument} {value!r} is unknown.",
            "Pass one such as utf-8, cp1252, latin-1 or utf-16.",
            argument="encoding",
            value=encoding,
        ) from None
    return "utf-8-sig" if name == "utf-8" else name


def _check_encoding(source, encoding):
    """Return an encoding. Raise TableError if it is not that of a source."""
    name = encoding.removesuffix("-sig")
    line = first_invalid_line(source, name)
    if line is not None:
        raise TableError(
            "is not text in {encoding}.",
            "Pass the right {name}.",
            argument="encoding",
            place=f"{source.label}, line {line}",
            encoding=name,
        )
    return encoding


def _refuse_utf_16(label, start):
    """Raise TableError if the first bytes are UTF-16, but for the byte order mark."""
    zeros = [start[i::2].count(0) for i in (0, 1)]
    if max(zeros) > len(start) // 4 and min(zeros) < max(zeros) // 4:
        raise TableError(
            "seems to be UTF-16 without a byte order mark.",
            "Pass {argument}, or save the file as UTF-8.",
            argument=Argument("encoding", "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"),
            place=label,
        )


def _find_other(source, line, note, likely):
    """Return the encoding of a source that is not UTF-8. line : the first that is not"""
    place, sample = f"{source.label}, line {line}", _sample(source)
    if is_mostly_utf_8(sample):
        note(
            f"{place}: is not UTF-8, but most lines are. The bytes that are not were read as "
            "Windows-1252 (cp1252)."
        )
        return MIXED
    is_likely = likely in ENCODING_NAMES and _is_valid(source, likely)
    guessed = likely if is_likely else guess_encoding(sample)
    if guessed is not None and _is_valid(source, guessed):
        word = example_word(sample.decode(guessed, "replace"))
        such = f", such as {printable(word)!r}" if word else ""
        note(
            Message(
                "{place}: is not UTF-8. The file was read as {read_as}. If letters are wrong, pass the "
                "right {encoding}.",
                place=place,
                read_as=f"{ENCODING_NAMES[guessed]} ({guessed}){such}",
                encoding=Argument("encoding"),
            )
        )
        return guessed
    if guessed == DEFAULT and is_nearly_ascii(sample):
        note(
            f"{place}: is not UTF-8, and no encoding fits all lines. The bytes that are not UTF-8 were "
            "read as Windows-1252 (cp1252)."
        )
        return MIXED
    advice = "Pass the right {name}, or save the file as UTF-8."
    if guessed is None and find_spec("charset_normalizer") is None:
        advice += " Or run: python -m pip install charset-normalizer"
    raise TableError(
        "is not UTF-8, and its encoding cannot be told.", advice, argument="encoding", place=place
    )


def _is_valid(source, encoding):
    return first_invalid_line(source, encoding) is None


def _sample(source):
    """Return the first lines with other characters than those of ASCII."""
    lines, size = [], 0
    with source.open() as file:
        while size < SAMPLE and (line := file.readline(SAMPLE)):
            if not line.isascii():
                lines.append(line)
                size += len(line)
    return b"".join(lines)


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
    name, errors = ("utf-8", "fastnn-cp1252") if encoding == MIXED else (encoding, "strict")
    texts = codecs.iterdecode(iter(partial(file.read, CHUNK), b""), name, errors)
    return io.BufferedReader(ByteStream(map(str.encode, texts), file), CHUNK)


class ByteStream(io.RawIOBase):
    """A file of the bytes that an iterable yields. With it, the file is closed that they come from."""

    def __init__(self, pieces, file=None):
        self._pieces, self._rest, self._file = iter(pieces), b"", file

    def readable(self):
        return True

    def readinto(self, target):
        self._rest = self._rest or next(filter(None, self._pieces), b"")
        n = min(len(target), len(self._rest))
        target[:n], self._rest = self._rest[:n], self._rest[n:]
        return n

    def close(self):
        if self._file is not None:
            self._file.close()
        super().close()


# ---- guess ----

DEFAULT = "cp1252"  # Windows in Western Europe and America
LATIN = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "iso8859-2": "ISO-8859-2",
    "cp1254": "Windows-1254",
    "mac-roman": "Mac Roman",
    "cp850": "DOS Latin",
}
OTHERS = {
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "gb18030": "GBK",
    "big5": "Big5",
    "cp949": "EUC-KR",
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U",
    "iso8859_5": "ISO-8859-5",
    "cp866": "DOS Cyrillic",
    "cp1253": "Windows-1253",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp874": "Windows-874",
}
ENCODING_NAMES = LATIN | OTHERS
#: Letters of languages besides a to z.
ALPHABETS = tuple(
    map(
        frozenset,
        (
            "àâæçéèêëîïôœùûüÿ",  # French
            "äöüßé",  # German
            "áéíñóúü",  # Spanish
            "ãáâàçéêíõóôúü",  # Portuguese
            "àèéìíîòóùú",  # Italian
            "åäöéü",  # Swedish, Finnish
            "æøåéòô",  # Danish, Norwegian
            "áðéíóúýþæö",  # Icelandic
            "àçèéíïòóúü",  # Catalan
            "éëèïöüó",  # Dutch
            "ąćęłńóśźż",  # Polish
            "áčďéěíňóřšťúůýž",  # Czech
            "áäčďéíĺľňóôŕšťúýž",  # Slovak
            "áéíóöőúüű",  # Hungarian
            "ăâîşţ",  # Romanian
            "čćđšž",  # Croatian, Slovene
            "çğıöşüâîİ",  # Turkish
        ),
    )
)
# RUF001: these characters are meant, although they look like others
PUNCTUATION = frozenset("«»“”’‘‚„–—…•·®©™ºª°\xa0")  # noqa: RUF001
SYMBOLS = frozenset("€£§²³½¼¾¿¡×µ")  # noqa: RUF001
CYRILLIC = "cp1251", "koi8_r", "iso8859_5", "cp866"
RUSSIAN = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюя")
VOWELS = frozenset("аеёиоуыэюя")
MIN_VOWELS = 0.25  # Russian has 42 %
MIN_CYRILLIC = 0.97
MIN_COVERAGE = 0.9  # of the characters, by the alphabet of one language
MARGIN = 0.1  # by which another encoding must be better than the default
MIN_BYTES = 4  # fewer say nothing
LONG_RUN = 1.7  # bytes beyond ASCII in a row, on average: Latin text has single ones
ODD = frozenset(range(0x80, 0xA0)) - frozenset(
    [0x80, 0x82, 0x84, 0x85, 0x8A, 0x8C, 0x8E, *range(0x91, 0x98), 0x99, 0x9A, 0x9C, 0x9E]
)  # bytes that are rare in the default
MAX_ODD = 0.1
MAX_STRAY = 0.1  # share of the bytes beyond ASCII among the letters of a text in ASCII
MIN_WORDS = 0.5  # share of the words with letters beyond ASCII that are whole words of one script
DOUBLE_BYTE = "cp932", "euc_jp", "gb18030", "big5", "cp949"
#: A word of letters beyond ASCII in an alphabet, and in a script whose words can be one letter, or
#: stand beside Latin letters without a blank. Katakana of half the width are single bytes.
ALPHABETIC = re.compile(r"[^A-Za-z]{3,}")
OWN = r"[^A-Za-z\uff61-\uff9f]"
LOGOGRAPHIC = re.compile(f"{OWN}+|[A-Za-z]+{OWN}{{2,}}|{OWN}{{2,}}[A-Za-z]+")
WORD = re.compile(r"[^\W\d_]+")
RUN = re.compile(rb"[\x80-\xff]+")


def is_mostly_utf_8(sample):
    """Whether most lines of a sample, which have bytes beyond ASCII, are UTF-8."""
    lines = [line for line in sample.splitlines() if not line.isascii()]
    return 2 * sum(line == line.decode(errors="ignore").encode() for line in lines) > len(lines)


def guess_encoding(sample):
    """Return the name of the encoding of a sample of bytes, None if it cannot be told."""
    runs = RUN.findall(sample)
    beyond = b"".join(runs)
    if len(beyond) < MIN_BYTES:
        return DEFAULT
    coverage = {name: _coverage(sample, name) for name in LATIN}
    best = max(LATIN, key=coverage.__getitem__)
    if coverage[best] >= MIN_COVERAGE and coverage[best] >= coverage[DEFAULT] + MARGIN:
        return best
    odd = sum(byte in ODD for byte in beyond) / len(beyond)
    is_latin = len(beyond) / len(runs) <= LONG_RUN and odd <= MAX_ODD
    if is_latin or coverage[DEFAULT] >= MIN_COVERAGE:
        return DEFAULT
    try:
        other = _guess_other(sample)
    except ImportError:
        return None
    if is_nearly_ascii(sample) and (other is None or not _has_words(sample, other)):
        return DEFAULT
    return other


def is_nearly_ascii(sample):
    """Whether the lines with bytes beyond ASCII are in ASCII but for a few stray bytes.

    English texts have them after two programs have taken them for different encodings.
    """
    n = sum(byte >= 0x80 for byte in sample)
    n_ascii = sum(byte < 0x80 and chr(byte).isalpha() for byte in sample)
    return n <= MAX_STRAY * (n + n_ascii)


def _has_words(sample, encoding):
    """Whether letters beyond ASCII make words of their own, and are not stray bytes in English ones."""
    text = sample.decode(encoding, "replace")
    letters = "".join(
        c for c in text if not unicodedata.category(c).startswith("M")
    )  # no vowel signs
    words = [word for word in WORD.findall(letters) if not word.isascii()]
    if encoding in DOUBLE_BYTE:
        whole = [word for word in words if LOGOGRAPHIC.fullmatch(word)]
    else:
        whole = [word for word in words if ALPHABETIC.fullmatch(word) and _is_capitalized(word)]
    return len(whole) >= MIN_WORDS * len(words) > 0


def _is_capitalized(word):
    """Whether capitals are where a word has them."""
    return word in (word.lower(), word.upper(), word.capitalize())


def _beyond_ascii(sample, encoding):
    """Return the characters beyond ASCII of a sample, each with the one before it."""
    text = sample.decode(encoding, "replace")
    return [(before, c) for before, c in zip(" " + text, text) if c >= "\x80"]


def _is_inner_capital(before, c):
    return before.islower() and c.isupper()


def _coverage(sample, encoding):
    """Return the share of the characters beyond ASCII that one language explains best."""
    letters: Counter = Counter()
    n_symbols = 0
    pairs = _beyond_ascii(sample, encoding)
    for before, c in pairs:
        if _is_symbol(before, c):
            n_symbols += 1
        elif c.isalpha() and not _is_inner_capital(before, c):
            letters[c.lower() if len(c.lower()) == 1 else c] += 1
    best = max(sum(k for c, k in letters.items() if c in known) for known in ALPHABETS)
    return (best + n_symbols) / max(1, len(pairs))


def _is_symbol(before, c):
    """Whether a character is a sign that texts of all languages have, where they have it."""
    is_exponent = c in "²³" and before in "mM"
    return c in PUNCTUATION or is_exponent or (c in SYMBOLS and not before.isalpha())


def _guess_other(sample):
    shares = {name: _cyrillic_share(sample, name) for name in CYRILLIC}
    best = max(CYRILLIC, key=shares.__getitem__)
    if shares[best] >= MIN_CYRILLIC:
        return best
    import charset_normalizer

    found = charset_normalizer.from_bytes(sample, cp_isolation=list(OTHERS)).best()
    return None if found is None else found.encoding


def _cyrillic_share(sample, encoding):
    """Return the share of the characters beyond ASCII that are Cyrillic, with capitals where words
    have them; 0 if there are too few small vowels, as in Greek or Hebrew."""
    pairs = _beyond_ascii(sample, encoding)
    n_vowels = sum(c in VOWELS for _, c in pairs)
    if n_vowels <= MIN_VOWELS * len(pairs):
        return 0.0
    right = [c for before, c in pairs if c.lower() in RUSSIAN and not _is_inner_capital(before, c)]
    return len(right) / len(pairs)


def example_word(text):
    """Return a word of a text with letters beyond ASCII, "" if it has none."""
    words = (word.strip("\"'") for word in re.split(r"[\s,;]+", text))
    return next((word for word in words if any(map(_is_letter, word))), "")


def _is_letter(c):
    return c >= "\x80" and unicodedata.category(c).startswith("L")
