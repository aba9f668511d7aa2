"""Guess the encoding of a text that is not UTF-8.

Latin letters are told apart by the alphabets of languages: a text in the right encoding has only the
letters of one. Other scripts are left to charset-normalizer (extra `cli`).
"""

import re
import unicodedata
from collections import Counter

DEFAULT = "cp1252"  # Windows in Western Europe and America
LATIN = DEFAULT, "cp1250", "iso8859-2", "cp1254", "mac-roman", "cp850"
OTHER = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "koi8_u", "iso8859_5",
         "cp866", "cp1253", "cp1255", "cp1256", "cp874")  # fmt: skip
NAMES = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "iso8859-2": "ISO-8859-2",
    "cp1254": "Windows-1254",
    "mac-roman": "Mac Roman",
    "cp850": "DOS Latin",
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


def is_mostly_utf_8(sample):
    """Whether most lines of a sample, which have bytes beyond ASCII, are UTF-8."""
    lines = [line for line in sample.splitlines() if not line.isascii()]
    return 2 * sum(map(_is_utf_8, lines)) > len(lines)


def _is_utf_8(line):
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def guess(sample):
    """Return the name of the encoding of a sample of bytes, None if it cannot be told."""
    beyond = [byte for byte in sample if byte >= 0x80]
    if len(beyond) < MIN_BYTES:
        return DEFAULT
    runs = sum(byte >= 0x80 and (i == 0 or sample[i - 1] < 0x80) for i, byte in enumerate(sample))
    odd = sum(byte in ODD for byte in beyond) / len(beyond)
    is_latin = len(beyond) / runs <= LONG_RUN and odd <= MAX_ODD
    coverage = {name: _coverage(sample, name) for name in LATIN}
    best = max(LATIN, key=lambda name: coverage[name])
    if coverage[best] >= MIN_COVERAGE and coverage[best] >= coverage[DEFAULT] + MARGIN:
        return best
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


def _coverage(sample, encoding):
    """Return the share of the characters beyond ASCII that one language explains best."""
    text = sample.decode(encoding, "replace")
    letters: Counter = Counter()
    n = n_symbols = 0
    before = " "
    for c in text:
        if c >= "\x80":
            n += 1
            if c in PUNCTUATION or (c in SYMBOLS and not before.isalpha()):
                n_symbols += 1
            elif c in "²³" and before in "mM":
                n_symbols += 1
            elif c.isalpha() and not (before.islower() and c.isupper()):
                letters[c.lower() if len(c.lower()) == 1 else c] += 1
        before = c
    best = max(sum(k for c, k in letters.items() if c in known) for known in ALPHABETS)
    return (best + n_symbols) / max(1, n)


def _guess_other(sample):
    cyrillic = {name: _cyrillic_share(sample, name) for name in CYRILLIC}
    best = max(CYRILLIC, key=lambda name: cyrillic[name])
    if cyrillic[best] >= MIN_CYRILLIC:
        return best
    import charset_normalizer

    found = charset_normalizer.from_bytes(sample, cp_isolation=list(OTHER)).best()
    return None if found is None else found.encoding


def _cyrillic_share(sample, encoding):
    """Return the share of the characters beyond ASCII that are Cyrillic, with capitals where words
    have them; 0 if there are too few small vowels, as in Greek or Hebrew."""
    n = n_right = n_vowels = 0
    before = " "
    for c in sample.decode(encoding, "replace"):
        if c >= "\x80":
            n += 1
            n_right += c.lower() in RUSSIAN and not (before.islower() and c.isupper())
            n_vowels += c in VOWELS
        before = c
    return n_right / n if n_vowels > MIN_VOWELS * n else 0.0


def example(text):
    """Return a word of a text with characters beyond ASCII, "" if it has none."""
    words = (word.strip("\"'") for word in _words(text))
    return next((word for word in words if any(_is_letter(c) for c in word)), "")


def _words(text):
    return text.replace(",", " ").replace(";", " ").replace("\t", " ").split()


def _is_letter(c):
    return c >= "\x80" and unicodedata.category(c).startswith("L")
