/* The n-grams of a text in UTF-8, as numbers of buckets.

   Bytes of a word are ASCII letters, in lower case, ASCII digits, and all bytes from 128 on. All others separate words.
   The n-grams are the words, pairs of neighbouring words, and 3 to 6 bytes of a word with a space at each end that begin
   and end between code points: 3 to 6 ASCII letters, two or three Cyrillic ones, one or two Chinese ones, an emoji. So
   they need neither spaces between words nor tables of scripts, and the time grows with the length alone.

   A text is any bytes; nothing outside of them is read. */
#include <stddef.h>
#include <stdint.h>

#define NGRAM_SHORTEST 3
#define NGRAM_LONGEST 6
#define NGRAM_PRIME 16777619u  /* of FNV-1a */
#define NGRAM_WORD 2166136261u
#define NGRAM_PAIR 3266489917u
#define NGRAM_PART 668265263u

/* The byte of a word, 0 for a separator */
static unsigned char ngram_byte(const unsigned char *text, size_t n, size_t i)
{
    const unsigned char c = i < n ? text[i] : 0;
    if (c >= 'A' && c <= 'Z')
        return (unsigned char)(c - 'A' + 'a');
    return c >= 128 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : 0;
}

static uint32_t ngram_bucket(uint32_t hash, int n_bits)
{
    hash = (hash ^ (hash >> 15)) * 2246822519u;
    return (hash ^ (hash >> 13)) * 3266489917u >> (32 - n_bits);
}

/* Call visit(context, bucket) for each n-gram of a text of n bytes, in order, with repetitions. */
static void visit_ngrams(const unsigned char *text, size_t n, int n_bits, void (*visit)(void *, uint32_t), void *context)
{
    uint32_t previous = 0;
    for (size_t begin = 0; begin < n;) {
        size_t end = begin;
        uint32_t word = NGRAM_WORD;
        for (unsigned char c; (c = ngram_byte(text, n, end)) != 0; end++)
            word = (word ^ c) * NGRAM_PRIME;
        if (end == begin) {
            begin++;
            continue;
        }
        visit(context, ngram_bucket(word, n_bits));
        if (previous != 0)
            visit(context, ngram_bucket((previous ^ NGRAM_PAIR) * NGRAM_PRIME + word, n_bits));
        previous = word;
        const size_t last = end - begin + 1; /* the space after the word; position 0 is the one before it */
        for (size_t first = 0; first + NGRAM_SHORTEST <= last + 1; first++) {
            uint32_t part = NGRAM_PART;
            for (size_t i = first; i <= last && i < first + NGRAM_LONGEST; i++) {
                const unsigned char c = i == 0 || i == last ? ' ' : ngram_byte(text, n, begin + i - 1);
                const unsigned char next = i + 1 >= last ? ' ' : ngram_byte(text, n, begin + i);
                if (i == first && (c & 0xC0) == 0x80)
                    break;
                part = (part ^ c) * NGRAM_PRIME;
                if (i + 1 >= first + NGRAM_SHORTEST && (next & 0xC0) != 0x80)
                    visit(context, ngram_bucket(part, n_bits));
            }
        }
        begin = end;
    }
}
