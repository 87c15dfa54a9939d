#include "node/http/writing.h"

#include "node/http/members.h"
#include "node/http/text.h"

#include <globalstate/json.h>

int gs_http_idempotency(const struct gs_http_request *request, uint32_t item, struct gs_slice value,
                        struct gs_idempotency *ret_idempotency, struct gs_http_fault *fault) {
    struct gs_slice key;
    int error = gs_http_header_single(request->info, "Idempotency-Key", &key, fault);
    if (error != 0 || key.bytes == NULL) {
        return error;
    }
    bool ok = key.length >= 1 && key.length <= GS_IDEMPOTENCY_KEY_MAX;
    for (size_t i = 0; ok && i < key.length; i++) {
        ok = key.bytes[i] > ' ' && key.bytes[i] < 0x7f;
    }
    if (!ok) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "Idempotency-Key", "must be 1 to %d visible ASCII characters",
                              GS_IDEMPOTENCY_KEY_MAX);
    }
    struct gs_slice subject = request->principal->subject;
    struct gs_idempotency idempotency = {.present = true, .item = item};
    gs_hash16("gs-idem-v1", subject.bytes, subject.length, key.bytes, key.length, idempotency.key);
    gs_hash16("gs-request-v1", value.bytes, value.length, "", 0, idempotency.request);
    *ret_idempotency = idempotency;
    return 0;
}

/* An opaque tag in quotes, without other quotes inside (RFC 9110 section 8.8.3). */
static bool etag_valid(struct gs_slice tag) {
    if (tag.length < 2 || tag.bytes[0] != '"' || tag.bytes[tag.length - 1] != '"') {
        return false;
    }
    for (size_t i = 1; i + 1 < tag.length; i++) {
        if (tag.bytes[i] == '"' || tag.bytes[i] <= ' ') {
            return false;
        }
    }
    return true;
}

static bool strip_weak(struct gs_slice *tag) {
    if (tag->length >= 2 && tag->bytes[0] == 'W' && tag->bytes[1] == '/') {
        *tag = gs_slice_make(tag->bytes + 2, tag->length - 2);
        return true;
    }
    return false;
}

/* A tag that cannot be ours (another length, or weak: If-Match compares strongly) never matches; the core is asked
 * nevertheless, for the current version that goes into the refusal. */
static int read_if_match(struct gs_slice value, struct gs_precondition *precondition, struct gs_http_fault *fault) {
    if (gs_slice_is(value, "*")) {
        precondition->must_exist = true;
        return 0;
    }
    bool weak = strip_weak(&value);
    if (!etag_valid(value)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "If-Match", "must be * or one entity tag");
    }
    precondition->has_etag = true;
    bool ours = !weak && value.length == GS_ETAG_SIZE - 1;
    memcpy(precondition->etag, ours ? (const char *)value.bytes : "\"?\"", ours ? value.length : 4);
    precondition->etag[GS_ETAG_SIZE - 1] = '\0';
    return 0;
}

int gs_http_precondition(const struct gs_http_request *request, struct gs_precondition *ret_precondition,
                         struct gs_http_fault *fault) {
    struct gs_precondition precondition = {0};
    struct gs_slice match = {0};
    struct gs_slice none_match = {0};
    int error = gs_http_header_single(request->info, "If-Match", &match, fault);
    if (error == 0) {
        error = gs_http_header_single(request->info, "If-None-Match", &none_match, fault);
    }
    if (error == 0 && match.bytes != NULL) {
        error = read_if_match(match, &precondition, fault);
    }
    if (error == 0 && none_match.bytes != NULL) {
        precondition.must_not_exist = gs_slice_is(none_match, "*");
        if (!precondition.must_not_exist) {
            error = gs_problem_set(&fault->problem, GS_EINVAL, "If-None-Match", "must be * on a write");
        }
    }
    if (error == 0) {
        *ret_precondition = precondition;
    }
    return error;
}

bool gs_http_none_match(const struct gs_http_request *request, const char *etag) {
    for (int i = 0; i < request->info->num_headers; i++) {
        if (strcasecmp(request->info->http_headers[i].name, "If-None-Match") != 0) {
            continue;
        }
        struct gs_slice rest = gs_text_slice(request->info->http_headers[i].value);
        struct gs_slice tag;
        while (gs_slice_next(&rest, ',', &tag)) {
            strip_weak(&tag);
            if (gs_slice_is(tag, "*") || gs_slice_is(tag, etag)) {
                return true;
            }
        }
    }
    return false;
}

int gs_http_event_type(struct gs_slice value, const char *prefix, struct gs_slice *ret_type,
                       struct gs_problem *problem) {
    struct gs_slice type;
    int error = gs_member_name(value, prefix, "eventType", &type, problem);
    if (error == 0 && type.length >= 3 && memcmp(type.bytes, "gs.", 3) == 0) {
        char field[GS_FIELD_SIZE];
        gs_field_join(field, prefix, gs_text_slice("eventType"));
        error = gs_problem_set(problem, GS_EINVAL, field, "types that begin with \"gs.\" are the node's own");
    }
    if (error == 0) {
        *ret_type = type;
    }
    return error;
}

static int check_object(struct gs_slice value, const char *prefix, const char *member, struct gs_problem *problem) {
    if (value.bytes == NULL || gs_value_kind(value) == GS_KIND_MAP) {
        return 0;
    }
    char field[GS_FIELD_SIZE];
    gs_field_join(field, prefix, gs_text_slice(member));
    return gs_problem_set(problem, GS_EINVAL, field, "must be an object");
}

static int detached_problem(int error, struct gs_slice data, const char *prefix, struct gs_problem *problem) {
    char field[GS_FIELD_SIZE];
    gs_field_join(field, prefix, gs_text_slice(data.bytes != NULL ? "data" : "metadata"));
    if (error == GS_ETOOBIG) {
        return gs_problem_set(problem, error, field, "data and metadata together take more than %d bytes",
                              GS_DETACHED_BYTES_MAX);
    }
    return gs_problem_set(problem, error, field, "%s", gs_error_message(error));
}

int gs_http_detached(struct gs_slice data, struct gs_slice metadata, const char *prefix, struct gs_arena *arena,
                     struct gs_slice *ret_detached, struct gs_problem *problem) {
    if (data.bytes == NULL && metadata.bytes == NULL) {
        *ret_detached = (struct gs_slice){0};
        return 0;
    }
    int error = check_object(data, prefix, "data", problem);
    if (error == 0) {
        error = check_object(metadata, prefix, "metadata", problem);
    }
    if (error != 0) {
        return error;
    }
    struct gs_buffer map = {0};
    gs_write_map(&map, (data.bytes != NULL ? 1U : 0U) + (metadata.bytes != NULL ? 1U : 0U));
    if (data.bytes != NULL) {
        gs_write_str(&map, "data", 4);
        gs_buffer_append(&map, data.bytes, data.length);
    }
    if (metadata.bytes != NULL) {
        gs_write_str(&map, "metadata", 8);
        gs_buffer_append(&map, metadata.bytes, metadata.length);
    }
    error = map.failed != 0 ? map.failed : map.length > GS_DETACHED_BYTES_MAX ? GS_ETOOBIG : 0;
    if (error == 0) { /* what is stored must be one value that every reader takes: also not too deep */
        struct gs_reader reader;
        gs_reader_init(&reader, map.bytes, map.length);
        gs_read_value(&reader);
        error = reader.error != 0 ? GS_EDEPTH : 0;
    }
    if (error == 0) {
        const void *copy = gs_arena_copy(arena, map.bytes, map.length);
        *ret_detached = gs_slice_make(copy, map.length);
        error = copy == NULL ? GS_ENOMEM : 0;
    }
    gs_buffer_close(&map);
    return error == 0 ? 0 : detached_problem(error, data, prefix, problem);
}

int gs_http_command_fault(const struct gs_command *command, struct gs_http_fault *fault) {
    return command->error == 0 ? 0 : gs_fault_set(fault, command->error);
}

int gs_http_hand_on(struct gs_http_request *request, struct gs_command *command, struct gs_http_response *response,
                    struct gs_http_fault *fault) {
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
    }
    gs_command_free(command);
    return error;
}

int gs_http_result_fault(const struct gs_write_result *result, struct gs_http_fault *fault) {
    if (result->error == 0) {
        return 0;
    }
    fault->problem = result->problem;
    fault->problem.code = result->error;
    fault->has_current_version = result->has_current_version;
    fault->current_version = result->current_version;
    return result->error;
}
