/* GET /subjects/{subject}/export: everything that this region has written down about one subject, a page at a time: its
 * events, then its entries in the audit log.
 *
 * A cursor says where to go on: "ePOSITION.EVENT" in the feed, "aNUMBER" before an audit entry; it stays good across
 * restarts. Pages are bounded in entries, bytes and records looked through, so one may be empty and not the last. */
#include "node/http/feed.h"
#include "node/http/handlers.h"
#include "node/http/subject.h"

#include "node/store/audit.h"

#include <globalstate/json.h>

#include <inttypes.h>

struct place {
    bool in_audit;
    struct gs_feed_place events;
    uint64_t before; /* entries with a lesser number; 0: from the newest */
};

static int read_cursor(const struct gs_http_request *request, struct place *ret_place, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "cursor");
    *ret_place = (struct place){.events = {.position = 1}};
    if (text.bytes == NULL) {
        return 0;
    }
    struct gs_slice rest = text.length > 0 ? gs_slice_make(text.bytes + 1, text.length - 1) : (struct gs_slice){0};
    ret_place->in_audit = text.length > 0 && text.bytes[0] == 'a';
    bool ok = ret_place->in_audit
                  ? gs_look_number(rest, &ret_place->before)
                  : text.length > 0 && text.bytes[0] == 'e' && gs_feed_place_parse(rest, &ret_place->events);
    return ok ? 0 : gs_problem_set(&fault->problem, GS_EINVAL, "cursor", "is not one that an export gave out");
}

static int write_events(struct gs_http_request *request, struct gs_slice subject, uint32_t limit, struct place *place,
                        struct gs_buffer *out, struct gs_http_fault *fault) {
    struct gs_look look = {0};
    struct gs_feed feed = {.request = request,
                           .look = &look,
                           .out = out,
                           .place = place->events,
                           .limit = limit,
                           .actor = subject,
                           .skips_gone = true};
    uint64_t last = 0;
    uint64_t indexed = 0;
    int error = gs_look_open(request, &look, fault);
    if (error == 0) {
        error = look.past.reader->methods->extent(look.past.reader, &last, &indexed);
    }
    if (error == 0) {
        error = gs_feed_write(&feed, indexed, fault);
    }
    place->events = feed.place;
    place->in_audit = feed.place.position > indexed;
    gs_feed_close(&feed);
    gs_look_close(&look);
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}

/* The array of entries; false in `ret_more` at the end. */
static int write_audit(const struct gs_http_request *request, struct gs_slice subject, uint32_t limit,
                       struct place *place, bool *ret_more, struct gs_buffer *out, struct gs_http_fault *fault) {
    const struct gs_audit_query query = {
        .kind = -1, .subject = subject, .until_ms = UINT64_MAX, .before = place->before, .limit = limit};
    *ret_more = false;
    if (request->context->audit == NULL) {
        gs_buffer_text(out, "[]");
        return 0;
    }
    int error = gs_audit_query(request->context->audit, &query, out, &place->before);
    *ret_more = place->before != 0;
    return error != 0 ? gs_fault_set(fault, error) : 0;
}

static int write_page(struct gs_http_request *request, struct gs_slice subject, uint32_t limit, struct place *place,
                      struct gs_buffer *out, struct gs_http_fault *fault) {
    bool was_in_audit = place->in_audit;
    bool more = true;
    gs_buffer_text(out, "{\"subject\":");
    gs_json_write_string(subject.bytes, subject.length, out);
    gs_buffer_text(out, ",\"events\":[");
    int error = was_in_audit ? 0 : write_events(request, subject, limit, place, out, fault);
    gs_buffer_text(out, "],\"audit\":");
    if (was_in_audit && error == 0) {
        error = write_audit(request, subject, limit, place, &more, out, fault);
    } else {
        gs_buffer_text(out, "[]");
    }
    if (!more) {
        gs_buffer_text(out, ",\"next\":null}");
    } else if (place->in_audit) {
        gs_buffer_printf(out, ",\"next\":\"a%" PRIu64 "\"}", place->before);
    } else {
        gs_buffer_printf(out, ",\"next\":\"e%" PRIu64 ".%" PRIu64 "\"}", place->events.position, place->events.event);
    }
    return error;
}

int gs_handle_subject_export(struct gs_http_request *request, struct gs_http_response *response,
                             struct gs_http_fault *fault) {
    struct gs_slice subject;
    struct place place;
    uint32_t limit = 0;
    int error = gs_subject_read(request, &subject, fault);
    if (error == 0) {
        error = read_cursor(request, &place, fault);
    }
    if (error == 0) {
        error = gs_look_limit(request, &limit, fault);
    }
    if (error == 0) {
        error = write_page(request, subject, limit, &place, &response->body, fault);
    }
    if (error == 0) {
        response->status = 200;
    }
    return error;
}
