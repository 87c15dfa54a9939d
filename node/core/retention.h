/* How long the past is to be remembered, by aggregate type: `combat=30d,*=365d`.
 *
 * A period says for how long events can be asked for at least; what is older may go once nothing else needs it
 * (truncation.h). It never touches the state that they made. */
#ifndef GS_NODE_CORE_RETENTION_H
#define GS_NODE_CORE_RETENTION_H

#include "gossip/batch.h"

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>
#include <stdint.h>

enum { GS_RETENTION_RULES_MAX = 64 };

#define GS_RETENTION_OTHERS "*" /* all types that no rule names */
#define GS_RETENTION_FOREVER UINT64_MAX

struct gs_retention_rule {
    char type[GS_ID_BYTES_MAX + 1];
    uint64_t ms; /* or GS_RETENTION_FOREVER */
};

/* Zero-initialised: everything is remembered for ever. */
struct gs_retention {
    struct gs_retention_rule rules[GS_RETENTION_RULES_MAX];
    uint32_t count;
};

/* Rules between commas: TYPE=PERIOD, or PERIOD alone for all others. PERIOD: `forever`, or a number with s, m, h or d,
 * at least one second. GS_EINVAL: the problem names the rule at fault. */
int gs_retention_parse(const char *text, struct gs_retention *ret_retention, struct gs_problem *problem);

/* The period of a type. */
uint64_t gs_retention_ms(const struct gs_retention *retention, struct gs_slice type);

/* Is anything to be forgotten at all? */
bool gs_retention_is_bounded(const struct gs_retention *retention);

#endif
