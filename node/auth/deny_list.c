#include "node/auth/deny_list.h"

#include "node/auth/words.h"

#include <stdlib.h>
#include <string.h>

bool gs_jwt_id_valid(struct gs_slice id) {
    bool valid = id.length >= 1 && id.length <= GS_JWT_ID_MAX;
    for (size_t i = 0; i < id.length && valid; i++) {
        valid = id.bytes[i] > ' ' && id.bytes[i] < 0x7f && id.bytes[i] != '#';
    }
    return valid;
}

static int compare(const void *a, const void *b) {
    return gs_slice_compare(((const struct gs_denied *)a)->id, ((const struct gs_denied *)b)->id);
}

static int read_time(const struct gs_words *line, int64_t *ret_s, struct gs_problem *problem) {
    struct gs_slice text = line->words[1];
    uint64_t value = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || i >= 12) {
            return gs_words_refuse(line, "the time is not a number of seconds since 1970", problem);
        }
        value = value * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *ret_s = (int64_t)value;
    return 0;
}

static int read_line(const struct gs_words *line, struct gs_denied *ret_denied, struct gs_problem *problem) {
    if (line->count > 2) {
        return gs_words_refuse(line, "expected JTI [EXPIRES]", problem);
    }
    if (!gs_jwt_id_valid(line->words[0])) {
        return gs_words_refuse(line, "the token's id is longer than 128 bytes, or not printable ASCII", problem);
    }
    *ret_denied = (struct gs_denied){.id = line->words[0], .expires_s = INT64_MAX};
    return line->count == 2 ? read_time(line, &ret_denied->expires_s, problem) : 0;
}

/* The lines that still do something; with NULL they are only counted. */
static int read_lines(struct gs_slice rest, int64_t now_s, struct gs_denied *entries, uint32_t *ret_count,
                      struct gs_problem *problem) {
    struct gs_words line = {0};
    uint32_t count = 0;
    int error = 0;
    while (error == 0 && gs_words_next(&rest, &line)) {
        struct gs_denied denied = {0};
        error = line.count > 0 ? read_line(&line, &denied, problem) : 0;
        if (error != 0 || line.count == 0 || denied.expires_s <= now_s - GS_JWT_LEEWAY_S) {
            continue;
        }
        if (count == GS_DENIED_MAX) {
            error = gs_words_refuse(&line, "more than 65536 tokens that have not expired", problem);
        } else if (entries != NULL) {
            entries[count] = denied;
        }
        count++;
    }
    *ret_count = count;
    return error;
}

int gs_deny_list_copy(const struct gs_deny_list *list, struct gs_arena *arena, struct gs_deny_list *ret_list) {
    struct gs_denied *entries = gs_arena_alloc(arena, (list->count + 1) * sizeof *entries);
    if (entries == NULL) {
        return GS_ENOMEM;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const void *id = gs_arena_copy(arena, list->entries[i].id.bytes, list->entries[i].id.length);
        if (id == NULL) {
            return GS_ENOMEM;
        }
        entries[i] = list->entries[i];
        entries[i].id = gs_slice_make(id, list->entries[i].id.length);
    }
    *ret_list = (struct gs_deny_list){.entries = entries, .count = list->count};
    return 0;
}

int gs_deny_list_parse(const char *text, size_t length, int64_t now_s, struct gs_arena *arena,
                       struct gs_deny_list *ret_list, struct gs_problem *problem) {
    struct gs_deny_list found = {0};
    int error = read_lines(gs_slice_make(text, length), now_s, NULL, &found.count, problem);
    if (error != 0) {
        return error;
    }
    found.entries = calloc(found.count + 1, sizeof *found.entries);
    if (found.entries == NULL) {
        return gs_problem_set(problem, GS_ENOMEM, NULL, "out of memory");
    }
    error = read_lines(gs_slice_make(text, length), now_s, found.entries, &found.count, problem);
    if (found.count > 1) {
        qsort(found.entries, found.count, sizeof *found.entries, compare);
    }
    if (error == 0 && gs_deny_list_copy(&found, arena, ret_list) != 0) {
        error = gs_problem_set(problem, GS_ENOMEM, NULL, "out of memory");
    }
    free(found.entries);
    return error;
}

bool gs_deny_list_has(const struct gs_deny_list *list, struct gs_slice id) {
    const struct gs_denied wanted = {.id = id};
    return list->count > 0 && id.length > 0 &&
           bsearch(&wanted, list->entries, list->count, sizeof *list->entries, compare) != NULL;
}
