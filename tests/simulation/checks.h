/* What must hold, whatever happens. Each check reports through sim_fail.
 *
 *   identity    (origin, seq) names one batch in the whole history, lost disks and dead messages included
 *   durable     what a node sends about the log, answers or publishes is on its disk (promise 1 of core.h)
 *   chain       each origin's batches on a disk are gap-free and chained, and each lies behind its deps (G3)
 *   shown       a restarted node is never behind what an answer or a published view has shown
 *   fresh       a published view is never behind what an answer has shown: own writes are visible at once
 *   agreement   equal vectors, equal bytes (G2)
 *   kept        no acknowledged event is lost, and none is there twice (G1, G9)
 *   exact       counters are the sum of the increments in the log
 *   bound       no bounded counter is ever below its bound, nobody spends rights that it does not hold (G6)
 *   clock       an event is later than all that it supersedes, and than its origin's events before it
 *   retry       a request is recognised wherever its event has arrived (G9)
 *   bounded     nothing is left in the causal queue when there is nothing to wait for
 *   stable      what a node holds for stable is applied by every node that has lost no disk
 *   closed      a life that has ended is closed everywhere, at one end, which all of it that anybody has lies before
 *   removed     what a node removes from its log is on every disk, and in a state on its own
 *   quiet       when nobody writes, the log stops growing */
#ifndef GS_TESTS_SIMULATION_CHECKS_H
#define GS_TESTS_SIMULATION_CHECKS_H

#include "tests/simulation/world.h"

/* A record was seen somewhere: on a disk or in a message. */
void sim_check_identity(struct sim_world *world, struct gs_slice record);
/* Every record of a message that a node sends is on its disk. */
void sim_check_sent(struct sim_world *world, const struct sim_node *node, struct gs_slice message);
/* The whole disk of a node. */
void sim_check_chain(struct sim_world *world, const struct sim_node *node);
void sim_check_shown(struct sim_world *world, const struct sim_node *node);
void sim_check_fresh(struct sim_world *world, const struct sim_node *node);
/* Every event of a disk; clocks.c. */
void sim_check_clocks(struct sim_world *world, const struct sim_node *node);
/* What each node holds for stable, against all others. */
void sim_check_stable(struct sim_world *world);
/* True for the aggregates by which nodes decide about origins: clients do not write them. */
bool sim_is_internal(struct gs_slice type);
/* closings.c: true if every life that has ended is closed at every node, at the seq that it has there. */
bool sim_all_closed(struct sim_world *world);
/* Nodes that have written, as far as this one knows: a set. */
uint64_t sim_members(const struct sim_world *world, const struct sim_node *node);
/* A node removes this batch: no other may ever lack it, unless disks get lost. */
void sim_check_removed(struct sim_world *world, const struct sim_node *node, const struct gs_head *head);
/* All pairs of running nodes with equal vectors. */
void sim_check_agreement(struct sim_world *world);
/* Bounded counters as this node has them, and what one amounts to by the log; rights.c. */
void sim_check_rights(struct sim_world *world, const struct sim_node *node);
int sim_check_rights_sum(struct sim_world *world, const struct gs_aggregate *aggregate, int64_t expected);
/* Nobody is in doubt about a node that he has been able to hear, or hear of, for a while; members.c. */
void sim_check_steady(struct sim_world *world);
/* Everybody comes to know, to be linked to and to hear everybody. At the end. */
void sim_check_members(struct sim_world *world);
/* At the end, when all nodes agree. */
void sim_check_end(struct sim_world *world);
/* After a disk was lost or put back: calls and numbers that no disk remembers are forgiven. */
void sim_forgive(struct sim_world *world, const struct sim_node *node);
/* True if all nodes run and have equal vectors with everything stored. */
bool sim_all_agree(const struct sim_world *world);

/* That an answered write made this version of an aggregate: it is the same in the order of the node's log. */
void sim_check_version(struct sim_world *world, const struct sim_node *node, const gs_origin *origin, uint64_t seq,
                       uint32_t aggregate, uint64_t version);

/* verify.c: no comparison finds a difference where nothing was changed. */
void sim_check_verified(struct sim_world *world, const struct sim_node *node);
/* Changes a bit in a node's memory: a verify must name the field, a full sync must put it right. At the end. */
void sim_check_repair(struct sim_world *world);

#endif
