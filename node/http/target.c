#include "node/http/target.h"

#include "node/http/text.h"

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct gs_slice text, struct gs_arena *arena, struct gs_slice *ret_decoded,
                  struct gs_http_fault *fault) {
    uint8_t *bytes = gs_arena_alloc(arena, text.length + 1);
    if (bytes == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t c = text.bytes[i];
        if (c == '%') {
            bool room = text.length - i > 2;
            int high = room ? hex_digit(text.bytes[i + 1]) : -1;
            int low = room ? hex_digit(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, NULL, "\"%%\" without two hex digits");
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c <= ' ' || c >= 0x7f) {
            return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, NULL, "a byte that must be percent-encoded");
        }
        if (c == '\0') {
            return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, NULL, "a NUL byte in the target");
        }
        bytes[length++] = c;
    }
    *ret_decoded = gs_slice_make(bytes, length);
    return 0;
}

static int parse_path(const char *path, struct gs_arena *arena, struct gs_http_target *target,
                      struct gs_http_fault *fault) {
    const char *at = path + 1;
    while (true) {
        if (target->segment_count == GS_HTTP_SEGMENTS_MAX) {
            return gs_fault_set(fault, GS_HTTP_EROUTE);
        }
        struct gs_slice *segment = &target->segments[target->segment_count++];
        size_t length = strcspn(at, "/");
        int error = decode(gs_slice_make(at, length), arena, segment, fault);
        if (error != 0) {
            return error;
        }
        if (gs_slice_is(*segment, ".") || gs_slice_is(*segment, "..")) {
            return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, NULL, "\".\" and \"..\" are not followed");
        }
        if (at[length] == '\0') {
            return 0;
        }
        at += length + 1;
    }
}

static int add_parameter(struct gs_slice text, struct gs_arena *arena, struct gs_http_target *target,
                         struct gs_http_fault *fault) {
    if (target->parameter_count == GS_HTTP_PARAMETERS_MAX) {
        return gs_problem_set(&fault->problem, GS_HTTP_EREQUEST, NULL, "more than %d parameters",
                              GS_HTTP_PARAMETERS_MAX);
    }
    const uint8_t *equals = text.length == 0 ? NULL : memchr(text.bytes, '=', text.length);
    size_t name_length = equals == NULL ? text.length : (size_t)(equals - text.bytes);
    struct gs_slice value =
        equals == NULL ? (struct gs_slice){text.bytes, 0} : gs_slice_make(equals + 1, text.length - name_length - 1);
    struct gs_http_parameter parameter = {0};
    int error = decode(gs_slice_make(text.bytes, name_length), arena, &parameter.name, fault);
    if (error == 0) {
        error = decode(value, arena, &parameter.value, fault);
    }
    for (uint32_t i = 0; i < target->parameter_count && error == 0; i++) {
        if (gs_slice_compare(target->parameters[i].name, parameter.name) == 0) {
            error = gs_problem_set(
                &fault->problem, GS_HTTP_EREQUEST, NULL, "the query parameter \"%.*s\" is there twice",
                (int)(parameter.name.length > 64 ? 64 : parameter.name.length), (const char *)parameter.name.bytes);
        }
    }
    if (error == 0) {
        target->parameters[target->parameter_count++] = parameter;
    }
    return error;
}

int gs_http_target_parse(const char *path, const char *query, struct gs_arena *arena, struct gs_http_target *ret_target,
                         struct gs_http_fault *fault) {
    struct gs_http_target target = {0};
    int error = parse_path(path, arena, &target, fault);
    const char *at = query;
    while (error == 0 && at != NULL && *at != '\0') {
        size_t length = strcspn(at, "&");
        if (length > 0) {
            error = add_parameter(gs_slice_make(at, length), arena, &target, fault);
        }
        at += length + (at[length] == '&' ? 1 : 0);
    }
    if (error == 0) {
        *ret_target = target;
    }
    return error;
}

struct gs_slice gs_http_target_parameter(const struct gs_http_target *target, const char *name) {
    for (uint32_t i = 0; i < target->parameter_count; i++) {
        if (gs_slice_is(target->parameters[i].name, name)) {
            return target->parameters[i].value;
        }
    }
    return (struct gs_slice){0};
}
