/* Hashes of what is kept beside the log, the same in every SQL engine. A row's hash covers all of its columns, so that
 * one that was damaged, or put into another's place, is noticed and never served. */
#ifndef GS_NODE_STORE_KEPT_HASH_H
#define GS_NODE_STORE_KEPT_HASH_H

#include "node/store/history.h"
#include "node/store/log_row.h"

/* Type and id of at most GS_ID_BYTES_MAX bytes each. */
void gs_kept_state_hash(struct gs_slice type, struct gs_slice id, const struct gs_kept_state *state,
                        uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]);

/* At most three numbers, and bytes. */
void gs_kept_row_hash(const char *personal, const uint64_t *numbers, size_t count, struct gs_slice bytes,
                      uint8_t ret_hash[GS_LOG_CHECKSUM_SIZE]);

#endif
