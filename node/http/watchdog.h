/* A watchdog: ends what a client makes last too long.
 *
 * CivetWeb's time limits begin anew with every byte: a client that sends (or takes) one at a time holds its thread for
 * as long as it likes. And CivetWeb does not give away its sockets. So a thread that is about to read or write says
 * until when, and a thread of the watchdog's own, a few times a second, finds the sockets of those that are late (by
 * their addresses, among all of the process) and shuts them down: the call returns as if the client had left. The costs
 * are two uncontended locks a call, and a search only when somebody is late. */
#ifndef GS_NODE_HTTP_WATCHDOG_H
#define GS_NODE_HTTP_WATCHDOG_H

#include <civetweb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* One call that is being watched; on the stack of its thread. */
struct gs_watch {
    struct gs_watch *next;
    struct gs_watch *previous;
    const struct mg_request_info *info; /* whose connection */
    int64_t deadline_ms;                /* CLOCK_MONOTONIC */
};

struct gs_watchdog {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    void (*turn)(void *context);
    void *context;
    bool running;
    bool stop;
    struct gs_watch list; /* head of a ring */
};

/* `turn` (NULL: nothing) is called a few times a second on the watchdog's thread. 0 or GS_ENOMEM. */
int gs_watchdog_start(struct gs_watchdog *watchdog, void (*turn)(void *context), void *context);
/* Nothing may be watched any more. Does nothing if it was not started. */
void gs_watchdog_stop(struct gs_watchdog *watchdog);

/* The next turn comes at once. */
void gs_watchdog_wake(struct gs_watchdog *watchdog);

/* Between begin and end, on one thread, whatever is read from (written to) the connection ends within `timeout_ms`, or
 * a quarter of a second after. */
void gs_watch_begin(struct gs_watchdog *watchdog, struct gs_watch *watch, const struct mg_request_info *info,
                    uint32_t timeout_ms);
void gs_watch_end(struct gs_watchdog *watchdog, struct gs_watch *watch);

#endif
