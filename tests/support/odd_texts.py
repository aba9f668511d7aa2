"""Texts of all kinds, for tests of their n-grams."""

TEXTS = {
    "words": "The cat sat, THE CAT!",
    "one letter": "a b c",
    "nothing": "",
    "separators": " .,;\t\n",
    "digits": "room 101 at 7.50",
    "Cyrillic": "Очень хорошо",
    "Chinese": "这家餐厅很好吃",
    "emoji": "good 👍🏽👩‍👩‍👧",
    "accents": "Crème brûlée ÉTÉ",
    "control characters": "a\x00b\x1b[31mred",
    "half a pair of surrogates": "\ud800 x",
    "a long word": "ab" * 500,
    "a word with the hash 0": "the akhnp9x thing",
}
