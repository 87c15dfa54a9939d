/* GET /events?since=CURSOR: everything that this region applied, in the order in which it did, resumable.
 *
 * A cursor is a place between two events of this region's log, "POSITION.EVENT": it stays good for as long as the log
 * does, across restarts, and skips or repeats nothing. With actor=SUBJECT only what that subject wrote is shown.
 * Without one the feed begins at the first event; since=now begins after the last. */
#include "node/http/handlers.h"
#include "node/http/look.h"
#include "node/http/text.h"

#include <inttypes.h>

enum { RECORDS_MAX = 20000 /* looked through by one request: a limited token may see none of their events */ };

struct place {
    uint64_t position;
    uint64_t event; /* of that record, the next to be shown */
};

static int read_since(const struct gs_http_request *request, struct place *ret_place, bool *ret_now,
                      struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "since");
    struct gs_slice part;
    *ret_place = (struct place){.position = 1};
    *ret_now = text.bytes != NULL && gs_slice_is(text, "now");
    if (text.bytes == NULL || text.length == 0 || *ret_now) {
        return 0;
    }
    struct gs_slice rest = text;
    bool ok = gs_slice_next(&rest, '.', &part) && gs_look_number(part, &ret_place->position) &&
              gs_slice_next(&rest, '.', &part) && gs_look_number(part, &ret_place->event) && rest.bytes == NULL &&
              ret_place->position > 0;
    return ok ? 0 : gs_problem_set(&fault->problem, GS_EINVAL, "since", "is not a cursor that this feed gave out");
}

struct feed {
    struct gs_http_request *request;
    const struct gs_look *look;
    struct gs_past_record record;
    struct gs_buffer *out;
    struct place place;
    uint32_t limit;
    uint32_t shown;
    struct gs_slice actor; /* only this one's; empty: all */
};

static bool is_wanted(const struct feed *feed) {
    return feed->actor.length == 0 || gs_slice_compare(feed->record.events[feed->place.event].actor, feed->actor) == 0;
}

/* Events of the record at the place; moves it. */
static int show_record(struct feed *feed, struct gs_http_fault *fault) {
    struct gs_past_filter filter = gs_look_filter(feed->request);
    int error = gs_past_record_load(&feed->look->past, feed->place.position, &feed->record, &fault->problem);
    while (error == 0 && feed->place.event < feed->record.head.count && feed->shown < feed->limit &&
           feed->out->length <= GS_LOOK_BODY_MAX) {
        bool shown = false;
        size_t length = feed->out->length;
        if (!is_wanted(feed)) {
            feed->place.event++;
            continue;
        }
        gs_buffer_text(feed->out, feed->shown > 0 ? "," : "");
        error = gs_past_event_write(&feed->look->past, &feed->record, (uint32_t)feed->place.event, NULL, &filter,
                                    feed->out, &shown);
        feed->out->length = shown ? feed->out->length : length;
        feed->shown += shown ? 1 : 0;
        feed->place.event++;
    }
    if (error == 0 && feed->place.event >= feed->record.head.count) {
        feed->place = (struct place){.position = feed->place.position + 1};
    }
    return error;
}

static int write_feed(struct feed *feed, uint64_t last, struct gs_http_fault *fault) {
    int error = 0;
    uint32_t records = 0;
    gs_buffer_text(feed->out, "{\"events\":[");
    while (error == 0 && feed->place.position <= last && feed->shown < feed->limit && records++ < RECORDS_MAX &&
           feed->out->length <= GS_LOOK_BODY_MAX) {
        error = show_record(feed, fault);
    }
    gs_buffer_printf(feed->out, "],\"next\":\"%" PRIu64 ".%" PRIu64 "\",\"more\":%s}", feed->place.position,
                     feed->place.event, feed->place.position <= last ? "true" : "false");
    return error;
}

static int answer(struct feed *feed, bool now, struct gs_http_response *response, struct gs_http_fault *fault) {
    uint64_t last = 0;
    uint64_t indexed = 0;
    struct gs_history_reader *reader = feed->look->past.reader;
    int error = reader->methods->extent(reader, &last, &indexed);
    if (error == 0 && feed->place.position > indexed + 1) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "since",
                              "lies after the end of this region's log: it is of another region, or of a lost disk");
    }
    if (now) {
        feed->place = (struct place){.position = indexed + 1};
    }
    if (error == 0) {
        error = write_feed(feed, indexed, fault);
    }
    if (error != 0) {
        return fault->problem.code != 0 ? error : gs_fault_set(fault, error);
    }
    response->status = 200;
    return 0;
}

int gs_handle_feed_get(struct gs_http_request *request, struct gs_http_response *response,
                       struct gs_http_fault *fault) {
    struct gs_look look = {0};
    struct feed feed = {.request = request,
                        .look = &look,
                        .out = &response->body,
                        .actor = gs_http_target_parameter(&request->target, "actor")};
    bool now = false;
    int error = read_since(request, &feed.place, &now, fault);
    if (error == 0) {
        error = gs_look_limit(request, &feed.limit, fault);
    }
    if (error == 0) {
        error = gs_look_open(request, &look, fault);
    }
    if (error == 0) {
        error = answer(&feed, now, response, fault);
    }
    gs_past_record_close(&feed.record);
    gs_look_close(&look);
    return error;
}
