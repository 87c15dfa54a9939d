/* Heals a damaged log: looks for records that are not what was appended, fetches them again from peers that have them,
 * verifies them and puts them in their place (node/store/damage.h says what is believed).
 *
 *     begin → walk of the log, a slice at a time on the store's thread → a question at a time to a link, gap by gap
 *           → all records in one transaction → finished
 *
 * It works beside a core, or before there is one, when the log is too damaged for that. It does not care which: it
 * hears of messages first, and knows its answers by their session. One loop, one thread. */
#ifndef GS_NODE_SERVE_HEALER_H
#define GS_NODE_SERVE_HEALER_H

#include "gossip/trust.h"
#include "node/store/store_thread.h"

struct gs_healer;

struct gs_healer_config {
    gs_cluster cluster;
    /* The links that are up, at most `max`; how many. */
    uint32_t (*links)(void *context, uint64_t *ret_links, uint32_t max);
    void (*send)(void *context, uint64_t link, struct gs_slice message);
    /* A link has sent what no origin has signed. */
    void (*liar)(void *context, uint64_t link);
    /* One line for people: a record was damaged, and is what it was again. */
    void (*healed)(void *context, uint64_t position, const char *text);
    /* The end: how many records were healed, and how many still are damaged (`reason` says why). */
    void (*finished)(void *context, uint32_t healed, uint32_t left, const char *reason);
    void *context;
};

/* NULL when out of memory. */
struct gs_healer *gs_healer_new(const struct gs_healer_config *config);
/* Nothing of it may be on a store's thread. NULL is allowed. */
void gs_healer_free(struct gs_healer *healer);

/* Begins, unless it is at it, or has failed a moment ago. `trust` is copied. `patient`: it goes on until all is healed,
 * else it gives up when nobody has helped for a while. */
void gs_healer_begin(struct gs_healer *healer, struct gs_store_thread *store, const struct gs_trust *trust,
                     bool patient, uint64_t mono_ms);
bool gs_healer_busy(const struct gs_healer *healer);
/* A message came on a link: if it is an answer to the healer, it is taken. */
void gs_healer_message(struct gs_healer *healer, uint64_t link, struct gs_slice message, uint64_t mono_ms);
/* Time has passed; call it a few times a second. */
void gs_healer_tick(struct gs_healer *healer, uint64_t mono_ms);
/* The store's thread is gone, with what it was given; the healer forgets everything. */
void gs_healer_reset(struct gs_healer *healer);

#endif
