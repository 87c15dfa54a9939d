#include "gossip/trust.h"

#include "gossip/rotation.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TEXT_SIZE = 45, FIELD_SIZE = 32, WORDS_MAX = 7 + GS_TRUST_CUTS_MAX, ORIGIN_TEXT_SIZE = 2 * GS_ORIGIN_SIZE };

struct word {
    const char *at;
    size_t length;
};

void gs_trust_close(struct gs_trust *trust) {
    if (trust == NULL) {
        return;
    }
    free(trust->entries);
    *trust = (struct gs_trust){0};
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Splits a line at blanks up to a `#`; returns how many words there are, of which the first `max` are stored. */
static int split_line(const char *at, const char *end, struct word *ret_words, int max) {
    int count = 0;
    while (at < end && *at != '#') {
        if (is_blank(*at)) {
            at++;
            continue;
        }
        const char *begin = at;
        while (at < end && !is_blank(*at) && *at != '#') {
            at++;
        }
        if (count < max) {
            ret_words[count] = (struct word){.at = begin, .length = (size_t)(at - begin)};
        }
        count++;
    }
    return count;
}

/* ORIGIN:SEQ */
static int parse_cut(const struct word *word, struct gs_trust_cut *ret_cut) {
    struct gs_trust_cut cut = {0};
    size_t size = 0;
    size_t digits = word->length > ORIGIN_TEXT_SIZE + 1 ? word->length - ORIGIN_TEXT_SIZE - 1 : 0;
    if (digits < 1 || digits > 19 || word->at[ORIGIN_TEXT_SIZE] != ':' ||
        sodium_hex2bin(cut.origin.bytes, GS_ORIGIN_SIZE, word->at, ORIGIN_TEXT_SIZE, NULL, &size, NULL) != 0 ||
        size != GS_ORIGIN_SIZE) {
        return GS_EINVAL;
    }
    for (size_t i = 0; i < digits; i++) {
        char c = word->at[ORIGIN_TEXT_SIZE + 1 + i];
        if (c < '0' || c > '9') {
            return GS_EINVAL;
        }
        cut.seq = cut.seq * 10 + (uint64_t)(c - '0');
    }
    if (cut.seq < 1 || cut.seq > (uint64_t)INT64_MAX) {
        return GS_EINVAL;
    }
    *ret_cut = cut;
    return 0;
}

static int parse_cuts(const struct word *words, int count, const char *line, struct gs_trust_entry *entry,
                      struct gs_problem *problem) {
    for (int i = 0; i < count; i++) {
        struct gs_trust_cut *cut = &entry->cuts[entry->cut_count];
        if (parse_cut(&words[i], cut) != 0) {
            return gs_problem_set(problem, GS_EINVAL, line,
                                  "a cut-off is 32 hexadecimal digits of an origin, a colon and a sequence number");
        }
        for (uint32_t j = 0; j < entry->cut_count; j++) {
            if (gs_origin_equal(&entry->cuts[j].origin, &cut->origin)) {
                return gs_problem_set(problem, GS_EINVAL, line, "an origin has two cut-offs");
            }
        }
        entry->cut_count++;
    }
    return 0;
}

static bool is_word(const struct word *word, const char *text) {
    return word->length == strlen(text) && memcmp(word->at, text, word->length) == 0;
}

static bool parse_signature(const struct word *word, uint8_t ret_signature[GS_SIGNATURE_SIZE]) {
    size_t size = 0;
    return sodium_base642bin(ret_signature, GS_SIGNATURE_SIZE, word->at, word->length, NULL, &size, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           size == GS_SIGNATURE_SIZE;
}

/* OLD-KEY SIGNATURE SIGNATURE, behind `rotates`. */
static int parse_rotation(const struct word *words, int count, const char *line, struct gs_trust_entry *entry,
                          struct gs_problem *problem) {
    struct gs_rotation rotation = {.new_key = entry->key};
    bool by_old = false;
    if (count != 3 || gs_public_key_parse(words[0].at, words[0].length, &rotation.old_key) != 0 ||
        !parse_signature(&words[1], rotation.old_signature) || !parse_signature(&words[2], rotation.new_signature)) {
        return gs_problem_set(problem, GS_EINVAL, line,
                              "behind rotates stand the old public key and two signatures, base64");
    }
    if (gs_rotation_verify(entry->region, &rotation, &by_old) != 0) {
        return gs_problem_set(problem, GS_ESIGNATURE, line, "the rotation of %s's key is not signed by the %s key",
                              entry->region, by_old ? "old" : "new");
    }
    entry->rotates = true;
    entry->previous = rotation.old_key;
    return 0;
}

/* What may stand behind the key. */
static int parse_rest(const struct word *words, int count, const char *line, struct gs_trust_entry *entry,
                      struct gs_problem *problem) {
    int rotation = 0;
    while (rotation < count && !is_word(&words[rotation], "rotates")) {
        rotation++;
    }
    int error = 0;
    if (rotation > 0) {
        entry->revoked = is_word(&words[0], "revoked");
        if (!entry->revoked) {
            return gs_problem_set(problem, GS_EINVAL, line, "the third word may only be: revoked, rotates");
        }
        if (rotation - 1 > GS_TRUST_CUTS_MAX) {
            return gs_problem_set(problem, GS_EINVAL, line, "more than %d cut-offs", GS_TRUST_CUTS_MAX);
        }
        error = parse_cuts(words + 1, rotation - 1, line, entry, problem);
    }
    bool more = error == 0 && rotation < count;
    return more ? parse_rotation(words + rotation + 1, count - rotation - 1, line, entry, problem) : error;
}

static int parse_entry(const struct word *words, int count, const char *line, struct gs_trust_entry *ret_entry,
                       struct gs_problem *problem) {
    if (count < 2 || count > WORDS_MAX) {
        return gs_problem_set(problem, GS_EINVAL, line,
                              "a line is: REGION PUBLIC-KEY-BASE64 [revoked [ORIGIN:SEQ …]] [rotates …], with at most "
                              "%d cut-offs",
                              GS_TRUST_CUTS_MAX);
    }
    struct gs_trust_entry entry = {0};
    if (!gs_region_name_valid(words[0].at, words[0].length)) {
        return gs_problem_set(problem, GS_EINVAL, line, "the region's name is not 1 to %d of [A-Za-z0-9_.-]",
                              GS_REGION_NAME_MAX);
    }
    memcpy(entry.region, words[0].at, words[0].length);
    if (gs_public_key_parse(words[1].at, words[1].length, &entry.key) != 0) {
        return gs_problem_set(problem, GS_EINVAL, line, "the public key is not 32 bytes in base64 (44 characters)");
    }
    int error = parse_rest(words + 2, count - 2, line, &entry, problem);
    if (error == 0) {
        *ret_entry = entry;
    }
    return error;
}

/* Each key that is rotated is in the file, of the same region, and has one successor; nobody follows himself. */
static int check_rotations(const struct gs_trust *trust, struct gs_problem *problem) {
    for (uint32_t i = 0; i < trust->count; i++) {
        const struct gs_trust_entry *entry = &trust->entries[i];
        if (!entry->rotates) {
            continue;
        }
        const struct gs_trust_entry *old = gs_trust_find_key(trust, &entry->previous);
        const char *wrong = old == NULL || strcmp(old->region, entry->region) != 0
                                ? "rotates a key that the file does not list for the region"
                            : gs_trust_find_successor(trust, &entry->previous) != entry
                                ? "rotates a key that has another successor"
                            : gs_trust_follows(trust, &entry->previous, &entry->key) ? "rotates a key that follows it"
                                                                                     : NULL;
        if (wrong != NULL) {
            return gs_problem_set(problem, GS_EINVAL, entry->region, "a key of %s %s", entry->region, wrong);
        }
    }
    return 0;
}

static int append_entry(struct gs_trust *trust, const struct gs_trust_entry *entry, const char *line,
                        struct gs_problem *problem) {
    if (gs_trust_find_key(trust, &entry->key) != NULL) {
        return gs_problem_set(problem, GS_EINVAL, line, "the key is listed twice");
    }
    if (trust->count >= GS_TRUST_MAX) {
        return gs_problem_set(problem, GS_ETOOBIG, line, "more than %d keys", GS_TRUST_MAX);
    }
    /* Grows at 0, 16, 32, 64 …: no capacity field is needed. */
    if (trust->count == 0 || (trust->count >= 16 && (trust->count & (trust->count - 1)) == 0)) {
        size_t capacity = trust->count == 0 ? 16 : (size_t)trust->count * 2;
        struct gs_trust_entry *entries = realloc(trust->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            return gs_problem_set(problem, GS_ENOMEM, line, "%s", gs_error_message(GS_ENOMEM));
        }
        trust->entries = entries;
    }
    trust->entries[trust->count++] = *entry;
    return 0;
}

int gs_trust_parse(const char *text, size_t length, struct gs_trust *ret_trust, struct gs_problem *problem) {
    struct gs_trust trust = {0};
    const char *end = text + length;
    unsigned long number = 0;
    for (const char *at = text; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        struct word words[WORDS_MAX];
        char line[FIELD_SIZE];
        snprintf(line, sizeof line, "line %lu", ++number);
        int count = split_line(at, line_end, words, WORDS_MAX);
        if (count > 0) {
            struct gs_trust_entry entry;
            int error = parse_entry(words, count, line, &entry, problem);
            if (error == 0) {
                error = append_entry(&trust, &entry, line, problem);
            }
            if (error != 0) {
                gs_trust_close(&trust);
                return error;
            }
        }
        at = newline != NULL ? newline + 1 : end;
    }
    int error = check_rotations(&trust, problem);
    if (error != 0) {
        gs_trust_close(&trust);
        return error;
    }
    *ret_trust = trust;
    return 0;
}

const struct gs_trust_entry *gs_trust_find_successor(const struct gs_trust *trust, const gs_public_key *key) {
    for (uint32_t i = 0; i < trust->count; i++) {
        const struct gs_trust_entry *entry = &trust->entries[i];
        if (entry->rotates && memcmp(entry->previous.bytes, key->bytes, GS_PUBLIC_KEY_SIZE) == 0) {
            return entry;
        }
    }
    return NULL;
}

bool gs_trust_follows(const struct gs_trust *trust, const gs_public_key *key, const gs_public_key *old_key) {
    const struct gs_trust_entry *entry = gs_trust_find_key(trust, key);
    for (uint32_t i = 0; entry != NULL && entry->rotates && i < trust->count; i++) {
        if (memcmp(entry->previous.bytes, old_key->bytes, GS_PUBLIC_KEY_SIZE) == 0) {
            return true;
        }
        entry = gs_trust_find_key(trust, &entry->previous);
    }
    return false;
}

const struct gs_trust_entry *gs_trust_find_key(const struct gs_trust *trust, const gs_public_key *key) {
    for (uint32_t i = 0; i < trust->count; i++) {
        if (memcmp(trust->entries[i].key.bytes, key->bytes, GS_PUBLIC_KEY_SIZE) == 0) {
            return &trust->entries[i];
        }
    }
    return NULL;
}

const struct gs_trust_entry *gs_trust_find_origin(const struct gs_trust *trust, const gs_origin *origin,
                                                  const gs_incarnation *incarnation) {
    for (uint32_t i = 0; i < trust->count; i++) {
        gs_origin derived = gs_origin_derive(&trust->entries[i].key, incarnation);
        if (gs_origin_equal(&derived, origin)) {
            return &trust->entries[i];
        }
    }
    return NULL;
}

bool gs_trust_takes(const struct gs_trust_entry *entry, const gs_origin *origin, uint64_t last_seq) {
    for (uint32_t i = 0; entry->revoked && i < entry->cut_count; i++) {
        if (gs_origin_equal(&entry->cuts[i].origin, origin)) {
            return last_seq <= entry->cuts[i].seq;
        }
    }
    return !entry->revoked;
}

const struct gs_trust_entry *gs_trust_find_region(const struct gs_trust *trust, const char *region) {
    for (uint32_t i = 0; i < trust->count; i++) {
        if (!trust->entries[i].revoked && strcmp(trust->entries[i].region, region) == 0) {
            return &trust->entries[i];
        }
    }
    return NULL;
}

void gs_public_key_text(const gs_public_key *key, char ret_text[45]) {
    sodium_bin2base64(ret_text, KEY_TEXT_SIZE, key->bytes, sizeof key->bytes, sodium_base64_VARIANT_ORIGINAL);
}

/* libsodium refuses other alphabets, leftover bits and missing padding: each key has one text. */
int gs_public_key_parse(const char *text, size_t length, gs_public_key *ret_key) {
    gs_public_key key;
    size_t size = 0;
    if (length != KEY_TEXT_SIZE - 1 || sodium_base642bin(key.bytes, sizeof key.bytes, text, length, NULL, &size, NULL,
                                                         sodium_base64_VARIANT_ORIGINAL) != 0) {
        return GS_EINVAL;
    }
    if (size != sizeof key.bytes) {
        return GS_EINVAL;
    }
    *ret_key = key;
    return 0;
}
