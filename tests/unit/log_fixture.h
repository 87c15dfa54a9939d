/* Three batches of two regions, the same every time: tests/data/log_vectors.json describes them.
 *
 *   0  eu-west, events 1..1    creates a player
 *   1  eu-west, events 2..4    every kind of change, foreign and own dots, detached data, idempotency, an
 * acknowledgement 2  us-east, event 8        an acknowledgement of batch 1 */
#ifndef GS_TESTS_LOG_FIXTURE_H
#define GS_TESTS_LOG_FIXTURE_H

#include "gossip/batch.h"

enum { FIXTURE_BATCHES = 3, FIXTURE_CHANGES_MAX = 5 };

#define FIXTURE_CLOCK (UINT64_C(1767225600000) << 16)

struct region {
    struct gs_key_pair keys;
    gs_cluster cluster;
    gs_incarnation incarnation;
    gs_origin origin;
};

/* Region number 0 is eu-west, 1 is us-east; others are other people. */
struct region fixture_region(uint8_t number);

/* One event and the memory behind it; fixture_event may be called again for the next one. */
struct fixture {
    struct region eu;
    struct region us;
    struct gs_event event;
    struct gs_event_change aggregates[2];
    struct gs_change changes[2][FIXTURE_CHANGES_MAX];
    gs_dot dots[4];
    struct gs_counter_mark mark;
    struct gs_cleared cleared[2];
};

void fixture_init(struct fixture *fixture);
/* Event `seq` (1..4) of eu-west. */
const struct gs_event *fixture_event(struct fixture *fixture, uint64_t seq);
/* Event `seq` of `region` without changes. */
struct gs_event fixture_ack(uint64_t seq);

/* Writes batch `number` as a record. */
void fixture_seal(int number, struct gs_buffer *ret_record, gs_hash *ret_hash);

struct gs_slice fixture_text(const char *text);

#endif
