/* A link: one mutually authenticated, encrypted, ordered stream of messages between two regions (gossip/HANDSHAKE.md).
 *
 * A pure state machine: bytes from the peer go in, bytes for the peer come out, and events are taken from it one by
 * one. It knows no socket and no clock, and its ephemeral key is an argument; the only randomness it draws is the
 * public 24-byte header that libsodium's secretstream makes for itself. Call order:
 *
 *     gs_link_new                       (an initiator's first message is now in `out`)
 *     gs_link_receive until NOTHING     for every run of bytes that arrives; write what is in `out`
 *     gs_link_send                      once ESTABLISHED was seen; or gs_link_send_frame until a message is through
 *     gs_link_goodbye, gs_link_free
 *
 * Promises: no message is accepted from, and none is sent to, a peer that has not proved a trusted, not revoked key
 * other than our own. Memory for what arrives grows with the bytes received, never with a length claimed. After an
 * error a link is dead: every later call returns that error. */
#ifndef GS_GOSSIP_LINK_H
#define GS_GOSSIP_LINK_H

#include "gossip/identity.h"
#include "gossip/trust.h"

#include <globalstate/memory.h>

enum gs_link_role { GS_LINK_INITIATOR = 1, GS_LINK_RESPONDER = 2 };

enum {
    GS_LINK_SEED_SIZE = 32,
    GS_LINK_HANDSHAKE_BYTES_MAX = 1024,  /* body of a frame before the link is established */
    GS_LINK_FRAME_BYTES_MAX = 64 * 1024, /* body of a frame after it; its 4 bytes of length are not counted */
    GS_LINK_BETWEEN_MAX = 64 * 1024 - 17 /* bytes of a message that fits one frame */
};

enum gs_link_event_kind {
    GS_LINK_NOTHING = 0,     /* all input is consumed, nothing more to report */
    GS_LINK_ESTABLISHED = 1, /* the peer has proved `key`; gs_link_send may be used */
    GS_LINK_MESSAGE = 2,
    GS_LINK_GOODBYE = 3 /* the peer ended the link on purpose; nothing follows */
};

struct gs_link_event {
    enum gs_link_event_kind kind;
    gs_public_key key;                   /* established */
    char region[GS_REGION_NAME_MAX + 1]; /* established: the name in our trust set */
    struct gs_slice message;             /* message: borrowed until the next gs_link_receive or gs_link_free */
};

struct gs_link_config {
    enum gs_link_role role;
    const struct gs_key_pair *keys; /* borrowed for the life of the link */
    const struct gs_trust *trust;   /* borrowed until gs_link_set_trust or gs_link_free */
    gs_cluster cluster;
    uint8_t seed[GS_LINK_SEED_SIZE]; /* uniformly random and never used twice; becomes the ephemeral secret key */
    struct gs_memory *memory;        /* borrowed for the life of the link; NULL: libc */
};

struct gs_link;

/* Makes a link; an initiator's first message is appended to `out`. The caller wipes its own copy of the seed.
 * GS_EINVAL (a role that does not exist), GS_ENOMEM. */
int gs_link_new(const struct gs_link_config *config, struct gs_buffer *out, struct gs_link **ret_link);
/* Wipes keys and frees the link; NULL is allowed. */
void gs_link_free(struct gs_link *link);

/* Takes bytes from the front of `input` up to the next event, and appends to `out` what must be written to the peer.
 * Call it until the event is GS_LINK_NOTHING; `input` is empty then. On failure the connection is to be closed, and
 * `out` holds nothing worth sending: GS_EHANDSHAKE for every failure before the link is established, GS_EFORMAT for
 * a frame that is oversized, altered, repeated, reordered or makes no sense, GS_ECLOSED for bytes after a goodbye,
 * GS_ENOMEM. */
int gs_link_receive(struct gs_link *link, struct gs_slice *input, struct gs_buffer *out,
                    struct gs_link_event *ret_event);

/* What it means that the connection ended here: 0 after a goodbye, GS_EHANDSHAKE before the link was established, else
 * GS_ECLOSED (the stream was cut; a dead link reports its error). */
int gs_link_receive_end(const struct gs_link *link);

/* Appends a message of 0..GS_MESSAGE_BYTES_MAX bytes, cut into frames, to `out`. GS_EINVAL before the link is
 * established, GS_ETOOBIG, GS_ECLOSED after gs_link_goodbye, GS_ENOMEM; the link is as before on these. */
int gs_link_send(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out);
/* The same frame by frame: appends the frame of the message that begins at `*at` (0 at first), and moves `*at` past it;
 * the message is through when it returns 0 and `*at` is its length. Until then nothing else can be sent but by
 * gs_link_send_between; on an error `*at` is as before. */
int gs_link_send_frame(struct gs_link *link, const void *bytes, size_t length, size_t *at, struct gs_buffer *out);
/* Appends a message of at most GS_LINK_BETWEEN_MAX bytes between two frames of the one that gs_link_send_frame has
 * begun: it arrives first. GS_EINVAL if none is under way. */
int gs_link_send_between(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out);
/* Bytes that gs_link_send appends for a message of `length` bytes, at most. */
size_t gs_link_sealed_size(size_t length);

/* Appends the authenticated end of our side; nothing can be sent after it. Does nothing before the link is established.
 * GS_EINVAL in the middle of a message, GS_ENOMEM, or a dead link's error. */
int gs_link_goodbye(struct gs_link *link, struct gs_buffer *out);

/* Replaces the trust set. GS_EUNTRUSTED: the link is established and its peer is no longer in the set, or revoked; the
 * caller ends it. */
int gs_link_set_trust(struct gs_link *link, const struct gs_trust *trust);

bool gs_link_established(const struct gs_link *link);
/* True when the handshake failed because the peer proved to hold our own key: we dialed ourselves, or a clone. */
bool gs_link_met_itself(const struct gs_link *link);

#endif
