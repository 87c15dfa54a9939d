#include "node/auth/key_file.h"

#include "node/auth/words.h"

#include <sodium.h>
#include <string.h>

static int decode_key(const struct gs_words *line, struct gs_arena *arena, struct gs_jwt_key *key,
                      struct gs_problem *problem) {
    uint8_t bytes[GS_JWT_SECRET_MAX];
    size_t length = 0;
    struct gs_slice text = line->words[2];
    int error = sodium_base642bin(bytes, sizeof bytes, (const char *)text.bytes, text.length, NULL, &length, NULL,
                                  sodium_base64_VARIANT_ORIGINAL);
    if (error != 0) {
        error = gs_words_refuse(line, "the key is not base64, or too long", problem);
    } else if (key->algorithm == GS_JWT_HS256 && length < GS_JWT_SECRET_MIN) {
        error = gs_words_refuse(line, "an HS256 key has 32 bytes or more", problem);
    } else if (key->algorithm == GS_JWT_EDDSA && length != GS_JWT_PUBLIC_KEY_SIZE) {
        error = gs_words_refuse(line, "an Ed25519 public key has 32 bytes", problem);
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

static int read_line(const struct gs_words *line, struct gs_arena *arena, struct gs_jwt_key *keys, uint32_t count,
                     struct gs_problem *problem) {
    struct gs_jwt_key *key = &keys[count];
    if (line->count != 3) {
        return gs_words_refuse(line, "expected KID ALGORITHM KEY", problem);
    }
    if (count == GS_JWT_KEYS_MAX) {
        return gs_words_refuse(line, "too many keys", problem);
    }
    if (line->words[0].length > GS_JWT_KID_MAX) {
        return gs_words_refuse(line, "the key's id is longer than 64 bytes", problem);
    }
    *key = (struct gs_jwt_key){.algorithm = gs_word_is(line->words[1], "HS256") ? GS_JWT_HS256 : GS_JWT_EDDSA};
    if (key->algorithm == GS_JWT_EDDSA && !gs_word_is(line->words[1], "EdDSA")) {
        return gs_words_refuse(line, "the algorithm is neither HS256 nor EdDSA", problem);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (gs_slice_compare(keys[i].kid, line->words[0]) == 0) {
            return gs_words_refuse(line, "a key of this id is there already", problem);
        }
    }
    return decode_key(line, arena, key, problem);
}

int gs_jwt_keys_parse(const char *text, size_t length, struct gs_arena *arena, struct gs_jwt_key *ret_keys,
                      uint32_t *ret_count, struct gs_problem *problem) {
    struct gs_slice rest = gs_slice_make(text, length);
    struct gs_words line = {0};
    uint32_t count = 0;
    int error = 0;
    while (error == 0 && gs_words_next(&rest, &line)) {
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
