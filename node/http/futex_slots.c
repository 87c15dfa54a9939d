#include "node/http/futex_slots.h"

#include <sys/prctl.h>

enum {
    MANY_THREADS = 128,
    SLOTS = 4096,        /* 64 bytes each */
    FUTEX_HASH = 78,     /* PR_FUTEX_HASH of linux/prctl.h, which Debian 12's headers do not have yet */
    FUTEX_HASH_SLOTS = 1 /* PR_FUTEX_HASH_SET_SLOTS */
};

void gs_futex_slots_widen(uint32_t threads) {
    if (threads >= MANY_THREADS) {
        (void)prctl(FUTEX_HASH, FUTEX_HASH_SLOTS, (unsigned long)SLOTS, 0UL, 0UL);
    }
}
