/* Links over TCP on a libuv loop: listens, dials, keeps one link per peer key, and hands messages over.
 *
 * Everything here runs on the loop's thread; callbacks are called from the loop only, never from inside a function of
 * this header. Callbacks may call any of them, gs_transport_close included. Order of callbacks for a link id:
 * peer_up, message…, peer_down, each peer_up followed by exactly one peer_down. Ids are never used twice.
 *
 * One link is kept per peer key. A dialed link that finds the peer already linked is given up; two that crossed are
 * resolved the same way on both sides: the one dialed by the lower public key stays. A peer that dials again after its
 * side of a link died replaces the dead one. The old link's peer_down comes before the new one's peer_up.
 *
 * Silence is the caller's business: send pings, and gs_transport_drop a link that does not answer. */
#ifndef GS_GOSSIP_TRANSPORT_UV_H
#define GS_GOSSIP_TRANSPORT_UV_H

#include "gossip/identity.h"
#include "gossip/message.h"
#include "gossip/trust.h"

#include <globalstate/memory.h>

#include <uv.h>

enum {
    GS_TRANSPORT_SEEDS_MAX = 640,                /* learned ones included */
    GS_TRANSPORT_ADDRESS_MAX = 261,              /* bytes of an address: name of at most 255, colon, port */
    GS_TRANSPORT_HALF_OPEN_MAX = 64,             /* accepted connections that are not established yet */
    GS_TRANSPORT_HALF_OPEN_ADDRESS_MAX = 16,     /* of these, from one IPv4 address or IPv6 /64 */
    GS_TRANSPORT_HANDSHAKE_TIMEOUT_MS = 5000,    /* from connect or accept to established */
    GS_TRANSPORT_QUEUE_BYTES = 16 * 1024 * 1024, /* default cap of a link's write queue */
    GS_TRANSPORT_CONTROL_BYTES = 512 * 1024      /* that the control lane may pass it by */
};

/* Called with the `context` of the configuration. `key`, `region` and `message` are borrowed for the call. */
struct gs_transport_callbacks {
    void (*peer_up)(void *context, uint64_t link_id, const gs_public_key *key, const char *region);
    void (*message)(void *context, uint64_t link_id, struct gs_slice message);
    /* `error`: 0 the peer said goodbye; GS_ECLOSED the connection was cut; GS_EFORMAT a bad frame; GS_EUNTRUSTED the
     * key was revoked or removed; GS_EBUSY another link to the same key took its place; GS_ESHUTDOWN we dropped it or
     * are closing; GS_EIO, GS_ENOMEM. */
    void (*peer_down)(void *context, uint64_t link_id, int error);
};

struct gs_transport_config {
    uv_loop_t *loop;          /* borrowed until `closed` was called */
    const char *listen;       /* "HOST:PORT", "[IPV6]:PORT" or ":PORT" (all addresses); NULL: dial only. Copied. */
    const char *const *seeds; /* addresses that are dialed and kept dialed; copied */
    uint32_t seed_count;      /* at most GS_TRANSPORT_SEEDS_MAX */
    const struct gs_key_pair *keys; /* borrowed until `closed` was called */
    const struct gs_trust *trust;   /* borrowed until gs_transport_set_trust or `closed` */
    gs_cluster cluster;
    size_t queue_bytes_max;        /* cap of one link's write queue; 0: GS_TRANSPORT_QUEUE_BYTES */
    uint32_t handshake_timeout_ms; /* 0: GS_TRANSPORT_HANDSHAKE_TIMEOUT_MS */
    struct gs_transport_callbacks callbacks;
    void *context;
};

/* Counters since the start; they only rise. */
struct gs_transport_stats {
    uint64_t accepted;         /* connections taken from the listener */
    uint64_t dialed;           /* connections attempted */
    uint64_t established;      /* links that came up */
    uint64_t handshake_failed; /* accepted or connected, but not established: garbage, time-out, untrusted, … */
    uint64_t half_open_capped; /* of these, closed to make room for a newer half-open connection */
    uint64_t closed_bad_frame; /* established links closed over a frame that did not verify */
    uint64_t bytes_in;
    uint64_t bytes_out; /* handed to the operating system */
};

struct gs_transport;

/* Starts listening and dialing. GS_EBUSY (the address is in use), GS_EINVAL (an address does not parse; the problem
 * names it), GS_ETOOBIG (seeds), GS_EIO, GS_ENOMEM. After a failure the loop may still have handles to close: run it
 * once more (uv_run) before uv_loop_close. */
int gs_transport_start(const struct gs_transport_config *config, struct gs_transport **ret_transport,
                       struct gs_problem *problem);

/* Says goodbye on every link, closes everything, reports each link down with GS_ESHUTDOWN, frees the transport, then
 * calls `closed` (may be NULL). Queued data gets a second to leave. The transport must not be used after this call. */
void gs_transport_close(struct gs_transport *transport, void (*closed)(void *context), void *context);

/* The port that is listened on (useful with port 0), 0 when none is. */
uint16_t gs_transport_port(const struct gs_transport *transport);

/* Adds an address to dial and keep dialed; one that is there already is left alone. GS_EINVAL, GS_ETOOBIG, GS_ENOMEM.
 */
int gs_transport_add_seed(struct gs_transport *transport, const char *address, struct gs_problem *problem);

/* Says where the owner of `key` can be dialed, in place of what was said before; none: nowhere any more. Such addresses
 * are dialed like seeds while the key is not linked, unless a seed has led to it, and forgotten when somebody else
 * answers there. What is no address, or a seed already, is passed over. A link that is up stays. GS_ETOOBIG, GS_ENOMEM:
 * some were not taken. */
int gs_transport_learn(struct gs_transport *transport, const gs_public_key *key, const char *const *addresses,
                       uint32_t count);
/* 0 if `text` is HOST:PORT that can be dialed, GS_EINVAL with the reason. */
int gs_transport_check_address(const char *text, struct gs_problem *problem);

/* Queues a message (copied) of at most GS_MESSAGE_BYTES_MAX bytes. Messages of one lane arrive in order; of several
 * lanes, the first lane's go first, those that fit a frame also between the frames of a later lane's. GS_EBUSY: the
 * link's write queue would pass its cap; nothing was queued. GS_ENOTFOUND: the link is not up. GS_ETOOBIG, GS_ENOMEM.
 */
int gs_transport_send(struct gs_transport *transport, uint64_t link_id, enum gs_lane lane, const void *bytes,
                      size_t length);
/* Bytes queued on a link and not yet taken by the operating system; 0 for a link that is not up. */
size_t gs_transport_queued(const struct gs_transport *transport, uint64_t link_id);

/* Where the peer of a link is, for people: the address that it is dialed at if one is known, else the one its
 * connection came from. Empty for a link that is not up. `ret_address` has room for GS_TRANSPORT_ADDRESS_MAX bytes and
 * a NUL. */
void gs_transport_address(const struct gs_transport *transport, uint64_t link_id,
                          char ret_address[GS_TRANSPORT_ADDRESS_MAX + 1]);

/* Ends a link with a goodbye; peer_down (GS_ESHUTDOWN) follows from the loop. A seed behind it is dialed again.
 * GS_ENOTFOUND. */
int gs_transport_drop(struct gs_transport *transport, uint64_t link_id);

/* Replaces the trust set and ends links whose key is not in it or revoked; their peer_down (GS_EUNTRUSTED) follows from
 * the loop. */
void gs_transport_set_trust(struct gs_transport *transport, const struct gs_trust *trust);

void gs_transport_stats_read(const struct gs_transport *transport, struct gs_transport_stats *ret_stats);

#endif
