/* One replica core with a disk in memory, stepped by hand, and three authors of other regions whose batches and links
 * are forged at will. Tests only.
 *
 * Every step leaves what it asked for in `update` until the next one. A commit goes to `pending` and from there, with
 * core_store, to the disk. */
#ifndef GS_TESTS_CORE_FIXTURE_H
#define GS_TESTS_CORE_FIXTURE_H

#include "tests/unit/replica_fixture.h"

#include "gossip/message.h"
#include "node/core/core.h"
#include "tests/support/batches.h"

enum { CORE_AUTHORS = 3, CORE_RECORDS_MAX = 64, CORE_NOTES_MAX = 32, CORE_KEEPS_MAX = 8 };

#define CORE_NOW_MS UINT64_C(1767225700000) /* 100 s after the authors begin */

struct core_fixture {
    struct gs_core_config config;
    struct gs_trust trust;
    struct gs_core *core;
    struct gs_update update;
    uint64_t now_ms;
    uint64_t mono_ms;
    struct gs_buffer disk[CORE_RECORDS_MAX]; /* a record each */
    uint32_t disk_count;
    struct gs_commit pending;                  /* number 0: none */
    struct gs_core_note notes[CORE_NOTES_MAX]; /* kept beside the disk; an empty name: free */
    struct gs_keep *keeps[CORE_KEEPS_MAX];     /* what core_keep has kept beside the disk */
    uint32_t keep_count;
    struct gs_vector base;  /* starts begin with the heads of a log's base, … */
    uint64_t base_position; /* … if this is not 0 */
    gs_instance instance;   /* of the core, as it stated when it was last linked */
    struct test_author authors[CORE_AUTHORS];
    struct replica replicas[CORE_AUTHORS]; /* what each author has of the one aggregate t/a, as it thinks */
};

/* A core that is told to reach `peers`, with an empty disk, not started. */
void core_open(struct core_fixture *fixture, uint32_t peers);
/* Recovers what was kept, if anything was, and the disk after it, and starts: 0 or the first error. */
int core_start(struct core_fixture *fixture);
/* Forgets the core and what was on its way to the disk, and starts anew. */
void core_restart(struct core_fixture *fixture);
void core_close(struct core_fixture *fixture);

/* Asserts that the step succeeds. */
void core_step(struct core_fixture *fixture, struct gs_core_event event);
void core_tick(struct core_fixture *fixture, uint64_t after_ms);
/* The pending commit is stored, or has failed. */
void core_store(struct core_fixture *fixture, int error);
/* Stores until nothing is left to store. */
void core_settle(struct core_fixture *fixture);

/* What the last step asked to keep, which must be something, is kept: starts begin with it from now on. */
void core_keep(struct core_fixture *fixture);

/* A link to an author comes up under the author's number + 1, and the author answers that it has `count` heads. */
void core_link(struct core_fixture *fixture, uint32_t author, const struct gs_head *heads, uint32_t count);
/* The author tells its heads and asks for what it lacks, or not. */
void core_tell(struct core_fixture *fixture, uint32_t author, enum gs_vector_want want, const struct gs_head *heads,
               uint32_t count);
/* The author answers what it holds of our key: `count` heads of our origins; and whether another run of us is alive. */
void core_vouch(struct core_fixture *fixture, uint32_t author, const struct gs_holding *holdings, uint32_t count,
                bool rival_alive);
/* The author says this of an instance. */
void core_state(struct core_fixture *fixture, uint32_t author, const struct gs_statement *statement);
/* What we last stated to the author in this step, or false. */
bool core_stated(const struct core_fixture *fixture, uint32_t author, struct gs_statement *ret_statement);
/* Batches from an author's link. */
void core_deliver(struct core_fixture *fixture, uint32_t author, enum gs_batches_answer answer,
                  const struct gs_buffer *records, uint32_t count);
void core_push(struct core_fixture *fixture, uint32_t author, const struct gs_buffer *record);
/* True if the last step dropped the author's link; if it sent the author a vector that wants an answer. */
bool core_dropped(const struct core_fixture *fixture, uint32_t author);
bool core_asked(const struct core_fixture *fixture, uint32_t author);

/* One event of an author on t/ID: JSON ops resolved against its replica. Its deps and what follows are the caller's. */
struct gs_event author_event(struct core_fixture *fixture, uint32_t author, const char *id, const char *ops,
                             struct gs_event_change *change, struct gs_arena *arena);
/* The same as a sealed record with at most one dep. */
struct gs_buffer author_write(struct core_fixture *fixture, uint32_t author, const char *id, const char *ops,
                              const struct gs_head *dep);

/* A write of JSON ops on t/ID; `*answered` counts its answers. Further writes go on with core_command_add. */
struct gs_command *core_write_new(uint32_t writes, int *answered);
struct gs_write *core_write_set(struct gs_command *command, uint32_t index, const char *id, const char *ops);
void core_ask(struct core_fixture *fixture, struct gs_command *command);
/* A write that is accepted and stored. */
void core_write(struct core_fixture *fixture, const char *id, const char *ops);

/* A read of t/a, answered at once: its view is views[0]. The caller frees it. */
struct gs_command *core_read_a(struct core_fixture *fixture);

/* t/ID shows this JSON ("" if there is no such aggregate). */
void assert_shows(struct core_fixture *fixture, const char *id, const char *json);
struct gs_core_stats core_stats(const struct core_fixture *fixture);
uint64_t core_seq(const struct core_fixture *fixture, const gs_origin *origin);

#endif
