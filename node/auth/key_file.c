#include "node/auth/key_file.h"

#include <sodium.h>
#include <string.h>

struct line {
    struct gs_slice words[3];
    uint32_t count;
    uint32_t number;
};

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next line off `rest` and into words; more than three are counted only. False at the end. */
static bool next_line(struct gs_slice *rest, struct line *line) {
    if (rest->length == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->bytes, '\n', rest->length);
    size_t length = end != NULL ? (size_t)(end - rest->bytes) : rest->length;
    line->count = 0;
    line->number++;
    for (size_t at = 0; at < length && rest->bytes[at] != '#';) {
        size_t from = at;
        while (at < length && !is_blank(rest->bytes[at])) {
            at++;
        }
        if (at > from && line->count++ < 3) {
            line->words[line->count - 1] = gs_slice_make(rest->bytes + from, at - from);
        }
        while (at < length && is_blank(rest->bytes[at])) {
            at++;
        }
    }
    size_t taken = end != NULL ? length + 1 : length;
    *rest = gs_slice_make(rest->bytes + taken, rest->length - taken);
    return true;
}

static bool word_is(struct gs_slice word, const char *text) {
    return word.length == strlen(text) && memcmp(word.bytes, text, word.length) == 0;
}

static int bad_line(const struct line *line, const char *what, struct gs_problem *problem) {
    return gs_problem_set(problem, GS_EINVAL, NULL, "line %u: %s", (unsigned)line->number, what);
}

static int decode_key(const struct line *line, struct gs_arena *arena, struct gs_jwt_key *key,
                      struct gs_problem *problem) {
    uint8_t bytes[GS_JWT_SECRET_MAX];
    size_t length = 0;
    struct gs_slice text = line->words[2];
    int error = sodium_base642bin(bytes, sizeof bytes, (const char *)text.bytes, text.length, NULL, &length, NULL,
                                  sodium_base64_VARIANT_ORIGINAL);
    if (error != 0) {
        error = bad_line(line, "the key is not base64, or too long", problem);
    } else if (key->algorithm == GS_JWT_HS256 && length < GS_JWT_SECRET_MIN) {
        error = bad_line(line, "an HS256 key has 32 bytes or more", problem);
    } else if (key->algorithm == GS_JWT_EDDSA && length != GS_JWT_PUBLIC_KEY_SIZE) {
        error = bad_line(line, "an Ed25519 public key has 32 bytes", problem);
    }
    const void *copy = error == 0 ? gs_arena_copy(arena, bytes, length) : NULL;
    const void *kid = error == 0 ? gs_arena_copy(arena, line->words[0].bytes, line->words[0].length) : NULL;
    sodium_memzero(bytes, sizeof bytes);
    if (error == 0 && (copy == NULL || kid == NULL)) {
        error = gs_problem_set(problem, GS_ENOMEM, NULL, "out of memory");
    }
    key->bytes = gs_slice_make(copy, length);
    key->kid = gs_slice_make(kid, line->words[0].length);
    return error;
}

static int read_line(const struct line *line, struct gs_arena *arena, struct gs_jwt_key *keys, uint32_t count,
                     struct gs_problem *problem) {
    struct gs_jwt_key *key = &keys[count];
    if (line->count != 3) {
        return bad_line(line, "expected KID ALGORITHM KEY", problem);
    }
    if (count == GS_JWT_KEYS_MAX) {
        return bad_line(line, "too many keys", problem);
    }
    if (line->words[0].length > GS_JWT_KID_MAX) {
        return bad_line(line, "the key's id is longer than 64 bytes", problem);
    }
    *key = (struct gs_jwt_key){.algorithm = word_is(line->words[1], "HS256") ? GS_JWT_HS256 : GS_JWT_EDDSA};
    if (key->algorithm == GS_JWT_EDDSA && !word_is(line->words[1], "EdDSA")) {
        return bad_line(line, "the algorithm is neither HS256 nor EdDSA", problem);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (gs_slice_compare(keys[i].kid, line->words[0]) == 0) {
            return bad_line(line, "a key of this id is there already", problem);
        }
    }
    return decode_key(line, arena, key, problem);
}

int gs_jwt_keys_parse(const char *text, size_t length, struct gs_arena *arena, struct gs_jwt_key *ret_keys,
                      uint32_t *ret_count, struct gs_problem *problem) {
    struct gs_slice rest = gs_slice_make(text, length);
    struct line line = {0};
    uint32_t count = 0;
    int error = 0;
    while (error == 0 && next_line(&rest, &line)) {
        if (line.count > 0) {
            error = read_line(&line, arena, ret_keys, count, problem);
            count++;
        }
    }
    if (error == 0 && count == 0) {
        error = gs_problem_set(problem, GS_EINVAL, NULL, "there is no key in it");
    }
    *ret_count = error == 0 ? count : 0;
    return error;
}
