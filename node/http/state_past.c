#include "node/http/state_past.h"

#include "node/http/look.h"
#include "node/http/text.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <string.h>

struct wanted {
    struct gs_slice type;
    struct gs_slice id;
    struct gs_past_point point;
    struct gs_slice as;   /* a region's name; empty: ours */
    struct gs_vector cut; /* what `as` had; owned */
    uint64_t cut_ms;
};

bool gs_state_past_wanted(const struct gs_http_request *request) {
    return request->target.parameter_count > 0;
}

static int read_wanted(const struct gs_http_request *request, struct wanted *wanted, struct gs_http_fault *fault) {
    struct gs_slice at = gs_http_target_parameter(&request->target, "at");
    struct gs_slice version = gs_http_target_parameter(&request->target, "atVersion");
    wanted->as = gs_http_target_parameter(&request->target, "as");
    if ((at.bytes != NULL) == (version.bytes != NULL)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "at", "one of at and atVersion is needed%s",
                              at.bytes != NULL ? ", not both" : "");
    }
    if (version.bytes != NULL) {
        wanted->point.kind = GS_POINT_VERSION;
        if (wanted->as.bytes != NULL) {
            return gs_problem_set(&fault->problem, GS_EINVAL, "as", "needs at: versions are counted by each region");
        }
        return gs_look_number(version, &wanted->point.version)
                   ? 0
                   : gs_problem_set(&fault->problem, GS_EINVAL, "atVersion", "must be a version, as states show it");
    }
    wanted->point.kind = GS_POINT_TIME;
    return gs_time_parse(at, &wanted->point.ms) == 0
               ? 0
               : gs_problem_set(&fault->problem, GS_EINVAL, "at",
                                "must be a time (RFC 3339) or milliseconds since 1970");
}

/* The origin that goes by a name of the API. */
static const struct gs_origin_name *find_region(const struct gs_past *past, struct gs_slice name) {
    for (uint32_t i = 0; i < past->origin_count; i++) {
        if (gs_slice_is(name, past->origins[i].name)) {
            return &past->origins[i];
        }
    }
    return NULL;
}

/* Turns "as REGION at TIME" into a cut. A region that had written nothing by then had the empty cut, as far as anybody
 * can know. */
static int resolve_region(const struct gs_look *look, struct wanted *wanted, struct gs_http_fault *fault) {
    const struct gs_origin_name *origin = find_region(&look->past, wanted->as);
    if (origin == NULL) {
        return gs_problem_set(&fault->problem, GS_ENOTFOUND, "as", "no region of this name has written anything here");
    }
    int error = gs_past_region_cut(&look->past, &origin->origin, wanted->point.ms, &wanted->cut, &wanted->cut_ms,
                                   &fault->problem);
    if (error == GS_EGONE) {
        return gs_look_gone(look, wanted->type, wanted->id, fault);
    }
    if (error != 0 && error != GS_ENOTFOUND) {
        return fault->problem.code != 0 ? error : gs_fault_set(fault, error);
    }
    wanted->point = (struct gs_past_point){.kind = GS_POINT_CUT, .ms = wanted->cut_ms, .cut = &wanted->cut};
    return 0;
}

static int write_state(const struct gs_look *look, const struct wanted *wanted, const struct gs_past_state *state,
                       struct gs_http_response *response) {
    struct gs_buffer *out = &response->body;
    const struct gs_document document = {
        .type = wanted->type,
        .id = wanted->id,
        .version = state->version,
        .updated = state->updated,
        .region = look->past.region,
        .aggregate = state->aggregate,
    };
    int error = gs_document_write_open(&document, gs_past_namer(&look->past), out);
    char time[25];
    bool final = true;
    if (wanted->point.kind == GS_POINT_VERSION) {
        gs_buffer_printf(out, ",\"atVersion\":%" PRIu64, wanted->point.version);
    } else {
        gs_hlc_format(gs_hlc_from_ms(wanted->point.ms), time);
        gs_buffer_printf(out, ",\"at\":\"%s\"", time);
        /* A cut is named by a batch that is here, and whose deps are: nothing can be missing from it. */
        final = wanted->point.kind == GS_POINT_CUT || wanted->point.ms < look->final_ms;
    }
    if (wanted->as.bytes != NULL) {
        gs_buffer_text(out, ",\"as\":");
        gs_json_write_string(wanted->as.bytes, wanted->as.length, out);
    }
    gs_buffer_printf(out, ",\"exists\":%s,\"final\":%s,\"currentVersion\":%" PRIu64 "}",
                     gs_aggregate_exists(state->aggregate) ? "true" : "false", final ? "true" : "false",
                     state->current);
    response->status = 200;
    return error != 0 ? error : out->failed;
}

static int answer(const struct gs_look *look, struct wanted *wanted, struct gs_http_response *response,
                  struct gs_http_fault *fault) {
    struct gs_past_state state = {0};
    int error = wanted->as.bytes != NULL ? resolve_region(look, wanted, fault) : 0;
    if (error != 0) {
        return error;
    }
    error = gs_past_rebuild(&look->past, wanted->type, wanted->id, &wanted->point, &state, &fault->problem);
    if (error == GS_ENOTFOUND) {
        return gs_problem_set(&fault->problem, error, "atVersion", "the aggregate has not come to this version");
    }
    if (error == GS_EGONE) {
        return gs_look_gone(look, wanted->type, wanted->id, fault);
    }
    if (error == 0 && state.version == 0) {
        gs_past_state_close(&state);
        return gs_problem_set(&fault->problem, GS_ENOTFOUND, NULL, "there was no such aggregate then");
    }
    if (error == 0) {
        error = write_state(look, wanted, &state, response);
    }
    gs_past_state_close(&state);
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}

int gs_state_past_answer(struct gs_http_request *request, struct gs_slice type, struct gs_slice id,
                         struct gs_http_response *response, struct gs_http_fault *fault) {
    struct wanted wanted = {.type = type, .id = id};
    struct gs_look look = {0};
    int error = read_wanted(request, &wanted, fault);
    if (error == 0) {
        error = gs_look_open(request, &look, fault);
    }
    if (error == 0) {
        error = answer(&look, &wanted, response, fault);
    }
    gs_look_close(&look);
    gs_vector_close(&wanted.cut);
    return error;
}
