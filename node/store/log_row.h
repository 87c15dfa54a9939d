/* A row of delta_log, the same in every SQL engine, and the checksum that makes damage visible. */
#ifndef GS_NODE_STORE_LOG_ROW_H
#define GS_NODE_STORE_LOG_ROW_H

#include "gossip/batch.h"

enum { GS_LOG_CHECKSUM_SIZE = 16 };

/* The record is borrowed: in a row that was read, until the statement moves. */
struct gs_log_row {
    uint64_t position;
    gs_origin origin;
    uint64_t first_seq;
    uint64_t last_seq;
    struct gs_slice record;
};

/* Of all other columns, so that a row that was written to another row's place is noticed as well as a flipped bit. */
void gs_log_row_checksum(const struct gs_log_row *row, uint8_t ret_checksum[GS_LOG_CHECKSUM_SIZE]);

/* The head that a row, which must be the last of its origin, makes: 0, or GS_ECORRUPT when its record is not what the
 * row says. */
int gs_log_row_head(const struct gs_log_row *row, struct gs_head *ret_head);

/* Whether a record may take the place of another one: the same batch, byte for byte, and no data beside it that the
 * other does not have. */
bool gs_log_may_replace(struct gs_slice old, struct gs_slice replacement);
/* The row that a record makes at a position; it borrows the record. GS_EFORMAT. */
int gs_log_row_of(uint64_t position, struct gs_slice record, struct gs_log_row *ret_row);

#endif
