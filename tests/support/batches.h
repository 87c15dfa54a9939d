/* Authors of valid signed batches, for tests that need a log.
 *
 *     struct test_author author;
 *     test_author_init(&author, 1);
 *     test_author_batch(&author, 3, 100, &records);
 *
 * The same number gives the same author and, in the same order, the same bytes. A mistake here ends the process with a
 * message (also in forked children, where cmocka's assertions do not work). */
#ifndef GS_TESTS_SUPPORT_BATCHES_H
#define GS_TESTS_SUPPORT_BATCHES_H

#include "gossip/batch.h"

struct test_author {
    struct gs_key_pair keys;
    gs_cluster cluster; /* "test" */
    gs_incarnation incarnation;
    gs_origin origin;
    uint64_t next_seq;
    gs_hlc clock; /* of the last event */
    gs_hash last_hash;
};

/* The beginning of author `number`'s life. A copy of an author is a fork of it. */
void test_author_init(struct test_author *author, uint32_t number);

/* Appends the record of a batch of `count` acknowledgements to `ret_records`, each with about `data_bytes` of detached
 * data (0: none). */
void test_author_batch(struct test_author *author, uint32_t count, size_t data_bytes, struct gs_buffer *ret_records);

/* The same with events and deps of the caller's: seqs go on from author->next_seq, clocks from author->clock. */
void test_author_seal(struct test_author *author, const struct gs_event *events, uint32_t count,
                      const struct gs_head *deps, uint32_t dep_count, struct gs_buffer *ret_records);

/* The author's last batch as a dep. */
struct gs_head test_author_head(const struct test_author *author);

/* Ends the process with a message unless `condition` holds. */
#define TEST_REQUIRE(condition) test_require((condition), #condition, __FILE__, __LINE__)
void test_require(bool condition, const char *text, const char *file, int line);

#endif
