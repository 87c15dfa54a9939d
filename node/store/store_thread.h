/* A store on its own thread: the loop hands over work and gets completions back on the loop.
 *
 * Appends are carried out in order. Reads of the log run on the same thread between appends, so that a long catch-up
 * delays a commit by one chunk at most; so does the index over the log (gs_store_methods.project), which is written
 * when there is nothing else to do, when it has fallen behind, or when somebody waits for it. An append that finds
 * the store away or full (GS_ESTORE) is tried again until it succeeds: its completion comes late, but exactly once.
 * Meanwhile the loop is told, and once more when the breaker opens (breaker.h): then nobody is to wait for it. */
#ifndef GS_NODE_STORE_STORE_THREAD_H
#define GS_NODE_STORE_STORE_THREAD_H

#include "node/store/breaker.h"
#include "node/store/store.h"

#include <uv.h>

struct gs_store_thread;

enum {
    GS_STORE_JOBS_MAX = 256,      /* handed over and not yet completed */
    GS_STORE_RETRY_FIRST_MS = 50, /* then doubled, and a breaker's pause if that is open … */
    GS_STORE_RETRY_LAST_MS = 2000 /* … up to this */
};

/* Called on the loop's thread, in the order in which the work was handed over. `records` are borrowed for the call. */
struct gs_store_callbacks {
    void *context;
    void (*appended)(void *context, uint64_t tag, int error);
    void (*kept)(void *context, int error);
    /* `reason` says why it failed, one line. */
    void (*truncated)(void *context, int error, const struct gs_truncated *result, const char *reason);
    void (*log_read)(void *context, uint64_t tag, int error, struct gs_slice records, uint32_t count, bool more);
    /* May be NULL, if nothing is ever rewritten. */
    void (*rewritten)(void *context, uint64_t tag, int error);
    /* An append found the store away, the breaker opened, or an append succeeded after that. `open`: new writes are
     * better refused than kept waiting. `reason` is one line. May be NULL. */
    void (*away)(void *context, bool away, bool open, const char *reason);
    uint32_t breaker_threshold; /* failures in a row; 0: GS_BREAKER_THRESHOLD */
};

/* Takes `store` on success. GS_ENOMEM, GS_EIO (no thread or no handle to be had). */
int gs_store_thread_start(uv_loop_t *loop, struct gs_store *store, const struct gs_store_callbacks *callbacks,
                          struct gs_store_thread **ret_thread);

/* Takes the contents of `records` (the buffer becomes empty) on success. `tag` comes back with the completion.
 * GS_EOVERLOADED (GS_STORE_JOBS_MAX), GS_ESHUTDOWN (after stop), GS_ENOMEM. */
int gs_store_thread_append(struct gs_store_thread *thread, uint64_t tag, struct gs_buffer *records, uint32_t count);
/* Takes the contents of `have` on success. Errors as above. */
int gs_store_thread_read(struct gs_store_thread *thread, uint64_t tag, struct gs_vector *have, size_t bytes_max);

/* Takes `keep`; what becomes of it is told by `kept`; if it cannot be handed over, it is freed and nothing is told. */
void gs_store_thread_keep(struct gs_store_thread *thread, struct gs_keep *keep);

/* gs_store_rewrite_all on the store's thread: takes the contents of `rewrites`. Errors as append's. */
int gs_store_thread_rewrite(struct gs_store_thread *thread, uint64_t tag, struct gs_buffer *rewrites, bool scrub);
/* Takes `truncation`; what becomes of it is told by `truncated`; if it cannot be handed over, it is freed and nothing
 * is told. */
void gs_store_thread_truncate(struct gs_store_thread *thread, struct gs_truncation *truncation);
/* Runs `call` on the store's thread, in turn with appends and reads, then `called` on the loop with its result.
 * `context` is the thread's until then, or until the thread is stopped and its `closed` was called: then `called` never
 * comes. Errors as gs_store_thread_read. */
int gs_store_thread_call(struct gs_store_thread *thread, int (*call)(struct gs_store *store, void *context),
                         void (*called)(void *context, int error), void *context);

/* True once after a read or the index has met a damaged record. Not after stop. */
bool gs_store_thread_met_damage(struct gs_store_thread *thread);

/* Somebody waits for the index over the log to catch up. Any thread may call it, as long as the store's is not stopped.
 */
void gs_store_thread_hurry(struct gs_store_thread *thread);

/* Records that are stored and not yet projected. Not after stop. */
uint64_t gs_store_thread_behind(const struct gs_store_thread *thread);

/* A copy of the breaker of appends. Not after stop. */
void gs_store_thread_breaker(struct gs_store_thread *thread, struct gs_breaker *ret_breaker);

/* Finishes queued appends (unless the store is away; queued reads are dropped), closes the store, joins the thread;
 * then `closed` is called on the loop. No completion comes after this call, which may be made from within one. A second
 * call does nothing. */
void gs_store_thread_stop(struct gs_store_thread *thread, void (*closed)(void *context), void *context);

#endif
