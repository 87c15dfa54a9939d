/* What the files of the node share: the shell around a core on one loop. Private to node*.c. */
#ifndef GS_NODE_SERVE_NODE_IMPL_H
#define GS_NODE_SERVE_NODE_IMPL_H

#include "gossip/transport_uv.h"
#include "node/serve/book_keeper.h"
#include "node/serve/gateway_loop.h"
#include "node/serve/healer.h"
#include "node/serve/node.h"
#include "node/serve/note_writer.h"
#include "node/serve/rebuilder.h"
#include "node/serve/rewriter.h"
#include "node/serve/stager.h"
#include "node/store/store_thread.h"

struct gs_node {
    struct gs_node_config config;
    struct gs_core *core;
    struct gs_gateway *gateway;
    struct gs_transport *transport;
    struct gs_store_thread *store;
    struct gs_note_writer *notes;
    struct gs_book_keeper *books; /* NULL: the store is not PostgreSQL */
    struct gs_rebuilder *rebuilder;
    struct gs_rewriter rewriter;
    struct gs_healer *healer;
    char damage[GS_PROBLEM_DETAIL_MAX]; /* why there is no core: its log must be healed first; empty: that is not so */
    struct gs_stager *stager;
    uint64_t snapshot_chunks, snapshots_refused; /* by earlier cores */
    bool installed;                              /* the core goes for one that begins with a snapshot … */
    struct gs_core *successor;                   /* … this one; NULL: it is read from the store; owned */
    uint64_t log_healed, log_damaged;            /* records, ever; now */
    char store_name[16];
    uv_async_t wake;
    uv_timer_t timer;                  /* the core's next deadline */
    uv_timer_t status;                 /* refreshes what /health shows */
    uv_timer_t retry;                  /* the next attempt to recover */
    uint64_t retry_ms;                 /* after which it comes */
    uv_timer_t grace;                  /* for a store that is away */
    uint64_t verify_runs, verified_ms; /* as last seen; 0: never */
    bool has_cut;                      /* before the next recovery, this is taken out of the log */
    struct gs_cut cut;
    bool set_aside;    /* before the next recovery, its log is put aside */
    bool core_waits;   /* the core has asked for the log to be healed */
    bool heal_refused; /* … and hears soon that it is not going to be, now */
    bool reloading;    /* there is no core: the store is being read again */
    bool store_away;   /* a commit is tried again and again */
    struct {
        uint64_t commit; /* its number; 0: none is measured */
        uint64_t begun_ms;
        size_t bytes;
    } measured;         /* what the store needs for one, for gs_gateway_committed */
    bool store_closing; /* the old store's thread has not ended yet */
    bool stopping;
    uint64_t links[GS_CORE_PEERS_MAX]; /* that are up */
    uint32_t link_count;
    uint32_t closing; /* handles, transport and store that are not closed yet */
    void (*closed)(void *context);
    void *closed_context;
};

/* node.c */
/* Ends the node for good; `reason` is for its owner. */
void gs_node_fail(struct gs_node *node, const char *reason);
/* Steps the core, if there is one, and carries out what it says. */
void gs_node_step(struct gs_node *node, struct gs_core_event *event);
/* The core is of no more use: another one is recovered from the store. */
void gs_node_reload(struct gs_node *node);

/* A core that was made begins, and hears of every link from its beginning. */
void gs_node_begin(struct gs_node *node);
/* For gs_recovery_notes. */
int gs_node_visit_notes(void *context, gs_notes_fn visit, void *visit_context, struct gs_problem *problem);

/* node_snapshot.c */
/* What an update says of a snapshot: what is to be kept of it, and its installation. */
void gs_node_carry_out_snapshot(struct gs_node *node, struct gs_update *update);
/* For the stager: the store begins with a snapshot, or not. */
void gs_node_on_installed(void *context, int error);
/* True if the next core is there already: it begins with the loop's next turn. */
bool gs_node_has_successor(struct gs_node *node);

/* node_heal.c */
/* NULL when out of memory. */
struct gs_healer *gs_node_new_healer(struct gs_node *node);
/* Looks for damage in the log and heals it, if the engine can. */
void gs_node_heal(struct gs_node *node);
/* What may have met damage, or waits for it to be healed, is looked after now and then. */
void gs_node_look_after_log(struct gs_node *node);

/* node_status.c: what /health and /metrics show; a timer of the node. */
void gs_node_on_status(uv_timer_t *timer);

#endif
