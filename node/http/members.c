#include "node/http/members.h"

#include "node/http/text.h"

#include "node/core/command.h"

#include <globalstate/json.h>

#include <stdio.h>

void gs_field_join(char ret_field[GS_FIELD_SIZE], const char *prefix, struct gs_slice name) {
    char field[GS_FIELD_SIZE];
    size_t length = (size_t)snprintf(field, sizeof field, "%s/", prefix);
    for (size_t i = 0; i < name.length && length + 2 < sizeof field; i++) {
        char c = (char)name.bytes[i];
        if (c == '~' || c == '/') {
            field[length++] = '~';
            c = c == '~' ? '0' : '1';
        }
        field[length++] = c;
    }
    length = length < sizeof field ? length : sizeof field - 1;
    memcpy(ret_field, field, length);
    ret_field[length] = '\0';
}

static int member_problem(const char *prefix, const char *member, const char *what, struct gs_problem *problem) {
    char field[GS_FIELD_SIZE];
    gs_field_join(field, prefix, gs_text_slice(member));
    return gs_problem_set(problem, GS_EINVAL, field, "%s", what);
}

int gs_members_read(struct gs_slice value, const char *prefix, const char *const *names, uint32_t count,
                    struct gs_slice *ret_values, struct gs_problem *problem) {
    if (gs_value_kind(value) != GS_KIND_MAP) {
        return gs_problem_set(problem, GS_EINVAL, prefix, "must be an object");
    }
    for (uint32_t i = 0; i < count; i++) {
        ret_values[i] = (struct gs_slice){0};
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    for (uint32_t left = gs_read_map(&reader, UINT32_MAX); left > 0 && reader.error == 0; left--) {
        struct gs_slice name = gs_read_str(&reader, SIZE_MAX);
        struct gs_slice member = gs_skip_value(&reader);
        uint32_t i = 0;
        while (i < count && !gs_slice_is(name, names[i])) {
            i++;
        }
        if (i == count && reader.error == 0) {
            char field[GS_FIELD_SIZE];
            gs_field_join(field, prefix, name);
            return gs_problem_set(problem, GS_EINVAL, field, "a member of this name is not known here");
        }
        if (i < count) {
            ret_values[i] = member;
        }
    }
    return reader.error == 0 ? 0 : gs_problem_set(problem, reader.error, prefix, "%s", gs_error_message(reader.error));
}

int gs_member_name(struct gs_slice value, const char *prefix, const char *member, struct gs_slice *ret_name,
                   struct gs_problem *problem) {
    struct gs_slice name = {0};
    if (gs_value_kind(value) == GS_KIND_STR) {
        struct gs_reader reader;
        gs_reader_init(&reader, value.bytes, value.length);
        name = gs_read_str(&reader, SIZE_MAX);
    }
    if (!gs_id_valid(name)) {
        return member_problem(
            prefix, member,
            value.bytes == NULL ? "is missing" : "must be a string of 1 to 128 of the characters A-Z a-z 0-9 _ . : -",
            problem);
    }
    *ret_name = name;
    return 0;
}

int gs_member_uint(struct gs_slice value, const char *prefix, const char *member, uint64_t *ret_number,
                   struct gs_problem *problem) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    int64_t number = gs_value_kind(value) == GS_KIND_INT ? gs_read_int(&reader) : -1;
    if (number < 0 || reader.error != 0) {
        return member_problem(prefix, member, "must be an integer, 0 or more", problem);
    }
    *ret_number = (uint64_t)number;
    return 0;
}

int gs_member_bool(struct gs_slice value, const char *prefix, const char *member, bool *ret_flag,
                   struct gs_problem *problem) {
    if (gs_value_kind(value) != GS_KIND_BOOL) {
        return member_problem(prefix, member, "must be true or false", problem);
    }
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    *ret_flag = gs_read_bool(&reader);
    return 0;
}

int gs_member_array(struct gs_slice value, const char *prefix, const char *member, struct gs_reader *ret_reader,
                    uint32_t *ret_count, struct gs_problem *problem) {
    if (gs_value_kind(value) != GS_KIND_ARRAY) {
        return member_problem(prefix, member, "must be an array", problem);
    }
    gs_reader_init(ret_reader, value.bytes, value.length);
    *ret_count = gs_read_array(ret_reader, UINT32_MAX);
    return 0;
}
