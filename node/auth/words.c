#include "node/auth/words.h"

#include <string.h>

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool gs_words_next(struct gs_slice *rest, struct gs_words *words) {
    if (rest->length == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->bytes, '\n', rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->bytes) : rest->length;
    words->count = 0;
    words->line++;
    for (size_t at = 0; at < length && rest->bytes[at] != '#';) {
        size_t from = at;
        while (at < length && !is_blank(rest->bytes[at])) {
            at++;
        }
        if (at > from && words->count++ < GS_WORDS_MAX) {
            words->words[words->count - 1] = gs_slice_make(rest->bytes + from, at - from);
        }
        while (at < length && is_blank(rest->bytes[at])) {
            at++;
        }
    }
    size_t taken = end != NULL ? length + 1 : length;
    *rest = gs_slice_make(rest->bytes + taken, rest->length - taken);
    return true;
}

bool gs_word_is(struct gs_slice word, const char *text) {
    return word.length == strlen(text) && memcmp(word.bytes, text, word.length) == 0;
}

int gs_words_refuse(const struct gs_words *words, const char *what, struct gs_problem *problem) {
    return gs_problem_set(problem, GS_EINVAL, NULL, "line %u: %s", (unsigned)words->line, what);
}
