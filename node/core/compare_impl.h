/* What compare.c, answer.c, verify.c and mend.c say to each other. Private to them. */
#ifndef GS_NODE_CORE_COMPARE_IMPL_H
#define GS_NODE_CORE_COMPARE_IMPL_H

#include "node/core/core_impl.h"
#include "node/core/verify.h"

/* A session of either side; NULL: GS_COMPARES_MAX, or no memory. */
struct gs_comparison *gs_comparison_new(struct gs_core *core, gs_peer peer, uint64_t session, bool fresh);
/* Tells the peer that the session is over, and whoever asked for it why (`reason`: a literal, or copied). */
int gs_comparison_fail(struct gs_core *core, struct gs_comparison *c, enum gs_compare_end end, const char *reason,
                       struct gs_update *update);
/* The leaf that a full encoding makes. GS_ENOMEM, or what the decoder says of it. */
int gs_rebuilt_hash(const struct gs_core *core, struct gs_slice name, struct gs_slice state, gs_hash *ret_hash);

/* answer.c: the side that answers */
int gs_answer_ask(struct gs_core *core, gs_peer peer, struct gs_compare *ask, struct gs_update *update);
int gs_answer_root(struct gs_core *core, struct gs_comparison *c, struct gs_update *update);
int gs_answer_question(struct gs_core *core, struct gs_comparison *c, const struct gs_compare *question,
                       struct gs_update *update);
int gs_answer_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update);
void gs_answer_close(struct gs_comparison *c);

/* compare.c: asks the shell for what a slot is for; it has a new number then. */
int gs_compares_ask_slot(struct gs_core *core, struct gs_comparison *comparison, struct gs_rebuild_slot *slot,
                         struct gs_update *update);
/* damage_wait.c: true if the rebuild failed for damage in our log and is going to be asked for again once that is
 * healed. */
bool gs_damage_wait(struct gs_core *core, struct gs_comparison *c, struct gs_rebuild_slot *slot, int error,
                    struct gs_update *update);

/* verify.c: the side that asks. Each may end the session. */
int gs_verify_at_cut(struct gs_core *core, struct gs_comparison *c, struct gs_update *update);
int gs_verify_answer(struct gs_core *core, struct gs_comparison *c, struct gs_compare *answer,
                     struct gs_update *update);
int gs_verify_rebuilt(struct gs_core *core, struct gs_comparison *c, const struct gs_rebuild_slot *slot,
                      const struct gs_core_event *event, struct gs_update *update);
int gs_verify_failed(struct gs_core *core, struct gs_comparison *c, const char *reason, struct gs_update *update);
/* The link is gone. */
void gs_verify_lost(struct gs_core *core, struct gs_comparison *c);

/* judge.c: what the log (`event`, REBUILT) says of an item: the difference is counted, described and, if that is
 * wanted, put down to be mended. */
int gs_verify_judge(struct gs_core *core, const struct gs_comparison *c, const struct gs_verify_item *item,
                    const struct gs_core_event *event);
void gs_verify_note_repaired(struct gs_verify *verify, const char *name);

#endif
