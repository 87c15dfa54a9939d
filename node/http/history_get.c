/* GET /events/{type}/{id}: the history of one aggregate, a page at a time.
 *
 * ?from&to   versions (a number) or times (RFC 3339), both included
 * ?order     "asc" (the default) or "desc"
 * ?cursor    where the page before ended: its "next"
 * Where its first events are gone, `gone` says how many; a version among them that is asked for by number is a 410. */
#include "node/http/handlers.h"
#include "node/http/look.h"
#include "node/http/text.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PAGE = 128 };

struct query {
    struct gs_past_only only;
    struct gs_history_range range;
    uint64_t from_ms, to_ms;
    uint32_t limit;
};

static int read_bound(const struct gs_http_request *request, const char *name, uint64_t *version, uint64_t *ms,
                      struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, name);
    if (text.bytes == NULL || gs_look_number(text, version) || gs_time_parse(text, ms) == 0) {
        return 0;
    }
    return gs_problem_set(&fault->problem, GS_EINVAL, name, "must be a version or a time (RFC 3339)");
}

static int read_order(const struct gs_http_request *request, struct query *query, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "order");
    query->range.descending = text.bytes != NULL && gs_slice_is(text, "desc");
    if (text.bytes != NULL && !query->range.descending && !gs_slice_is(text, "asc")) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "order", "must be asc or desc");
    }
    return 0;
}

/* A cursor is the version at which the next page begins. */
static int read_cursor(const struct gs_http_request *request, struct query *query, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "cursor");
    uint64_t version = 0;
    if (text.bytes == NULL) {
        return 0;
    }
    if (text.length < 2 || text.bytes[0] != 'v' ||
        !gs_look_number(gs_slice_make(text.bytes + 1, text.length - 1), &version)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "cursor", "is not one that a history gave out");
    }
    uint64_t *bound = query->range.descending ? &query->range.last : &query->range.first;
    bool further = query->range.descending ? version < *bound : version > *bound;
    *bound = further ? version : *bound;
    return 0;
}

static int read_query(struct gs_http_request *request, struct query *query, struct gs_http_fault *fault) {
    *query = (struct query){.range = {.first = 1, .last = UINT64_MAX}, .to_ms = UINT64_MAX};
    int error = gs_http_request_aggregate(request, &query->only.type, &query->only.id, fault);
    if (error == 0) {
        error = read_bound(request, "from", &query->range.first, &query->from_ms, fault);
    }
    if (error == 0) {
        error = read_bound(request, "to", &query->range.last, &query->to_ms, fault);
    }
    if (error == 0) {
        error = gs_look_limit(request, &query->limit, fault);
    }
    if (error == 0) {
        error = read_order(request, query, fault);
    }
    return error != 0 ? error : read_cursor(request, query, fault);
}

struct page {
    struct gs_http_request *request;
    const struct gs_look *look;
    const struct query *query;
    struct gs_past_record record;
    struct gs_buffer *out;
    uint32_t shown;
    uint64_t next; /* the version that did not fit any more; 0: none */
};

static int show(struct page *page, const struct gs_history_entry *entry, struct gs_http_fault *fault) {
    struct gs_past_filter filter = gs_look_filter(page->request);
    uint64_t ms = gs_hlc_ms(entry->clock);
    bool shown = false;
    if (ms < page->query->from_ms || ms > page->query->to_ms) {
        return 0;
    }
    if (page->shown == page->query->limit || page->out->length > GS_LOOK_BODY_MAX) {
        page->next = entry->version;
        return 0;
    }
    int error = gs_past_record_load(&page->look->past, entry->position, &page->record, &fault->problem);
    if (error == 0) {
        gs_buffer_text(page->out, page->shown++ > 0 ? "," : "");
        error = gs_past_event_write(&page->look->past, &page->record, entry->event, &page->query->only, &filter,
                                    page->out, &shown);
    }
    return error;
}

static int write_page(struct page *page, struct gs_http_fault *fault) {
    struct gs_history_reader *reader = page->look->past.reader;
    struct gs_history_range range = page->query->range;
    struct gs_history_entry *entries = malloc(PAGE * sizeof *entries);
    uint32_t count = PAGE;
    int error = entries == NULL ? GS_ENOMEM : 0;
    while (error == 0 && page->next == 0 && count == PAGE && range.first <= range.last) {
        error = reader->methods->entries(reader, page->query->only.type, page->query->only.id, &range, entries, PAGE,
                                         &count);
        for (uint32_t i = 0; error == 0 && page->next == 0 && i < count; i++) {
            error = show(page, &entries[i], fault);
        }
        if (error == 0 && count > 0) {
            uint64_t last = entries[count - 1].version;
            range.first = range.descending ? range.first : last + 1;
            range.last = range.descending ? last - 1 : range.last;
        }
    }
    free(entries);
    return error;
}

static int answer(struct gs_http_request *request, const struct gs_look *look, const struct query *query,
                  struct gs_http_response *response, struct gs_http_fault *fault) {
    struct gs_history_reader *reader = look->past.reader;
    uint64_t version = 0;
    int error = reader->methods->version(reader, query->only.type, query->only.id, &version);
    if (error == 0 && version == 0) {
        return gs_problem_set(&fault->problem, GS_ENOTFOUND, NULL, "there are no events of %.*s/%.*s",
                              (int)query->only.type.length, (const char *)query->only.type.bytes,
                              (int)query->only.id.length, (const char *)query->only.id.bytes);
    }
    struct gs_past_oldest oldest = {0};
    error = error == 0 ? gs_past_oldest(&look->past, query->only.type, query->only.id, &oldest) : error;
    bool names_gone = (query->range.first > 1 && query->range.first <= oldest.gone) || query->range.last <= oldest.gone;
    if (error == 0 && names_gone) {
        gs_problem_set(&fault->problem, GS_EGONE, NULL, "its first %" PRIu64 " events are no longer kept", oldest.gone);
        return gs_look_gone(look, query->only.type, query->only.id, fault);
    }
    struct page page = {.request = request, .look = look, .query = query, .out = &response->body};
    gs_buffer_text(page.out, "{\"events\":[");
    if (error == 0) {
        error = write_page(&page, fault);
    }
    gs_past_record_close(&page.record);
    if (error != 0) {
        return fault->problem.code != 0 ? error : gs_fault_set(fault, error);
    }
    if (page.next != 0) {
        gs_buffer_printf(page.out, "],\"next\":\"v%" PRIu64 "\"", page.next);
    } else {
        gs_buffer_text(page.out, "],\"next\":null");
    }
    gs_buffer_printf(page.out, ",\"gone\":%" PRIu64 "}", oldest.gone);
    response->status = 200;
    return 0;
}

int gs_handle_history_get(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    struct query query;
    struct gs_look look = {0};
    int error = read_query(request, &query, fault);
    if (error == 0) {
        error = gs_look_open(request, &look, fault);
    }
    if (error == 0) {
        error = answer(request, &look, &query, response, fault);
    }
    gs_look_close(&look);
    return error;
}
