/* What all writes have in common: headers that guard them, and what becomes of the core's answer. */
#ifndef GS_NODE_HTTP_WRITING_H
#define GS_NODE_HTTP_WRITING_H

#include "node/http/response.h"

enum { GS_IDEMPOTENCY_KEY_MAX = 255 };

/* From the Idempotency-Key header, if there is one: the key, bound to the subject, for the item number `item` of the
 * request, whose canonical value is `value`. GS_EINVAL: not 1 to 255 visible ASCII characters. */
int gs_http_idempotency(const struct gs_http_request *request, uint32_t item, struct gs_slice value,
                        struct gs_idempotency *ret_idempotency, struct gs_http_fault *fault);

/* From If-Match ("*" or one entity tag) and If-None-Match ("*"). GS_EINVAL. */
int gs_http_precondition(const struct gs_http_request *request, struct gs_precondition *ret_precondition,
                         struct gs_http_fault *fault);

/* Does an If-None-Match header of a GET name this entity tag (or "*")? Weak comparison (RFC 9110 section 13.1.2). */
bool gs_http_none_match(const struct gs_http_request *request, const char *etag);

/* The member "eventType": a name that does not begin with "gs.", which is the log's own. GS_EINVAL. */
int gs_http_event_type(struct gs_slice value, const char *prefix, struct gs_slice *ret_type,
                       struct gs_problem *problem);

/* The detached map of an event: data and metadata, each a canonical map (GS_EINVAL if not) or missing. `ret_detached`
 * (in `arena`) is empty if both are. GS_EDEPTH, GS_ETOOBIG (with `prefix` in the field), GS_ENOMEM. */
int gs_http_detached(struct gs_slice data, struct gs_slice metadata, const char *prefix, struct gs_arena *arena,
                     struct gs_slice *ret_detached, struct gs_problem *problem);

/* 0 if the command was carried out as a whole; else its error as a fault. */
int gs_http_command_fault(const struct gs_command *command, struct gs_http_fault *fault);
/* Hands a command to the core, answers 200 with the JSON that comes back, and frees it. NULL: GS_ENOMEM. */
int gs_http_hand_on(struct gs_http_request *request, struct gs_command *command, struct gs_http_response *response,
                    struct gs_http_fault *fault);
/* 0 if the write was accepted; else its error as a fault. */
int gs_http_result_fault(const struct gs_write_result *result, struct gs_http_fault *fault);

#endif
