/* Who goes first when there are more runnable threads than processors.
 *
 * One thread steps the core and one writes to the store, beside hundreds or thousands that each serve a connection. If
 * all had the same claim to a processor, the two that everybody waits for would get a hundredth of it just when most
 * wait for them. */
#ifndef GS_NODE_SERVE_PRIORITY_H
#define GS_NODE_SERVE_PRIORITY_H

/* Raises the calling thread, and with it those that it makes from now on: by GS_PRIORITY_STEP if this process may
 * (root, CAP_SYS_NICE, LimitNICE= of a systemd unit), else not at all. Returns the niceness that threads of requests
 * are to give themselves: what this process was started with, or, where it may not raise anything, a little more. */
int gs_priority_raise(void);

/* For a thread that serves requests, or stands for those that do: its niceness, and that it takes no processor away
 * from another of its kind when it wakes. Each needs only some tens of microseconds; stopped in between, perhaps with a
 * lock that all want, it would be stopped for as long as thousands of others take. What may not be set stays as it is.
 */
void gs_priority_serve(int niceness);

enum { GS_PRIORITY_STEP = 10, GS_PRIORITY_STEP_DOWN = 4 };

#endif
