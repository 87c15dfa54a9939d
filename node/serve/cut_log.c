#include "node/serve/cut_log.h"

#include "node/store/notes.h"

#include <string.h>

/* Well below GS_NOTES_BYTES_MAX, with the largest record behind it. */
enum { NOTE_BYTES_FULL = 8 * 1024 * 1024 };

struct pile {
    struct gs_buffer records;
    uint32_t count;
    uint32_t notes; /* that were written of it */
    gs_hash first;  /* of the first batch ever put there */
};

struct cutting {
    struct gs_cut_walk walk;
    const char *notes_directory;
    uint64_t after; /* position of the last record before the first that goes */
    bool reaches;   /* the first that goes follows the point */
    struct gs_buffer kept;
    uint32_t kept_count;
    struct pile piles[2]; /* others', ours */
    struct gs_cut_report *report;
};

static int write_note(struct cutting *cutting, bool ours) {
    struct pile *pile = &cutting->piles[ours];
    struct gs_buffer note = {0};
    char name[81];
    if (pile->count == 0) {
        return 0;
    }
    gs_cut_note_name(&cutting->walk.cut, ours, &pile->first, pile->notes++, name);
    gs_cut_note_begin(pile->count, &note);
    gs_buffer_append(&note, pile->records.bytes, pile->records.length);
    int error = note.failed != 0 ? note.failed
                                 : gs_notes_put(cutting->notes_directory, name, gs_slice_make(note.bytes, note.length));
    gs_buffer_close(&note);
    pile->records.length = 0;
    pile->count = 0;
    return error;
}

static int put_away(struct cutting *cutting, bool ours, struct gs_slice bytes) {
    struct pile *pile = &cutting->piles[ours];
    struct gs_record record;
    struct gs_batch_head head;
    if (pile->notes == 0 && pile->count == 0 && gs_record_parse(bytes, &record) == 0 &&
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0) {
        pile->first = head.hash;
    }
    gs_buffer_append(&pile->records, bytes.bytes, bytes.length);
    pile->count++;
    *(ours ? &cutting->report->ours : &cutting->report->others) += 1;
    if (pile->records.failed != 0) {
        return pile->records.failed;
    }
    return pile->records.length >= NOTE_BYTES_FULL ? write_note(cutting, ours) : 0;
}

static bool follows_point(const struct cutting *cutting, struct gs_slice bytes) {
    struct gs_record record;
    struct gs_batch_head head;
    return gs_record_parse(bytes, &record) == 0 &&
           gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) == 0 &&
           gs_origin_equal(&head.origin, &cutting->walk.cut.origin) && head.first_seq == cutting->walk.cut.seq + 1;
}

static int keep_decision(const struct cutting *cutting, struct gs_slice record) {
    struct gs_buffer note = {0};
    char name[81];
    bool found = false;
    int error = gs_cut_decision(record, name, &note, &found);
    if (error == 0 && found) {
        error = gs_notes_put(cutting->notes_directory, name, gs_slice_make(note.bytes, note.length));
    }
    gs_buffer_close(&note);
    return error;
}

static int on_record(void *context, uint64_t position, struct gs_slice record) {
    struct cutting *cutting = context;
    enum gs_cut_fate fate = GS_CUT_KEEPS;
    int error = gs_cut_next(&cutting->walk, record, &fate);
    if (error != 0 || !cutting->walk.begun) {
        return error;
    }
    if (cutting->report->first == 0) {
        cutting->report->first = position;
        cutting->after = position - 1;
        cutting->reaches = follows_point(cutting, record);
    }
    if (fate != GS_CUT_KEEPS) {
        error = keep_decision(cutting, record);
        return error != 0 ? error : put_away(cutting, fate == GS_CUT_OURS, record);
    }
    gs_buffer_append(&cutting->kept, record.bytes, record.length);
    cutting->kept_count++;
    return cutting->kept.failed;
}

static int carry_out(struct cutting *cutting, struct gs_store *store) {
    int error = store->methods->replay(store, on_record, cutting);
    if (error != 0 || cutting->report->first == 0) {
        return error;
    }
    if (!cutting->reaches || store->log_base.position > 0) {
        return GS_EUNSUPPORTED;
    }
    error = write_note(cutting, false);
    error = error != 0 ? error : write_note(cutting, true);
    error = error != 0 ? error : gs_notes_remove(cutting->notes_directory, "self");
    return error != 0
               ? error
               : store->methods->cut(store, cutting->after, gs_slice_make(cutting->kept.bytes, cutting->kept.length),
                                     cutting->kept_count);
}

int gs_cut_log(struct gs_store *store, const char *notes_directory, const struct gs_cut *cut,
               const struct gs_core_config *config, struct gs_cut_report *ret_report, struct gs_problem *problem) {
    const struct gs_trust_entry *self = gs_trust_find_key(config->trust, &config->keys.public_key);
    struct cutting cutting = {.notes_directory = notes_directory, .report = ret_report};
    *ret_report = (struct gs_cut_report){0};
    if (self == NULL || notes_directory == NULL) {
        return gs_problem_set(problem, GS_EUNTRUSTED, NULL, "%s", gs_error_message(GS_EUNTRUSTED));
    }
    gs_cut_begin(&cutting.walk, cut, &config->keys.public_key, self->region);
    int error = carry_out(&cutting, store);
    gs_cut_close(&cutting.walk);
    gs_buffer_close(&cutting.kept);
    gs_buffer_close(&cutting.piles[0].records);
    gs_buffer_close(&cutting.piles[1].records);
    if (error == GS_EUNSUPPORTED) {
        return gs_problem_set(problem, error, NULL,
                              "the log does not reach back to where the forked histories part: start this region anew "
                              "with an empty store");
    }
    return error == 0 ? 0 : gs_problem_set(problem, error, NULL, "the log cannot be cut: %s", gs_error_message(error));
}
