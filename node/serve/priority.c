#define _GNU_SOURCE /* SCHED_BATCH */
#include "node/serve/priority.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

enum { NICEST = 19 };

static int set_policy(int policy, int priority) {
    const struct sched_param parameters = {.sched_priority = priority};
    return sched_setscheduler(0, policy, &parameters);
}

/* On Linux niceness and policy are a thread's, and 0 names the thread that calls. */
int gs_priority_raise(bool realtime, struct gs_priority *ret_requests, struct gs_problem *problem) {
    int given = getpriority(PRIO_PROCESS, 0);
    *ret_requests = (struct gs_priority){.realtime = realtime, .niceness = given};
    if (realtime) {
        return set_policy(SCHED_RR, GS_PRIORITY_REALTIME) == 0
                   ? 0
                   : gs_problem_set(
                         problem, GS_EINVAL, NULL,
                         "GS_SCHEDULING=realtime is not allowed to this process (%s): it needs CAP_SYS_NICE, or "
                         "LimitRTPRIO=%d of its systemd unit",
                         strerror(errno), GS_PRIORITY_REALTIME);
    }
    if (setpriority(PRIO_PROCESS, 0, given - GS_PRIORITY_STEP) != 0) {
        ret_requests->niceness = given + GS_PRIORITY_STEP_DOWN < NICEST ? given + GS_PRIORITY_STEP_DOWN : NICEST;
    }
    return 0;
}

void gs_priority_serve(const struct gs_priority *requests) {
    if (requests->realtime) {
        (void)set_policy(SCHED_RR, GS_PRIORITY_REALTIME);
        return;
    }
    (void)setpriority(PRIO_PROCESS, 0, requests->niceness);
    (void)set_policy(SCHED_BATCH, 0);
}

void gs_priority_background(void) {
    (void)set_policy(SCHED_OTHER, 0);
    if (getpriority(PRIO_PROCESS, 0) < 0) {
        (void)setpriority(PRIO_PROCESS, 0, 0);
    }
}
