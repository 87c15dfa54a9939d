#include "node/http/feed.h"

#include "node/http/text.h"

enum { RECORDS_MAX = 20000 /* looked through by one request: none of their events may be wanted */ };

bool gs_feed_place_parse(struct gs_slice text, struct gs_feed_place *ret_place) {
    struct gs_slice rest = text;
    struct gs_slice part;
    struct gs_feed_place place;
    bool ok = gs_slice_next(&rest, '.', &part) && gs_look_number(part, &place.position) &&
              gs_slice_next(&rest, '.', &part) && gs_look_number(part, &place.event) && rest.bytes == NULL &&
              place.position > 0;
    if (ok) {
        *ret_place = place;
    }
    return ok;
}

static bool is_wanted(const struct gs_feed *feed) {
    return feed->actor.length == 0 || gs_slice_compare(feed->record.events[feed->place.event].actor, feed->actor) == 0;
}

/* Events of the record at the place; moves it. */
static int show_record(struct gs_feed *feed, struct gs_http_fault *fault) {
    struct gs_past_filter filter = gs_look_filter(feed->request);
    int error = gs_past_record_load(&feed->look->past, feed->place.position, &feed->record, &fault->problem);
    if (error == GS_ENOTFOUND && feed->skips_gone) {
        fault->problem.code = 0;
        feed->place = (struct gs_feed_place){.position = feed->place.position + 1};
        return 0;
    }
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
        feed->place = (struct gs_feed_place){.position = feed->place.position + 1};
    }
    return error;
}

int gs_feed_write(struct gs_feed *feed, uint64_t last, struct gs_http_fault *fault) {
    int error = 0;
    uint32_t records = 0;
    while (error == 0 && feed->place.position <= last && feed->shown < feed->limit && records++ < RECORDS_MAX &&
           feed->out->length <= GS_LOOK_BODY_MAX) {
        error = show_record(feed, fault);
    }
    return error;
}

void gs_feed_close(struct gs_feed *feed) {
    gs_past_record_close(&feed->record);
}
