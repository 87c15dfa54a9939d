#include "node/history/verify.h"

#include "gossip/run.h"
#include "node/core/table.h"

#include <globalstate/aggregate.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 2 * GS_ID_BYTES_MAX + 1, ENTRIES_PAGE = 256 };

struct aggregate {
    struct gs_table_entry entry; /* key: "type/id" */
    struct gs_aggregate *state;
    uint64_t version;
    uint64_t first; /* that is not gone */
    uint64_t begin; /* the version of the kept state with which it begins: what comes before is counted only */
    uint64_t *kept; /* versions of which a state is kept, falling; owned */
    uint32_t kept_count, kept_capacity;
    uint8_t key[];
};

struct run {
    const struct gs_verify *verify;
    struct gs_verify_report *report;
    struct gs_vector heads;
    struct gs_vector
        unproved; /* of each origin the position (as seq) of a bad signature that none has made up for yet */
    struct gs_table aggregates;
    struct gs_arena arena; /* of the record that is looked at */
    struct gs_buffer record;
    struct gs_buffer versions;
    struct gs_kept_state kept;
    struct gs_base base;
};

void gs_verify_report_close(struct gs_verify_report *report) {
    gs_buffer_close(&report->named);
    *report = (struct gs_verify_report){0};
}

__attribute__((format(printf, 2, 3))) static void find(struct run *run, const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (run->report->findings++ < GS_VERIFY_NAMED_MAX) {
        gs_buffer_text(&run->report->named, line);
        gs_buffer_byte(&run->report->named, '\n');
    }
}

/* The versions of which a state is kept. */
static int list_kept(struct run *run, struct aggregate *aggregate, const struct gs_event_change *change) {
    struct gs_history_reader *reader = run->verify->reader;
    uint64_t version = UINT64_MAX;
    while (version > 0) {
        run->kept.version = 0;
        int error = reader->methods->state(reader, change->aggregate_type, change->aggregate_id, version, &run->kept);
        if (error == GS_ENOTFOUND) {
            return 0;
        }
        if (error == GS_ECORRUPT && run->kept.version > 0 && run->kept.version <= version) {
            find(run, "the kept state of %.*s/%.*s at version %" PRIu64 ": its hash does not match",
                 (int)change->aggregate_type.length, (const char *)change->aggregate_type.bytes,
                 (int)change->aggregate_id.length, (const char *)change->aggregate_id.bytes, run->kept.version);
        } else if (error != 0) {
            return error;
        } else {
            if (aggregate->kept_count == aggregate->kept_capacity) {
                uint32_t capacity = aggregate->kept_capacity == 0 ? 4 : aggregate->kept_capacity * 2;
                uint64_t *kept = realloc(aggregate->kept, capacity * sizeof *kept);
                if (kept == NULL) {
                    return GS_ENOMEM;
                }
                aggregate->kept = kept;
                aggregate->kept_capacity = capacity;
            }
            aggregate->kept[aggregate->kept_count++] = run->kept.version;
        }
        version = run->kept.version - 1;
    }
    return 0;
}

/* Of an aggregate whose first events are gone: what is left of it begins with the oldest kept state after them. */
static int begin_late(struct run *run, struct aggregate *aggregate, const struct gs_event_change *change) {
    struct gs_history_reader *reader = run->verify->reader;
    struct gs_slice type = change->aggregate_type;
    const struct gs_history_range all = {.first = 0, .last = UINT64_MAX};
    struct gs_history_entry first;
    struct gs_aggregate *state = NULL;
    uint32_t count = 0;
    int error = gs_base_floor(&run->base, type) == 0
                    ? 0
                    : reader->methods->entries(reader, type, change->aggregate_id, &all, &first, 1, &count);
    if (error != 0 || count == 0 || first.version <= 1) {
        return error;
    }
    aggregate->first = first.version;
    aggregate->version = first.version - 1;
    uint64_t oldest = aggregate->kept_count > 0 ? aggregate->kept[aggregate->kept_count - 1] : 0;
    if (oldest < aggregate->version) {
        find(run, "%.*s: its events up to version %" PRIu64 " are gone, and no state of then is kept",
             (int)aggregate->entry.key.length, (const char *)aggregate->entry.key.bytes, aggregate->version);
        return 0;
    }
    error = reader->methods->state(reader, type, change->aggregate_id, oldest, &run->kept);
    if (error == 0) {
        error = gs_aggregate_decode(run->kept.state.bytes, run->kept.state.length, NULL, &state);
        error = error == 0 || error == GS_ENOMEM ? error : GS_ECORRUPT;
    }
    if (error == 0) {
        gs_aggregate_free(aggregate->state);
        aggregate->state = state;
        aggregate->begin = oldest;
        aggregate->kept_count -= oldest == aggregate->version ? 1 : 0;
    }
    return error;
}

static int get_aggregate(struct run *run, const struct gs_event_change *change, struct aggregate **ret_aggregate) {
    uint8_t bytes[KEY_BYTES_MAX];
    struct gs_slice type = change->aggregate_type;
    struct gs_slice id = change->aggregate_id;
    size_t length = type.length + 1 + id.length;
    memcpy(bytes, type.bytes, type.length);
    bytes[type.length] = '/';
    memcpy(bytes + type.length + 1, id.bytes, id.length);
    *ret_aggregate = (struct aggregate *)gs_table_find(&run->aggregates, gs_slice_make(bytes, length));
    if (*ret_aggregate != NULL) {
        return 0;
    }
    struct aggregate *aggregate = calloc(1, sizeof *aggregate + length);
    if (aggregate == NULL) {
        return GS_ENOMEM;
    }
    memcpy(aggregate->key, bytes, length);
    aggregate->entry.key = gs_slice_make(aggregate->key, length);
    aggregate->first = 1;
    aggregate->state = gs_aggregate_new(NULL);
    if (aggregate->state == NULL || gs_table_insert(&run->aggregates, &aggregate->entry) != 0) {
        gs_aggregate_free(aggregate->state);
        free(aggregate);
        return GS_ENOMEM;
    }
    run->report->aggregates++;
    *ret_aggregate = aggregate;
    int error = list_kept(run, aggregate, change);
    return error == 0 ? begin_late(run, aggregate, change) : error;
}

/* Equal states have equal canonical bytes; what may be cleaned up, a kept state may lack. */
static int is_same(const struct gs_aggregate *made, struct gs_slice kept, bool *ret_same) {
    struct gs_aggregate *other = NULL;
    struct gs_buffer left = {0};
    struct gs_buffer right = {0};
    int error = gs_aggregate_decode(kept.bytes, kept.length, NULL, &other);
    bool decodes = error == 0;
    error = error == GS_ENOMEM ? error : 0;
    if (decodes) {
        error = gs_aggregate_encode(made, GS_ENCODE_CANONICAL, &left);
        error = error != 0 ? error : gs_aggregate_encode(other, GS_ENCODE_CANONICAL, &right);
    }
    *ret_same = decodes &&
                gs_slice_compare(gs_slice_make(left.bytes, left.length), gs_slice_make(right.bytes, right.length)) == 0;
    gs_buffer_close(&left);
    gs_buffer_close(&right);
    gs_aggregate_free(other);
    return error;
}

/* The state that is kept of this version, against the one that the log makes. */
static int compare_kept(struct run *run, struct aggregate *aggregate, const struct gs_event_change *change) {
    if (aggregate->kept_count == 0 || aggregate->kept[aggregate->kept_count - 1] != aggregate->version) {
        return 0;
    }
    struct gs_history_reader *reader = run->verify->reader;
    bool same = true;
    aggregate->kept_count--;
    run->report->states++;
    int error =
        reader->methods->state(reader, change->aggregate_type, change->aggregate_id, aggregate->version, &run->kept);
    if (error == 0) {
        error = is_same(aggregate->state, gs_slice_make(run->kept.state.bytes, run->kept.state.length), &same);
    }
    if (!same) {
        find(run, "the kept state of %.*s at version %" PRIu64 ": it is not what the log makes",
             (int)aggregate->entry.key.length, (const char *)aggregate->entry.key.bytes, aggregate->version);
    }
    return error;
}

/* Reads one entry off the version list; false if the index says something else than the log. */
static bool index_agrees(struct gs_slice *list, uint64_t version) {
    struct gs_version_vector vector = {0};
    uint64_t indexed = 0;
    int error = gs_version_number_read(list, &indexed);
    if (error == 0) {
        error = gs_version_vector_read(list, &vector);
    }
    gs_version_vector_close(&vector);
    return error == 0 && indexed == version;
}

static bool skip_version(struct gs_slice *list) {
    struct gs_version_vector vector = {0};
    uint64_t version = 0;
    int error = gs_version_number_read(list, &version);
    error = error == 0 ? gs_version_vector_read(list, &vector) : error;
    gs_version_vector_close(&vector);
    return error == 0;
}

static int apply_events(struct run *run, uint64_t position, const struct gs_batch_head *head,
                        const struct gs_event *events, bool is_indexed) {
    struct gs_slice list = gs_slice_make(run->versions.bytes, run->versions.length);
    bool agrees = true;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < head->count; i++) {
        for (uint32_t j = 0; error == 0 && j < events[i].change_count; j++) {
            struct aggregate *aggregate = NULL;
            if (position <= gs_base_floor(&run->base, events[i].changes[j].aggregate_type)) {
                agrees = agrees && (!is_indexed || skip_version(&list));
                continue; /* the record is there for another aggregate's sake */
            }
            error = get_aggregate(run, &events[i].changes[j], &aggregate);
            if (error == 0 && ++aggregate->version > aggregate->begin) {
                error = gs_aggregate_apply(aggregate->state, &events[i].changes[j].delta);
            }
            agrees = agrees && error == 0 && (!is_indexed || index_agrees(&list, aggregate->version));
            if (error == 0) {
                error = compare_kept(run, aggregate, &events[i].changes[j]);
            }
        }
        run->report->events++;
    }
    if (error == 0 && (!agrees || (is_indexed && list.length > 0))) {
        find(run, "record %" PRIu64 ": the index says something else of it", position);
    }
    return error;
}

/* A good signature vouches for all that leads to it. A bad one is a finding if no good one follows, and at an anchor,
 * whose signature every node has checked when it took the batch. */
static int check_signature(struct run *run, uint64_t position, const struct gs_batch_head *head,
                           const gs_public_key *key) {
    if (gs_batch_verify(head, key) == 0) {
        gs_vector_remove(&run->unproved, &head->origin);
        return 0;
    }
    if (gs_run_is_anchor(head)) {
        find(run, "record %" PRIu64 ": its signature does not verify", position);
        return 0;
    }
    struct gs_head bad = {.origin = head->origin, .seq = position};
    return gs_vector_find(&run->unproved, &head->origin) == NULL ? gs_vector_set(&run->unproved, &bad) : 0;
}

static void name_unproved(struct run *run) {
    for (uint32_t i = 0; i < run->unproved.count; i++) {
        find(run, "record %" PRIu64 ": its signature does not verify, and no later one vouches for it",
             run->unproved.heads[i].seq);
    }
    gs_vector_close(&run->unproved);
}

static int check_head(struct run *run, uint64_t position, const struct gs_batch_head *head) {
    static const gs_hash none;
    const struct gs_head *last = gs_vector_find(&run->heads, &head->origin);
    uint64_t seq = last != NULL ? last->seq : 0;
    bool whole = position > run->base.position; /* before it, records between two of an origin may be gone */
    if ((whole || head->first_seq == seq + 1) &&
        gs_batch_check_chain(head, seq, last != NULL ? &last->hash : &none) != 0) {
        find(run, "record %" PRIu64 ": it does not continue its origin's chain", position);
    }
    for (uint32_t i = 0; whole && i < head->dep_count; i++) {
        struct gs_head dep;
        gs_batch_dep(head, i, &dep);
        if (gs_vector_seq(&run->heads, &dep.origin) < dep.seq) {
            find(run, "record %" PRIu64 ": what it depends on is not before it", position);
            break;
        }
    }
    const struct gs_trust *trust = run->verify->trust;
    if (trust != NULL) {
        const struct gs_trust_entry *key = gs_trust_find_origin(trust, &head->origin, &head->incarnation);
        if (key == NULL) {
            find(run, "record %" PRIu64 ": no key of the trust file belongs to its origin", position);
        } else {
            return check_signature(run, position, head, &key->key);
        }
    }
    return 0;
}

static int check_record(struct run *run, uint64_t position) {
    struct gs_record parts;
    struct gs_batch_head head;
    struct gs_event *events = NULL;
    int error = gs_record_parse(gs_slice_make(run->record.bytes, run->record.length), &parts);
    if (error == 0) {
        error = gs_batch_parse_head(parts.batch.bytes, parts.batch.length, &head);
    }
    if (error == 0) {
        error = gs_batch_decode(&head, &run->arena, &events);
    }
    if (error != 0) {
        if (error != GS_ENOMEM) {
            find(run, "record %" PRIu64 ": %s", position, gs_error_message(error));
        }
        return error == GS_ENOMEM ? error : 0;
    }
    error = check_head(run, position, &head);
    if (gs_record_attach(&parts, events, head.count) != 0) {
        find(run, "record %" PRIu64 ": the data beside it is not what was signed", position);
    }
    struct gs_head now = {.origin = head.origin, .seq = gs_batch_last_seq(&head), .hash = head.hash};
    error = error != 0 ? error : gs_vector_set(&run->heads, &now);
    bool is_indexed = position <= run->report->indexed;
    return error != 0 ? error : apply_events(run, position, &head, events, is_indexed);
}

static int look_at(struct run *run, uint64_t position) {
    struct gs_history_reader *reader = run->verify->reader;
    run->record.length = 0;
    run->versions.length = 0;
    int error = reader->methods->record(reader, position, &run->record);
    if (error == GS_ENOTFOUND && position <= run->base.position) {
        run->report->gone++;
        return 0;
    }
    if (error == GS_ECORRUPT || error == GS_ENOTFOUND) {
        find(run, "record %" PRIu64 ": %s", position,
             error == GS_ENOTFOUND ? "it is missing" : "its checksum does not match");
        return 0;
    }
    if (error == 0 && position <= run->report->indexed) {
        error = reader->methods->versions(reader, position, &run->versions);
        if (error == GS_ENOTFOUND) {
            find(run, "record %" PRIu64 ": the index lacks it", position);
            error = 0;
        }
    }
    if (error == 0) {
        error = check_record(run, position);
    }
    gs_arena_close(&run->arena);
    run->report->records++;
    return error;
}

static void close_run(struct run *run) {
    struct gs_table_entry *entry = gs_table_next(&run->aggregates, NULL);
    while (entry != NULL) {
        struct aggregate *aggregate = (struct aggregate *)entry;
        entry = gs_table_next(&run->aggregates, entry);
        gs_aggregate_free(aggregate->state);
        free(aggregate->kept);
        free(aggregate);
    }
    gs_table_close(&run->aggregates);
    gs_vector_close(&run->heads);
    gs_base_close(&run->base);
    gs_buffer_close(&run->record);
    gs_buffer_close(&run->versions);
    gs_buffer_close(&run->kept.state);
}

/* Every version of an aggregate is in the index, once. */
static int check_entries(struct run *run, const struct aggregate *aggregate) {
    struct gs_history_reader *reader = run->verify->reader;
    const uint8_t *slash = memchr(aggregate->key, '/', aggregate->entry.key.length);
    struct gs_slice type = gs_slice_make(aggregate->key, (size_t)(slash - aggregate->key));
    struct gs_slice id = gs_slice_make(slash + 1, aggregate->entry.key.length - type.length - 1);
    struct gs_history_entry *entries = malloc(ENTRIES_PAGE * sizeof *entries);
    struct gs_history_range range = {.first = 0, .last = UINT64_MAX};
    uint64_t next = aggregate->first;
    uint32_t count = ENTRIES_PAGE;
    bool agrees = true;
    int error = entries == NULL ? GS_ENOMEM : 0;
    while (error == 0 && agrees && count == ENTRIES_PAGE) {
        error = reader->methods->entries(reader, type, id, &range, entries, ENTRIES_PAGE, &count);
        for (uint32_t i = 0; error == 0 && agrees && i < count; i++) {
            agrees = entries[i].version == next++;
        }
        range.first = next;
    }
    free(entries);
    if (error == 0 && (!agrees || next != aggregate->version + 1)) {
        find(run, "the index of %.*s: it lacks version %" PRIu64 ", or has more than the log",
             (int)aggregate->entry.key.length, (const char *)aggregate->entry.key.bytes, agrees ? next : next - 1);
    }
    return error;
}

/* Kept states that no version of the log came to, and versions that the index lacks, if it covers the whole log. */
static int check_aggregates(struct run *run, bool is_indexed) {
    int error = 0;
    for (struct gs_table_entry *entry = gs_table_next(&run->aggregates, NULL); error == 0 && entry != NULL;
         entry = gs_table_next(&run->aggregates, entry)) {
        const struct aggregate *aggregate = (const struct aggregate *)entry;
        error = is_indexed ? check_entries(run, aggregate) : 0;
        if (aggregate->kept_count > 0) {
            find(run, "the kept state of %.*s at version %" PRIu64 ": the log has no such version",
                 (int)entry->key.length, (const char *)entry->key.bytes, aggregate->kept[aggregate->kept_count - 1]);
        }
    }
    return error;
}

/* From here on the log is whole. */
static int begin_at_base(struct run *run) {
    int error = gs_base_complete(&run->base, &run->heads);
    if (error == GS_ECORRUPT) {
        find(run, "the base: its heads are not those that the records before it make");
    }
    return error == GS_ECORRUPT ? 0 : error;
}

int gs_verify_run(const struct gs_verify *verify, struct gs_verify_report *ret_report) {
    struct run run = {.verify = verify, .report = ret_report};
    uint64_t last = 0;
    int error = verify->reader->methods->extent(verify->reader, &last, &ret_report->indexed);
    error = error == 0 ? verify->reader->methods->base(verify->reader, &run.base) : error;
    ret_report->base = run.base.position;
    for (uint64_t position = 1; error == 0 && position <= last; position++) {
        if (position == run.base.position + 1) {
            error = begin_at_base(&run);
        }
        error = error == 0 ? look_at(&run, position) : error;
        verify->progress(verify->context, position);
    }
    name_unproved(&run);
    if (error == 0) {
        error = check_aggregates(&run, ret_report->indexed == last);
    }
    ret_report->origins = run.heads.count;
    close_run(&run);
    return error != 0 ? error : ret_report->named.failed;
}
