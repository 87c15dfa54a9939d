/* Forks: two validly signed batches of one origin that cannot both be its history. The pair is a proof that anybody can
 * check who has the origin's key; nobody can make one but its holder. */
#ifndef GS_GOSSIP_FORK_H
#define GS_GOSSIP_FORK_H

#include "gossip/batch.h"

/* 0 if the batches, parsed, are of one origin, are signed by `key`, and contradict each other: they overlap and are not
 * the same, or one follows the other's last event and names another hash as the one before it. GS_EINVAL: they do not;
 * GS_ESIGNATURE. */
int gs_fork_check(const struct gs_batch_head *a, const struct gs_batch_head *b, const gs_public_key *key);

#endif
