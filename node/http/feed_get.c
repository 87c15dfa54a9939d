/* GET /events?since=CURSOR: everything that this region applied, in the order in which it did, resumable.
 *
 * A cursor is a place between two events of this region's log, "POSITION.EVENT": it stays good for as long as the log
 * does, across restarts, and skips or repeats nothing. With actor=SUBJECT only what that subject wrote is shown.
 * Without one the feed begins at the first event, or, where old ones are gone, at the first from which on it is whole;
 * a cursor of before is a 410. since=now begins after the last. */
#include "node/http/feed.h"
#include "node/http/handlers.h"
#include "node/http/text.h"

#include <inttypes.h>

static int read_since(const struct gs_http_request *request, struct gs_feed_place *ret_place, bool *ret_now,
                      struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "since");
    *ret_place = (struct gs_feed_place){.position = 0}; /* wherever it begins */
    *ret_now = text.bytes != NULL && gs_slice_is(text, "now");
    if (text.bytes == NULL || text.length == 0 || *ret_now || gs_feed_place_parse(text, ret_place)) {
        return 0;
    }
    return gs_problem_set(&fault->problem, GS_EINVAL, "since", "is not a cursor that this feed gave out");
}

static int write_feed(struct gs_feed *feed, uint64_t last, struct gs_http_fault *fault) {
    gs_buffer_text(feed->out, "{\"events\":[");
    int error = gs_feed_write(feed, last, fault);
    gs_buffer_printf(feed->out, "],\"next\":\"%" PRIu64 ".%" PRIu64 "\",\"more\":%s}", feed->place.position,
                     feed->place.event, feed->place.position <= last ? "true" : "false");
    return error;
}

static int answer(struct gs_feed *feed, bool now, struct gs_http_response *response, struct gs_http_fault *fault) {
    uint64_t last = 0;
    uint64_t indexed = 0;
    struct gs_history_reader *reader = feed->look->past.reader;
    struct gs_base base = {0};
    int error = reader->methods->extent(reader, &last, &indexed);
    error = error == 0 ? reader->methods->base(reader, &base) : error;
    uint64_t first = base.position + 1;
    feed->place.position = feed->place.position == 0 ? first : feed->place.position;
    if (error == 0 && feed->place.position < first && !now) {
        error = gs_look_feed_gone(&base, fault);
    }
    gs_base_close(&base);
    if (error == 0 && feed->place.position > indexed + 1) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "since",
                              "lies after the end of this region's log: it is of another region, or of a lost disk");
    }
    if (now) {
        feed->place = (struct gs_feed_place){.position = indexed + 1};
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
    struct gs_feed feed = {.request = request,
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
    gs_feed_close(&feed);
    gs_look_close(&look);
    return error;
}
