#include "node/store/chain.h"

#include <stdlib.h>

/* No record is smaller than the fixed parts of its batch. */
enum { RECORD_BYTES_MIN = GS_BATCH_HEAD_SIZE + GS_SIGNATURE_SIZE };

static int reserve_links(struct gs_chain *chain, uint32_t count) {
    if (count <= chain->link_capacity) {
        return 0;
    }
    struct gs_chain_link *links = realloc(chain->links, count * sizeof *links);
    if (links == NULL) {
        return GS_ENOMEM;
    }
    chain->links = links;
    chain->link_capacity = count;
    return 0;
}

/* Reads the next record and moves its origin's head in `next`. */
static int check_record(struct gs_chain *chain, struct gs_reader *reader, struct gs_chain_link *ret_link) {
    const uint8_t *start = reader->at;
    struct gs_record record;
    struct gs_batch_head batch;
    int error = gs_record_read(reader, &record);
    if (error == 0) {
        error = gs_batch_parse_head(record.batch.bytes, record.batch.length, &batch);
    }
    if (error != 0) {
        return error;
    }
    static const gs_hash none;
    const struct gs_head *last = gs_vector_find(&chain->next, &batch.origin);
    error = gs_batch_check_chain(&batch, last != NULL ? last->seq : 0, last != NULL ? &last->hash : &none);
    if (error != 0) {
        return GS_ECHAIN;
    }
    struct gs_head head = {.origin = batch.origin, .seq = gs_batch_last_seq(&batch), .hash = batch.hash};
    *ret_link = (struct gs_chain_link){
        .record = gs_slice_make(start, (size_t)(reader->at - start)),
        .origin = batch.origin,
        .first_seq = batch.first_seq,
        .last_seq = head.seq,
    };
    return gs_vector_set(&chain->next, &head);
}

int gs_chain_check(struct gs_chain *chain, struct gs_slice records, uint32_t count) {
    chain->link_count = 0;
    if (count == 0 || records.length / RECORD_BYTES_MIN < count) {
        return GS_EINVAL;
    }
    int error = reserve_links(chain, count);
    if (error == 0) {
        error = gs_vector_copy(&chain->next, &chain->heads);
    }
    struct gs_reader reader;
    gs_reader_init(&reader, records.bytes, records.length);
    reader.nodes_left = UINT32_MAX; /* each record is bounded by itself */
    for (uint32_t i = 0; i < count && error == 0; i++) {
        error = check_record(chain, &reader, &chain->links[i]);
    }
    if (error == 0 && gs_reader_finish(&reader) != 0) {
        error = GS_EINVAL;
    }
    chain->link_count = error == 0 ? count : 0;
    return error;
}

void gs_chain_accept(struct gs_chain *chain) {
    struct gs_vector heads = chain->heads;
    chain->heads = chain->next;
    chain->next = heads;
    chain->link_count = 0;
}

void gs_chain_close(struct gs_chain *chain) {
    gs_vector_close(&chain->heads);
    gs_vector_close(&chain->next);
    free(chain->links);
    *chain = (struct gs_chain){0};
}
