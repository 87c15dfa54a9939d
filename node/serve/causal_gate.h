/* The causal gate: what this node has, as a token that clients carry from region to region (session guarantees of
 * Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", 1994, with version vectors as tokens).
 *
 * A token stands for all events up to a number, of every origin: what the node that gave it out had stored. A node lets
 * a request with a token in when it has stored as much, or says by how much it is behind. Two points are kept, because
 * views and tokens cannot change in one instant: what is *announced* goes into tokens before the views that show it
 * are published; what is *open* is compared with tokens only after they are. So a token never says less than an answer
 * shows, and who is let in never sees less than the token says.
 *
 * Any thread may call. Waits are bounded in number and time by the caller's arguments. */
#ifndef GS_NODE_SERVE_CAUSAL_GATE_H
#define GS_NODE_SERVE_CAUSAL_GATE_H

#include <globalstate/dot.h>
#include <globalstate/error.h>
#include <globalstate/memory.h>

enum {
    GS_CAUSAL_ORIGINS_MAX = 256,  /* in one token */
    GS_CAUSAL_TOKEN_MAX = 8192,   /* characters of a token */
    GS_CAUSAL_NAME_SIZE = 72,     /* of an origin: region or region~XXXX */
    GS_CAUSAL_LAG_REGIONS_MAX = 4 /* that are named in one answer */
};

struct gs_causal_gate;

/* How far this node's knowledge of one origin goes. */
struct gs_causal_head {
    gs_origin origin;
    uint64_t seq;
    char region[GS_CAUSAL_NAME_SIZE];
};

/* A token, taken apart. */
struct gs_causal_token {
    uint32_t count;
    struct {
        gs_origin origin;
        uint64_t seq;
    } heads[GS_CAUSAL_ORIGINS_MAX];
};

/* What is missing of a token. */
struct gs_causal_lag {
    uint64_t events; /* of all origins */
    uint32_t count;  /* of the regions below; there may be more */
    struct {
        char region[GS_CAUSAL_NAME_SIZE];
        uint64_t events;
    } regions[GS_CAUSAL_LAG_REGIONS_MAX];
};

/* NULL when out of memory. */
struct gs_causal_gate *gs_causal_gate_new(void);
/* Nobody may be inside any more. NULL is allowed. */
void gs_causal_gate_free(struct gs_causal_gate *gate);

/* The node has stored this (sorted by origin, copied); only the first GS_CAUSAL_ORIGINS_MAX go into tokens. Tokens say
 * so from now on. Out of memory, everything stays as it was. GS_ENOMEM. */
int gs_causal_gate_announce(struct gs_causal_gate *gate, const struct gs_causal_head *heads, uint32_t count);
/* The views show what was announced: who waits for it is let in. */
void gs_causal_gate_open(struct gs_causal_gate *gate);
/* Nobody waits any longer: those who do get GS_ESHUTDOWN. */
void gs_causal_gate_shut(struct gs_causal_gate *gate);

/* Appends the token of now. */
void gs_causal_gate_write_token(struct gs_causal_gate *gate, struct gs_buffer *out);
/* GS_EFORMAT: not a token that a gate has written. */
int gs_causal_token_parse(struct gs_slice text, struct gs_causal_token *ret_token);

/* Waits until the gate has all that the token stands for: 0. GS_EBUSY after `wait_ms`, with what is missing;
 * GS_EOVERLOADED if `waits_max` others wait already; GS_ESHUTDOWN. */
int gs_causal_gate_await(struct gs_causal_gate *gate, const struct gs_causal_token *token, uint32_t wait_ms,
                         uint32_t waits_max, struct gs_causal_lag *ret_lag);

#endif
