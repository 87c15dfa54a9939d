/* Waking a thread must not cost more the more threads sleep.
 *
 * Linux (6.16 and later) keeps a process's sleeping threads in a hash table of its own, sized for the processors: 16
 * slots on two. The thousands of threads that wait for a connection sleep on one condition, in one slot, and whoever
 * wakes anything else in that slot walks past all of them: 45 microseconds instead of 10, measured with 8,500. */
#ifndef GS_NODE_HTTP_FUTEX_SLOTS_H
#define GS_NODE_HTTP_FUTEX_SLOTS_H

#include <stdint.h>

/* Asks the kernel for more slots if `threads` are many. A kernel that knows no such thing needs none: its table is as
 * large and everybody's. */
void gs_futex_slots_widen(uint32_t threads);

#endif
