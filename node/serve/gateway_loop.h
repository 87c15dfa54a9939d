/* The loop's side of the gateway (gateway.h is the request threads' side). */
#ifndef GS_NODE_SERVE_GATEWAY_LOOP_H
#define GS_NODE_SERVE_GATEWAY_LOOP_H

#include "node/serve/gateway.h"
#include "node/serve/priority.h"
#include "node/serve/view_cache.h"

/* `wake` is called from request threads when commands wait: it must only nudge the loop. NULL when out of memory. */
struct gs_gateway *gs_gateway_new(size_t cache_bytes_max, const uint8_t secret[16], void (*wake)(void *context),
                                  void *context);
/* No thread may be inside a call any more. */
void gs_gateway_free(struct gs_gateway *gateway);

/* How long the oldest call may have waited, beside what the store needs, before new ones are refused (admission.h);
 * before the first call. */
void gs_gateway_set_target(struct gs_gateway *gateway, uint32_t target_ms);

/* From now on what request threads wait for a processor counts, too (pulse.h); once. `priority`: theirs. GS_ENOMEM. */
int gs_gateway_start_pulse(struct gs_gateway *gateway, const struct gs_priority *priority);

/* A commit of `bytes` took the store `took_ms` (admission.h). */
void gs_gateway_committed(struct gs_gateway *gateway, size_t bytes, uint64_t took_ms);

/* The next waiting command, or NULL. */
struct gs_command *gs_gateway_take(struct gs_gateway *gateway);
/* Hands an answered command back to its thread. */
void gs_gateway_answer(struct gs_gateway *gateway, struct gs_command *command);
/* From now on calls fail at once with GS_ESHUTDOWN; what waits in the queue is answered so. */
void gs_gateway_shut(struct gs_gateway *gateway);

struct gs_view_cache *gs_gateway_cache(struct gs_gateway *gateway);
void gs_gateway_set_status(struct gs_gateway *gateway, const struct gs_node_status *status);

#endif
