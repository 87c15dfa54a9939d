/* Who goes first when there are more runnable threads than processors.
 *
 * One thread steps the core and one writes to the store, beside hundreds or thousands that each serve a connection. If
 * all had the same claim to a processor, the two that everybody waits for would get a hundredth of it just when most
 * wait for them.
 *
 * Among those that serve connections Linux shares processors fairly, which is the wrong thing once they are short of
 * one: its fair scheduler (EEVDF) remembers of each thread what it had of late, and lets one that had a few
 * microseconds more wait until thousands of others have had as much. With 10,000 threads that is seconds, while most
 * requests are answered in a millisecond. Real time scheduling in turns (SCHED_RR) serves who came first. A machine
 * that is this program's own should be set to it (GS_SCHEDULING=realtime); it is not the default, because every other
 * program beside it then gets what is left, or the twentieth that Linux keeps back (kernel.sched_rt_runtime_us). */
#ifndef GS_NODE_SERVE_PRIORITY_H
#define GS_NODE_SERVE_PRIORITY_H

#include <globalstate/error.h>

#include <stdbool.h>

/* What threads that serve requests are to give themselves. */
struct gs_priority {
    bool realtime; /* in turns, after the core's and the store's; else as nice as follows */
    int niceness;
};

/* Raises the calling thread, and with it those that it makes from now on. `realtime`: to real time; else by
 * GS_PRIORITY_STEP if this process may (root, CAP_SYS_NICE, LimitNICE= of a systemd unit), and not at all where it may
 * not. *ret_requests: for threads of requests; where nothing may be raised they are a little nicer instead. 0, or
 * GS_EINVAL: real time is not allowed here; nothing has changed. */
int gs_priority_raise(bool realtime, struct gs_priority *ret_requests, struct gs_problem *problem);

/* For a thread that serves requests, or stands for those that do. Where it is not real time it takes no processor away
 * from another of its kind when it wakes: each needs only some tens of microseconds; stopped in between, perhaps with a
 * lock that all want, it would be stopped for as long as thousands of others take. What may not be set stays as it is.
 */
void gs_priority_serve(const struct gs_priority *requests);

/* For long work that nobody waits for: what a raised thread has handed down to the calling one is given back. */
void gs_priority_background(void);

enum {
    GS_PRIORITY_STEP = 10,
    GS_PRIORITY_STEP_DOWN = 4,
    GS_PRIORITY_REALTIME = 1 /* of 1..99: every other program that asks for real time goes before us */
};

#endif
