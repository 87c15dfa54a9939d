/* Which records of a log are on a branch that was decided against, or depend on one that is: a walk over the log, in
 * order. Pure; used by whoever carries a cut out (node/serve/cut_log.c, the simulator). */
#ifndef GS_NODE_CORE_CUT_H
#define GS_NODE_CORE_CUT_H

#include "gossip/batch.h"
#include "gossip/vector.h"
#include "node/core/fork.h"

/* What a core asks of its store, in gs_update: take the events of `origin` after `seq` out of the log, and all that
 * depends on them. */
struct gs_cut {
    gs_origin origin;
    uint64_t seq;
    char importer[GS_REGION_NAME_MAX + 1]; /* the region that imports them; "": nobody */
    bool found; /* it was on a disk that was thought lost (closing.h): nobody else has any of it, and all of it is ours
                 */
};

enum gs_cut_fate {
    GS_CUT_KEEPS,  /* it stays in the log */
    GS_CUT_OURS,   /* it is taken out, and this node writes it again */
    GS_CUT_OTHERS, /* it is taken out; somebody else writes it again, or nobody */
};

struct gs_cut_walk {
    struct gs_cut cut;
    gs_public_key key;                   /* of this node */
    char region[GS_REGION_NAME_MAX + 1]; /* of this node */
    struct gs_vector gone;               /* first event of each origin that is taken out, in `seq` */
    bool begun;                          /* a record was taken out: the log changes from here on */
};

void gs_cut_begin(struct gs_cut_walk *walk, const struct gs_cut *cut, const gs_public_key *key, const char *region);
/* The fate of the log's next record. 0, GS_ENOMEM, GS_ECORRUPT. */
int gs_cut_next(struct gs_cut_walk *walk, struct gs_slice record, enum gs_cut_fate *ret_fate);
void gs_cut_close(struct gs_cut_walk *walk);

/* A record that is taken out may hold decisions about forks, which must not be forgotten: the note that keeps them, if
 * so
 * (`note` is appended to), to be durable before the cut. 0, GS_ENOMEM, or what is wrong with the record. */
int gs_cut_decision(struct gs_slice record, char ret_name[81], struct gs_buffer *note, bool *ret_found);

/* The note that keeps records for import: its form is [1, [record, …]], and `number` makes names different. */
void gs_cut_note_name(const struct gs_cut *cut, bool ours, const gs_hash *first, uint32_t number, char ret_name[81]);
void gs_cut_note_begin(uint32_t count, struct gs_buffer *out);

#endif
