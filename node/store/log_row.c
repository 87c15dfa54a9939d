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

/* The next item of a record's detached data; false at the end, or where it is malformed. */
static bool next_item(struct gs_reader *reader, uint32_t *left, uint64_t *ret_index, struct gs_slice *ret_bytes) {
    if (*left < 2) {
        return false;
    }
    *left -= 2;
    *ret_index = gs_read_uint(reader);
    *ret_bytes = gs_read_bin(reader, SIZE_MAX);
    return reader->error == 0;
}

bool gs_log_may_replace(struct gs_slice old, struct gs_slice replacement) {
    struct gs_record before;
    struct gs_record after;
    if (gs_record_parse(old, &before) != 0 || gs_record_parse(replacement, &after) != 0 ||
        gs_slice_compare(before.batch, after.batch) != 0) {
        return false;
    }
    struct gs_reader has;
    struct gs_reader wants;
    gs_reader_init(&has, before.detached.bytes, before.detached.length);
    gs_reader_init(&wants, after.detached.bytes, after.detached.length);
    uint32_t has_left = gs_read_array(&has, UINT32_MAX);
    uint32_t wants_left = gs_read_array(&wants, UINT32_MAX);
    uint64_t index = 0;
    uint64_t wanted = 0;
    struct gs_slice bytes = {0};
    struct gs_slice kept = {0};
    while (next_item(&wants, &wants_left, &wanted, &kept)) { /* both ascend */
        bool found = false;
        while (!found && next_item(&has, &has_left, &index, &bytes)) {
            found = index == wanted && gs_slice_compare(bytes, kept) == 0;
        }
        if (!found) {
            return false;
        }
    }
    return wants.error == 0 && wants_left == 0;
}

int gs_log_row_of(uint64_t position, struct gs_slice bytes, struct gs_log_row *ret_row) {
    struct gs_record record;
    struct gs_batch_head head;
    if (gs_record_parse(bytes, &record) != 0 ||
        gs_batch_parse_head(record.batch.bytes, record.batch.length, &head) != 0) {
        return GS_EFORMAT;
    }
    *ret_row = (struct gs_log_row){.position = position,
                                   .origin = head.origin,
                                   .first_seq = head.first_seq,
                                   .last_seq = gs_batch_last_seq(&head),
                                   .record = bytes};
    return 0;
}
