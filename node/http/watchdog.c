#include "node/http/watchdog.h"

#include "node/http/sockets.h"

#include <globalstate/error.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    TURN_MS = 250,
    LATE_MAX = 64 /* ended in one turn; the others in the next ones */
};

struct late {
    struct sockaddr_in peer;
    uint16_t local_port;
};

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t collect(const struct gs_watchdog *watchdog, struct late late[LATE_MAX]) {
    int64_t now_ms = mono_ms();
    uint32_t count = 0;
    for (const struct gs_watch *watch = watchdog->list.next; watch != &watchdog->list && count < LATE_MAX;
         watch = watch->next) {
        if (watch->deadline_ms > now_ms) {
            continue;
        }
        struct late *one = &late[count];
        *one = (struct late){.local_port = (uint16_t)watch->info->server_port};
        one->peer.sin_family = AF_INET;
        one->peer.sin_port = htons((uint16_t)watch->info->remote_port);
        count += inet_pton(AF_INET, watch->info->remote_addr, &one->peer.sin_addr) == 1 ? 1 : 0;
    }
    return count;
}

struct lateness {
    struct late late[LATE_MAX];
    uint32_t count;
};

static void end_if_late(void *context, int descriptor, const struct sockaddr_in *peer) {
    const struct lateness *lateness = context;
    for (uint32_t i = 0; i < lateness->count; i++) {
        const struct late *late = &lateness->late[i];
        if (peer->sin_port == late->peer.sin_port && peer->sin_addr.s_addr == late->peer.sin_addr.s_addr) {
            shutdown(descriptor, SHUT_RD);
        }
    }
}

/* With the lock held: a thread that is watched cannot let go of its connection meanwhile, so the addresses name it and
 * no other. */
static void end_late(const struct gs_watchdog *watchdog) {
    struct lateness lateness;
    lateness.count = collect(watchdog, lateness.late);
    if (lateness.count > 0) {
        gs_sockets_visit(lateness.late[0].local_port, end_if_late, &lateness);
    }
}

static void *run(void *argument) {
    struct gs_watchdog *watchdog = argument;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stop) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TURN_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
        end_late(watchdog);
        if (watchdog->turn != NULL) {
            watchdog->turn(watchdog->context);
        }
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

int gs_watchdog_start(struct gs_watchdog *watchdog, void (*turn)(void *context), void *context) {
    pthread_condattr_t attributes;
    *watchdog = (struct gs_watchdog){.turn = turn, .context = context};
    watchdog->list.next = watchdog->list.previous = &watchdog->list;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    watchdog->running = pthread_create(&watchdog->thread, NULL, run, watchdog) == 0;
    if (!watchdog->running) {
        pthread_cond_destroy(&watchdog->wake);
        pthread_mutex_destroy(&watchdog->lock);
        return GS_ENOMEM;
    }
    return 0;
}

void gs_watchdog_stop(struct gs_watchdog *watchdog) {
    if (!watchdog->running) {
        return;
    }
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stop = true;
    pthread_cond_signal(&watchdog->wake);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->wake);
    pthread_mutex_destroy(&watchdog->lock);
    watchdog->running = false;
}

void gs_watchdog_wake(struct gs_watchdog *watchdog) {
    pthread_cond_signal(&watchdog->wake);
}

void gs_watch_begin(struct gs_watchdog *watchdog, struct gs_watch *watch, const struct mg_request_info *info,
                    uint32_t timeout_ms) {
    *watch = (struct gs_watch){.info = info, .deadline_ms = mono_ms() + timeout_ms};
    pthread_mutex_lock(&watchdog->lock);
    watch->next = watchdog->list.next;
    watch->previous = &watchdog->list;
    watch->next->previous = watch;
    watchdog->list.next = watch;
    pthread_mutex_unlock(&watchdog->lock);
}

void gs_watch_end(struct gs_watchdog *watchdog, struct gs_watch *watch) {
    pthread_mutex_lock(&watchdog->lock);
    watch->next->previous = watch->previous;
    watch->previous->next = watch->next;
    pthread_mutex_unlock(&watchdog->lock);
}
