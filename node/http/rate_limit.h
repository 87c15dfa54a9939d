/* Rate limits: token buckets in bounded memory.
 *
 * A bucket holds up to a burst of requests and fills at a rate; who finds it empty is told when it will not be. Buckets
 * live in a table of fixed size, several places to a key; a key that finds no place takes that of the fullest bucket,
 * which forgets least. Keys are hashed with a secret: nobody can choose names that share a place. Any thread may call;
 * what two threads do to one bucket is exact, for each row of places has a lock. */
#ifndef GS_NODE_HTTP_RATE_LIMIT_H
#define GS_NODE_HTTP_RATE_LIMIT_H

#include <globalstate/memory.h>

#include <stdbool.h>

enum { GS_RATE_MAX = 10 * 1000 * 1000, GS_RATE_BUCKETS = 32768 /* 768 KiB */ };

struct gs_rate_limit;

struct gs_rate_answer {
    bool allowed;
    uint32_t limit;     /* requests a second */
    uint32_t remaining; /* that would be allowed now */
    uint32_t reset_s;   /* until the bucket is full again, rounded up */
    uint32_t retry_s;   /* not allowed: until one is, rounded up; at least 1 */
};

/* `rate` requests a second, and as many at once; 1 to GS_RATE_MAX. NULL when out of memory. */
struct gs_rate_limit *gs_rate_limit_new(uint32_t rate, const uint8_t secret[16]);
void gs_rate_limit_free(struct gs_rate_limit *limit); /* NULL is allowed */

/* Takes one request from the bucket of `key`, at the monotonic time `now_ms`. */
struct gs_rate_answer gs_rate_limit_take(struct gs_rate_limit *limit, struct gs_slice key, int64_t now_ms);

#endif
