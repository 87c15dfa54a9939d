#include "node/store/log_row.h"

#include <string.h>

static void put_be64(uint8_t *to, uint64_t value) {
    for (int i = 7; i >= 0; i--) {
        to[i] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

void gs_log_row_checksum(const struct gs_log_row *row, uint8_t ret_checksum[GS_LOG_CHECKSUM_SIZE]) {
    uint8_t numbers[GS_ORIGIN_SIZE + 3 * 8];
    memcpy(numbers, row->origin.bytes, GS_ORIGIN_SIZE);
    put_be64(numbers + GS_ORIGIN_SIZE, row->position);
    put_be64(numbers + GS_ORIGIN_SIZE + 8, row->first_seq);
    put_be64(numbers + GS_ORIGIN_SIZE + 16, row->last_seq);
    gs_hash16("gs-log-row-v1", numbers, sizeof numbers, row->record.bytes, row->record.length, ret_checksum);
}

int gs_log_row_head(const struct gs_log_row *row, struct gs_head *ret_head) {
    struct gs_record record;
    struct gs_batch_head batch;
    if (gs_record_parse(row->record, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &batch) != 0 ||
        !gs_origin_equal(&batch.origin, &row->origin) || gs_batch_last_seq(&batch) != row->last_seq) {
        return GS_ECORRUPT;
    }
    *ret_head = (struct gs_head){.origin = row->origin, .seq = row->last_seq, .hash = batch.hash};
    return 0;
}
