/* POST /subjects/{subject}/erase: takes the data and metadata of a subject's events out of this region's log while it
 * runs (node/history/erase.h), a piece of the log at a time.
 *
 * A request looks through a bounded number of records, has the store's thread rewrite those that hold something of the
 * subject, and says where the next one goes on: between two of them everything else goes on, too. The last one sees to
 * it that what was taken out is gone from the engine's files. */
#include "node/http/handlers.h"
#include "node/http/look.h"
#include "node/http/members.h"
#include "node/http/subject.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include "node/history/erase.h"
#include "node/store/store_rewrite.h"

#include <globalstate/json.h>

#include <inttypes.h>
#include <time.h>

enum {
    BODY_DEPTH_MAX = 4,
    RECORDS_MAX = 10000,             /* looked through by one request … */
    REWRITE_BYTES_MAX = 1024 * 1024, /* … and rewritten: a commit waits so long */
    SCRUB_TRIES = 100,
    SCRUB_PAUSE_MS = 20
};

int gs_subject_read(const struct gs_http_request *request, struct gs_slice *ret_subject, struct gs_http_fault *fault) {
    struct gs_slice subject = request->target.segments[1];
    if (subject.length == 0 || subject.length > GS_SUBJECT_BYTES_MAX || !gs_utf8_valid(subject.bytes, subject.length)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "subject", "must be a text of 1 to %d bytes",
                              GS_SUBJECT_BYTES_MAX);
    }
    *ret_subject = subject;
    return 0;
}

struct piece {
    uint64_t position; /* the next record to be looked at */
    uint64_t last;     /* of the log */
    struct gs_erasable found;
    uint64_t records;          /* to be rewritten */
    struct gs_buffer rewrites; /* owned until they are handed over */
};

/* {"cursor"?: "POSITION"} */
static int read_cursor(struct gs_http_request *request, uint64_t *ret_position, struct gs_http_fault *fault) {
    static const char *const names[] = {"cursor"};
    struct gs_arena arena = {0};
    struct gs_slice body;
    struct gs_slice cursor;
    struct gs_reader reader;
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, &arena, &body, fault);
    if (error == 0) {
        error = gs_members_read(body, "", names, 1, &cursor, &fault->problem);
    }
    *ret_position = 1;
    if (error == 0 && cursor.bytes != NULL) {
        gs_reader_init(&reader, cursor.bytes, cursor.length);
        bool ok = gs_value_kind(cursor) == GS_KIND_STR &&
                  gs_look_number(gs_read_str(&reader, SIZE_MAX), ret_position) && *ret_position > 0;
        error = ok ? 0 : gs_problem_set(&fault->problem, GS_EINVAL, "/cursor", "is not one that an erasure gave out");
    }
    gs_arena_close(&arena);
    return error;
}

static int look_at(struct gs_history_reader *reader, struct gs_slice subject, struct piece *piece,
                   struct gs_buffer *record, struct gs_buffer *rewritten) {
    struct gs_erasable found;
    record->length = rewritten->length = 0;
    int error = reader->methods->record(reader, piece->position, record);
    if (error == GS_ENOTFOUND) { /* it is gone with the oldest ones */
        piece->position++;
        return 0;
    }
    if (error == 0) {
        error = gs_erase_from_record(gs_slice_make(record->bytes, record->length), subject, rewritten, &found);
    }
    if (error == 0) {
        piece->found.events += found.events;
        piece->found.with_data += found.with_data;
        if (found.with_data > 0) {
            gs_store_rewrite_add(&piece->rewrites, piece->position, gs_slice_make(rewritten->bytes, rewritten->length));
            piece->records++;
        }
        piece->position++;
    }
    return error != 0 ? error : piece->rewrites.failed;
}

/* Records that hold something of the subject, without it. */
static int look_through(struct gs_http_request *request, struct gs_slice subject, struct piece *piece,
                        struct gs_http_fault *fault) {
    struct gs_look look = {0};
    struct gs_buffer record = {0};
    struct gs_buffer rewritten = {0};
    uint64_t last = 0;
    int error = gs_look_open(request, &look, fault);
    if (error == 0) {
        error = look.past.reader->methods->extent(look.past.reader, &last, &piece->last);
    }
    for (uint32_t i = 0;
         error == 0 && i < RECORDS_MAX && piece->position <= piece->last && piece->rewrites.length < REWRITE_BYTES_MAX;
         i++) {
        error = look_at(look.past.reader, subject, piece, &record, &rewritten);
    }
    gs_buffer_close(&record);
    gs_buffer_close(&rewritten);
    gs_look_close(&look);
    return error == 0 || fault->problem.code != 0 ? error : gs_fault_set(fault, error);
}

static int rewrite(struct gs_http_request *request, struct gs_buffer *rewrites, bool scrub) {
    struct gs_command *command = gs_command_new(GS_COMMAND_REWRITE);
    if (command == NULL) {
        return GS_ENOMEM;
    }
    command->rewrites = *rewrites;
    *rewrites = (struct gs_buffer){0};
    command->scrub = scrub;
    gs_gateway_call(request->context->gateway, command);
    int error = command->error;
    gs_command_free(command);
    return error;
}

/* A reader of history may hold the old pages for a moment. */
static int carry_out(struct gs_http_request *request, struct piece *piece, struct gs_http_fault *fault) {
    bool at_end = piece->position > piece->last;
    int error = piece->rewrites.length > 0 ? rewrite(request, &piece->rewrites, false) : 0;
    if (error == 0 && at_end) {
        error = GS_EBUSY;
        for (int i = 0; error == GS_EBUSY && i < SCRUB_TRIES; i++) {
            static const struct timespec pause = {.tv_nsec = SCRUB_PAUSE_MS * 1000000L};
            struct gs_buffer nothing = {0};
            error = rewrite(request, &nothing, true);
            if (error == GS_EBUSY) {
                nanosleep(&pause, NULL);
            }
        }
    }
    /* GS_EINVAL: another erasure came first. Whatever it was, asked again it goes on from there. */
    error = error == GS_EBUSY || error == GS_EINVAL ? GS_EOVERLOADED : error;
    return error != 0 ? gs_fault_set(fault, error) : 0;
}

static void write_answer(struct gs_slice subject, const struct piece *piece, struct gs_buffer *out) {
    gs_buffer_text(out, "{\"subject\":");
    gs_json_write_string(subject.bytes, subject.length, out);
    gs_buffer_printf(out, ",\"events\":%" PRIu64 ",\"erased\":%" PRIu64 ",\"records\":%" PRIu64, piece->found.events,
                     piece->found.with_data, piece->records);
    gs_buffer_printf(out, ",\"lookedThrough\":%" PRIu64 ",\"of\":%" PRIu64 ",\"next\":", piece->position - 1,
                     piece->last);
    if (piece->position <= piece->last) {
        gs_buffer_printf(out, "\"%" PRIu64 "\"}", piece->position);
    } else {
        gs_buffer_text(out, "null}");
    }
}

int gs_handle_subject_erase(struct gs_http_request *request, struct gs_http_response *response,
                            struct gs_http_fault *fault) {
    struct gs_slice subject;
    struct piece piece = {0};
    int error = gs_subject_read(request, &subject, fault);
    if (error == 0) {
        error = read_cursor(request, &piece.position, fault);
    }
    if (error == 0) {
        error = look_through(request, subject, &piece, fault);
    }
    if (error == 0) {
        error = carry_out(request, &piece, fault);
    }
    if (error == 0) {
        write_answer(subject, &piece, &response->body);
        response->status = 200;
    }
    gs_buffer_close(&piece.rewrites);
    return error;
}
