"""Free text as C99 source: its n-grams, and the layers that make numbers of them."""

import numpy as np

from . import c_text

#: Of digits: those that a string literal holds without escapes, from # to ~. ? begins trigraphs.
CHARACTERS = np.frombuffer(bytes(sorted({*range(35, 127)} - {*b"?\\"})), np.uint8)
BASE = len(CHARACTERS)
ROW = 4000  # characters of a literal; C99 promises 4095
# generated: ngrams, by src/generate.py from src/binding/ngrams.h
NGRAMS = """
/* The n-grams of a text in UTF-8, as numbers of buckets.

   Bytes of a word are ASCII letters, in lower case, ASCII digits, and all bytes from 128 on. All others separate words.
   The n-grams are the words, pairs of neighbouring words, and 3 to 6 bytes of a word with a space at each end that begin
   and end between code points: 3 to 6 ASCII letters, two or three Cyrillic ones, one or two Chinese ones, an emoji. So
   they need neither spaces between words nor tables of scripts, and the time grows with the length alone.

   A text is any bytes; nothing outside of them is read. */

#define ${NAME}_NGRAM_SHORTEST 3
#define ${NAME}_NGRAM_LONGEST 6
#define ${NAME}_NGRAM_PRIME 16777619u  /* of FNV-1a */
#define ${NAME}_NGRAM_WORD 2166136261u
#define ${NAME}_NGRAM_PAIR 3266489917u
#define ${NAME}_NGRAM_PART 668265263u

/* The byte of a word, 0 for a separator */
static unsigned char ${name}_ngram_byte(const unsigned char *text, size_t n, size_t i)
{
    const unsigned char c = i < n ? text[i] : 0;
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return c >= 128 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : 0;
}

static uint32_t ${name}_ngram_bucket(uint32_t hash, int n_bits)
{
    hash = (hash ^ (hash >> 15)) * 2246822519u;
    return (hash ^ (hash >> 13)) * 3266489917u >> (32 - n_bits);
}

/* Call visit(context, bucket) for each n-gram of a text of n bytes, in order, with repetitions. */
static void ${name}_visit_ngrams(const unsigned char *text, size_t n, int n_bits, void (*visit)(void *, uint32_t), void *context)
{
    uint32_t previous = 0;
    for (size_t begin = 0; begin < n;) {
        size_t end = begin;
        uint32_t word = ${NAME}_NGRAM_WORD;
        for (unsigned char c; (c = ${name}_ngram_byte(text, n, end)) != 0; end++)
            word = (word ^ c) * ${NAME}_NGRAM_PRIME;
        if (end == begin) {
            begin++;
            continue;
        }
        visit(context, ${name}_ngram_bucket(word, n_bits));
        if (previous != 0)
            visit(context, ${name}_ngram_bucket((previous ^ ${NAME}_NGRAM_PAIR) * ${NAME}_NGRAM_PRIME + word, n_bits));
        previous = word;
        const size_t last = end - begin + 1; /* the space after the word; position 0 is the one before it */
        for (size_t first = 0; first + ${NAME}_NGRAM_SHORTEST <= last + 1; first++) {
            uint32_t part = ${NAME}_NGRAM_PART;
            for (size_t i = first; i <= last && i < first + ${NAME}_NGRAM_LONGEST; i++) {
                const unsigned char c = i == 0 || i == last ? ' ' : ${name}_ngram_byte(text, n, begin + i - 1);
                const unsigned char next = i + 1 >= last ? ' ' : ${name}_ngram_byte(text, n, begin + i);
                if (i == first && (c & 0xC0) == 0x80)
                    break;
                part = (part ^ c) * ${NAME}_NGRAM_PRIME;
                if (i + 1 >= first + ${NAME}_NGRAM_SHORTEST && (next & 0xC0) != 0x80)
                    visit(context, ${name}_ngram_bucket(part, n_bits));
            }
        }
        begin = end;
    }
}
"""
# end of ngrams

LAYER = """
/* Add the weights of an n-gram of layer $k, from weight i on, in steps: each is $n_digits digits to the base $base */
static void ${name}_add_weights$k(double *restrict sums, size_t i)
{
    for (size_t j = 0; j < $n;) {
        const size_t place = (i + j) % $per_row, rest = $per_row - place;
        const char *digits = ${name}_weights$k[(i + j) / $per_row] + $n_digits * place;
        for (const size_t end = rest < $n - j ? j + rest : $n; j < end; j++) {
            int32_t x = 0;
            for (size_t d = 0; d < $n_digits; d++)
                x = $base * x + ${name}_digits[(unsigned char)*digits++];
            sums[j] += (double)(x - $middle);
        }
    }
}

/* What layer $k has found in a text: n-grams, the sum of their squares, and those of their weights */
typedef struct {
    unsigned char found[$n_bytes];
    double squares, sums[$n];
} ${name}_sums$k;

static void ${name}_add$k(void *context, uint32_t bucket)
{
    ${name}_sums$k *s = (${name}_sums$k *)context;
    const size_t i = ${name}_known$k[bucket]; /* 0: it has no weights */
    const unsigned bit = 1u << i % 8;
    if (i == 0 || (s->found[i / 8] & bit) != 0)
        return;
    s->found[i / 8] = (unsigned char)(s->found[i / 8] | bit);
    s->squares += (double)${name}_squares$k[i];
    ${name}_add_weights$k(s->sums, $n * i);
}

/* The outputs of layer $k for $n_folds folds, ${stride} numbers apart in y */
static void ${name}_layer$k(const char *text, double *y)
{
    ${name}_sums$k s = {{0}, 0.0, {0.0}};
    double scale;
    if (!${name}_is_missing(text))
        ${name}_visit_ngrams((const unsigned char *)text, strlen(text), $n_bits, ${name}_add$k, &s);
    scale = s.squares > 0.0 ? 1.0 / sqrt(s.squares) : 0.0;
    for (size_t j = 0; j < $n; j++)
        y[j / $n_outputs * $stride + j % $n_outputs] = ${name}_offsets$k[j] + scale * (${name}_steps$k[j] * s.sums[j]);
}
"""


def definitions(layers, stride, values):
    """Return the arrays and functions of text layers.

    layers : list of tabular.columns.text_layer.TextLayer
    stride : int, the number of features of a fold that are numbers
    values : those of the templates
    """
    parts = [_layer(k, layer, stride, values) for k, layer in enumerate(layers)]
    digit_of = np.zeros(128, np.uint8)
    digit_of[CHARACTERS] = np.arange(BASE)
    items = list(map(str, digit_of.tolist()))
    digits = c_text.vector("unsigned char", f"{values['name']}_digits", items)
    return "\n".join([c_text.fill(NGRAMS, **values), digits, *parts])


def _layer(k, layer, stride, values):
    """Return layer k. Its arrays have a row for each n-gram with weights, after a row of zeros."""
    known = np.flatnonzero(layer.squares)
    ranks = np.zeros(len(layer.squares), np.int64)
    ranks[known] = np.arange(1, len(known) + 1)
    ctype = "uint16_t" if len(known) < 2**16 else "uint32_t"
    name = values["name"]
    weights = np.concatenate([np.zeros_like(layer.weights[:1]), layer.weights[known]])
    weights, steps, n_digits = _in_steps(weights.reshape(len(weights), -1).astype(np.float64))
    arrays = {
        "squares": np.append(np.float32(0), layer.squares[known]),
        "steps": steps,
        "offsets": layer.offsets,
    }
    out = [c_text.vector(ctype, f"{name}_known{k}", list(map(str, ranks.tolist())))]
    out += [
        c_text.parameter_array(f"{name}_{what}{k}", array[None]) for what, array in arrays.items()
    ]
    out.append(_digit_array(f"{name}_weights{k}", weights + BASE**n_digits // 2, n_digits))
    numbers = dict(n=layer.offsets.size, n_folds=layer.n_folds, n_outputs=layer.n_outputs)
    numbers |= dict(n_bytes=n_found_bytes(layer), n_bits=len(layer.squares).bit_length() - 1)
    numbers |= dict(
        n_digits=n_digits, base=BASE, middle=BASE**n_digits // 2, per_row=ROW // n_digits
    )
    return "\n".join([*out, c_text.fill(LAYER, k=k, stride=stride, **numbers, **values)])


def _in_steps(weights):
    """Return weights (n_buckets, n) as whole numbers of steps, the steps (n,), and how many digits they need.

    Two digits hold the weights of a fit exactly. Four round others, of older models, to 2^-25 of the largest.
    """
    from ..tabular.columns.text_layer import find_steps

    for n_digits in 2, 4:
        steps = find_steps(weights, BASE**n_digits // 2 - 1)
        whole = np.rint(weights / steps)
        if np.array_equal(whole * steps, weights):
            break
    return whole.astype(np.int64), steps, n_digits


def _digit_array(name, numbers, n_digits):
    """Return the definition of an array of literals that hold whole numbers as digits to the base."""
    powers = BASE ** np.arange(n_digits)[::-1]
    text = CHARACTERS[numbers.reshape(-1, 1) // powers % BASE].tobytes().decode()
    rows = [f'"{text[i : i + ROW]}"' for i in range(0, len(text), ROW)]
    return f"static const char {name}[{len(rows)}][{ROW + 1}] = {{\n" + ",\n".join(rows) + "\n};\n"


def n_found_bytes(layer):
    """Return how many bytes hold a bit for each n-gram with weights, and one for the others."""
    return np.count_nonzero(layer.squares) // 8 + 1


def stack_of_layer(layer):
    """Return the number of bytes of the arrays on the stack while a text is read."""
    return n_found_bytes(layer) + 8 * layer.offsets.size
