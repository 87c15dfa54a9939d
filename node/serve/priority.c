#define _GNU_SOURCE /* SCHED_BATCH */
#include "node/serve/priority.h"

#include <sched.h>
#include <sys/resource.h>

enum { NICEST = 19 };

/* On Linux niceness is a thread's, and 0 names the thread that calls. */
int gs_priority_raise(void) {
    int given = getpriority(PRIO_PROCESS, 0);
    if (setpriority(PRIO_PROCESS, 0, given - GS_PRIORITY_STEP) == 0) {
        return given;
    }
    return given + GS_PRIORITY_STEP_DOWN < NICEST ? given + GS_PRIORITY_STEP_DOWN : NICEST;
}

void gs_priority_serve(int niceness) {
    const struct sched_param none = {0};
    (void)setpriority(PRIO_PROCESS, 0, niceness);
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
}
