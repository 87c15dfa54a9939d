/* Versions: what an answer says must be what the log says after a restart, and what history and time travel go by. */
#include "tests/simulation/checks.h"

/* Counts the events of the batch on the aggregate that come after `seq`; `found` if `seq` is in it. */
static uint64_t count_after(const struct sim_record *record, uint32_t aggregate, uint64_t seq, bool own, bool *found) {
    struct gs_record parts;
    struct gs_batch_head head;
    struct gs_arena arena = {0};
    struct gs_event *events = NULL;
    uint64_t count = 0;
    if (gs_record_parse(gs_slice_make(record->bytes, record->length), &parts) == 0 &&
        gs_batch_parse_head(parts.batch.bytes, parts.batch.length, &head) == 0) {
        (void)gs_batch_decode(&head, &arena, &events);
    }
    for (uint32_t i = 0; events != NULL && i < head.count; i++) {
        for (uint32_t j = 0; (!own || events[i].seq > seq) && j < events[i].change_count; j++) {
            const struct gs_event_change *change = &events[i].changes[j];
            bool counts = !sim_is_internal(change->aggregate_type) && change->aggregate_id.bytes[0] == '0' + aggregate;
            count += counts ? 1 : 0;
        }
        *found = *found || (own && events[i].seq == seq);
    }
    gs_arena_close(&arena);
    return count;
}

void sim_check_version(struct sim_world *world, const struct sim_node *node, const gs_origin *origin, uint64_t seq,
                       uint32_t aggregate, uint64_t version) {
    uint64_t after = 0;
    bool found = false;
    for (uint32_t i = node->disk.count; i-- > 0 && !found;) {
        const struct sim_record *record = &node->disk.records[i];
        bool own = gs_origin_equal(&record->head.origin, origin) && record->first_seq <= seq && record->head.seq >= seq;
        after += count_after(record, aggregate, seq, own, &found);
    }
    if (!found || node->durable[aggregate] - after != version) {
        sim_fail(world, "version: node %u answered version %llu of t/%u for event %llu, its log says %llu", node->index,
                 (unsigned long long)version, aggregate, (unsigned long long)seq,
                 (unsigned long long)(node->durable[aggregate] - after));
    }
}
