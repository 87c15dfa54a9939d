/* The parts of the transport: addresses, connections, seeds. Private to transport_uv*.c.
 *
 * libuv's rules, kept here: a handle lives in the struct that owns it and that struct is freed in the handle's close
 * callback only; nothing is done with a connection whose state is CLOSING; all of it on the loop's thread. */
#ifndef GS_GOSSIP_TRANSPORT_UV_INTERNAL_H
#define GS_GOSSIP_TRANSPORT_UV_INTERNAL_H

#include "gossip/link.h"
#include "gossip/transport_uv.h"

enum {
    GS_SEED_BACKOFF_MIN_MS = 200, /* a delay is half to the whole of the back-off: 100 ms at least */
    GS_SEED_BACKOFF_MAX_MS = 5000,
    GS_SEED_LEARNED_MS = 2000, /* the first back-off of a learned address while an operator's has not answered yet */
    GS_SEED_SELF_MS = 10 * 60 * 1000, /* until an address that turned out to be ours is tried again */
    GS_CONNECTION_LINGER_MS = 1000,   /* for queued bytes and a goodbye to leave */
    GS_TRANSPORT_ACCEPT_RETRY_MS = 100,
    GS_TRANSPORT_READ_BYTES = 64 * 1024
};

/* HOST:PORT taken apart. */
struct gs_address {
    char host[256]; /* without brackets; empty: all addresses */
    uint16_t port;
};

/* GS_EINVAL with a problem that names the address. `listening` allows an empty host and port 0. */
int gs_address_parse(const char *text, bool listening, struct gs_address *ret_address, struct gs_problem *problem);
/* True when the host is a numeric IPv4 or IPv6 address. */
bool gs_address_numeric(const struct gs_address *address, struct sockaddr_storage *ret_sockaddr);
/* What the per-address cap counts by: an IPv4 address or an IPv6 /64. */
void gs_address_group(const struct sockaddr_storage *peer, uint8_t ret_group[16]);

/* Edges: DIALING → HALF_OPEN → UP → LINGER (goodbye said) → CLOSING; any → CLOSING. Accepted ones begin HALF_OPEN. */
enum gs_connection_state { GS_DIALING = 1, GS_HALF_OPEN = 2, GS_UP = 3, GS_LINGER = 4, GS_CLOSING = 5 };

struct gs_outgoing;

struct gs_lane_queue {
    struct gs_outgoing *first, *last;
};

struct gs_connection {
    struct gs_transport *transport;
    struct gs_connection *older, *newer; /* the transport's list, by age */
    enum gs_connection_state state;
    uint64_t id;
    uv_tcp_t tcp;
    uv_timer_t timer; /* handshake time-out, then linger */
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    uint32_t handles_open;
    bool dialed;          /* by us */
    struct gs_seed *seed; /* that it was dialed for; NULL: accepted, or the address was forgotten since */
    struct gs_link *link; /* owned; NULL while dialing */
    uint8_t group[16];    /* accepted: see gs_address_group */
    gs_public_key key;    /* from UP on */
    uint64_t up_ms;       /* when it came up, by the loop's clock */
    bool reported;        /* peer_up was called and peer_down was not */
    bool heard;           /* a message came: the peer has the link up, too */
    bool quiet;           /* ends before it is up, but did not fail */
    int down_error;       /* for peer_down, if it is called when the handles are closed */
    struct gs_lane_queue lanes[GS_LANE_COUNT]; /* not sealed yet; owned */
    struct gs_outgoing *current;               /* of which some frames are sealed; owned */
    size_t waiting_bytes;                      /* of the messages in both */
};

struct gs_seed {
    struct gs_transport *transport;
    struct gs_address address;
    uv_timer_t timer;
    struct gs_connection *connection; /* NULL: none */
    struct gs_lookup *lookup;         /* NULL: no name is being resolved */
    uint32_t backoff_ms;
    uint32_t attempts;
    bool key_known;
    gs_public_key key; /* that was found there last; of a learned address, the one that must be */
    bool learned;      /* from the member record of that key; else an operator named it */
    bool wrong;        /* somebody else answered there: it is to be forgotten */
};

struct gs_transport {
    struct gs_transport_config config; /* strings in it are not ours after the start */
    uv_tcp_t *listener;                /* owned; NULL: dial only */
    uint16_t port;
    uv_timer_t retry; /* accepts again after memory ran out; also keeps `closed` asynchronous */
    struct gs_seed *seeds[GS_TRANSPORT_SEEDS_MAX];
    uint32_t seed_count;
    struct gs_connection *oldest, *newest;
    uint64_t next_id;
    uint32_t parts_open; /* listener, retry timer, seeds and connections that are not freed yet */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
    struct gs_transport_stats stats;
    char read_buffer[GS_TRANSPORT_READ_BYTES]; /* shared: a read is consumed before the next begins */
};

/* One part of the transport is gone; the last one frees it. */
void gs_transport_part_closed(struct gs_transport *transport);

/* A new connection, DIALING for `seed` or HALF_OPEN without one; NULL when out of memory. */
struct gs_connection *gs_connection_new(struct gs_transport *transport, struct gs_seed *seed);
/* The socket is connected: starts the handshake and the clock. Closes the connection when that fails. */
void gs_connection_begin(struct gs_connection *connection);
/* Writes and takes `bytes`; closes the connection when that fails. */
void gs_connection_write(struct gs_connection *connection, struct gs_buffer *bytes);
/* transport_uv_queue.c: queues a message on an UP connection, and writes what there is room for. GS_ENOMEM, GS_ETOOBIG.
 */
int gs_connection_send(struct gs_connection *connection, enum gs_lane lane, const void *bytes, size_t length);
/* Writes more of what waits; closes the connection when that fails. */
void gs_connection_pump(struct gs_connection *connection);
/* Seals all that waits into `out`, before a goodbye. */
void gs_connection_flush(struct gs_connection *connection, struct gs_buffer *out);
void gs_connection_drop_queue(struct gs_connection *connection);
/* Bytes that wait or were not taken by the operating system yet. */
size_t gs_connection_queued(const struct gs_connection *connection);
/* The kernel is not to take more than it can soon send. */
void gs_connection_limit_unsent(struct gs_connection *connection);
/* Says goodbye, then closes; peer_down with `error` follows when the handles are closed. */
void gs_connection_goodbye(struct gs_connection *connection, int error);
/* Closes at once. Without an earlier reason, peer_down gets `error`. */
void gs_connection_close(struct gs_connection *connection, int error);
/* The connection that is UP with this id, or with this key; NULL if none is. */
struct gs_connection *gs_connection_find(const struct gs_transport *transport, uint64_t id);
struct gs_connection *gs_connection_find_key(const struct gs_transport *transport, const gs_public_key *key);

/* Takes the accepted connections that wait. */
void gs_accept(uv_stream_t *listener, int status);

/* Adds a seed that is dialed at once, or, if it is one of `key`, soon (gs_seed_begin_learned). NULL when out of memory.
 */
struct gs_seed *gs_seed_new(struct gs_transport *transport, const struct gs_address *address, const gs_public_key *key);
/* The seed's connection is gone: dials again later. */
void gs_seed_lost(struct gs_seed *seed, const struct gs_connection *connection);
/* The link to `key` is gone: seeds that waited because of it are dialed soon. */
void gs_seed_wake(struct gs_transport *transport, const gs_public_key *key);
/* Dials a learned address soon. */
void gs_seed_begin_learned(struct gs_seed *seed);
/* Forgets the address; a link over it stays. */
void gs_seed_remove(struct gs_seed *seed);
void gs_seed_close(struct gs_seed *seed);

#endif
