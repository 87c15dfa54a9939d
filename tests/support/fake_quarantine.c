/* Something for GET /quarantine and GET /forks to show: earlier lives of the gateway's own key have written a batch
 * that is stamped far in the future, and two batches that contradict each other; and another one is told of as a fork.
 */
#include "tests/support/fake_quarantine.h"

#include "gossip/message.h"
#include "tests/support/batches.h"

#include <string.h>

enum { LINK = 1 };

static struct test_author life(const struct gs_core_config *config, uint8_t number) {
    struct test_author author = {.keys = config->keys, .cluster = config->cluster, .next_seq = 1};
    const uint8_t random[6] = {number};
    author.incarnation = gs_incarnation_make(1000, random);
    author.origin = gs_origin_derive(&config->keys.public_key, &author.incarnation);
    author.clock = gs_hlc_from_ms(config->now_ms);
    return author;
}

static int push(void *context, fake_quarantine_step step, struct gs_buffer *record) {
    struct gs_buffer message = {0};
    gs_message_write_batches(GS_BATCHES_PUSH, 1, gs_slice_make(record->bytes, record->length), &message);
    int error =
        step(context,
             (struct gs_core_event){.type = GS_CORE_MESSAGE,
                                    .peer = {.peer = LINK, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&message);
    gs_buffer_close(record);
    return error;
}

/* A proof: two first batches of a life. */
static int tell_of_fork(const struct gs_core_config *config, void *context, fake_quarantine_step step) {
    struct gs_buffer records[2] = {{0}, {0}};
    struct gs_buffer message = {0};
    struct test_author forked = life(config, 3);
    struct test_author other = forked;
    test_author_batch(&forked, 1, 0, &records[0]);
    test_author_batch(&other, 1, 10, &records[1]);
    gs_message_write_fork(gs_slice_make(records[0].bytes, records[0].length),
                          gs_slice_make(records[1].bytes, records[1].length), &message);
    int error =
        step(context,
             (struct gs_core_event){.type = GS_CORE_MESSAGE,
                                    .peer = {.peer = LINK, .message = gs_slice_make(message.bytes, message.length)}});
    gs_buffer_close(&records[0]);
    gs_buffer_close(&records[1]);
    gs_buffer_close(&message);
    return error;
}

int fake_quarantine_fill(const struct gs_core_config *config, fake_quarantine_step step, void *context) {
    struct gs_buffer records[3] = {{0}, {0}, {0}};
    struct test_author early = life(config, 1);
    struct test_author forked = life(config, 2);
    struct test_author other = forked;
    early.clock = gs_hlc_from_ms(config->now_ms + UINT64_C(3600000));
    test_author_batch(&early, 1, 0, &records[0]);
    test_author_batch(&forked, 1, 0, &records[1]);
    test_author_batch(&other, 1, 10, &records[2]);
    int error = step(context, (struct gs_core_event){.type = GS_CORE_PEER_UP,
                                                     .peer = {.peer = LINK, .key = config->keys.public_key}});
    for (int i = 0; i < 3; i++) {
        error = error == 0 ? push(context, step, &records[i]) : error;
        gs_buffer_close(&records[i]);
    }
    error = error == 0 ? tell_of_fork(config, context, step) : error;
    return error != 0 ? error
                      : step(context, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = LINK}});
}
