#include "gossip/link.h"

#include "gossip/bytes.h"
#include "gossip/frame.h"
#include "gossip/handshake.h"
#include "gossip/message.h"

#include <string.h>

enum {
    SEAL_SIZE = crypto_secretstream_xchacha20poly1305_ABYTES,
    HEADER_SIZE = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    CHUNK_SIZE = GS_LINK_FRAME_BYTES_MAX - SEAL_SIZE, /* of a message that fit a frame */
    FRAME_OVERHEAD = GS_FRAME_HEAD_SIZE + SEAL_SIZE,
    REKEY_BYTES = 1024 * 1024 * 1024,
    REKEY_FRAMES = 64 * 1024,
    KEEP_BYTES = 64 * 1024 /* an idle link gives larger buffers back */
};

enum {
    TAG_PART = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,  /* a full chunk, the message goes on */
    TAG_END = crypto_secretstream_xchacha20poly1305_TAG_PUSH,      /* the last chunk of a message */
    TAG_REKEY = crypto_secretstream_xchacha20poly1305_TAG_REKEY,   /* empty, between messages: new key from here */
    TAG_GOODBYE = crypto_secretstream_xchacha20poly1305_TAG_FINAL, /* empty, between messages: the last frame */
    TAG_BETWEEN = 4 /* a whole message, between chunks of another; libsodium acts on bits 0 and 1 only */
};

/* Edges: HANDSHAKE → HEADER (established, the peer's stream header is awaited) → OPEN → OVER (goodbye received). */
enum state { HANDSHAKE = 1, HEADER = 2, OPEN = 3, OVER = 4 };

struct gs_link {
    struct gs_memory *memory;
    enum state state;
    int error; /* not 0: dead */
    struct gs_handshake handshake;
    struct gs_frame_reader reader;
    struct gs_buffer assembly; /* the message that is arriving, or was just handed out */
    bool delivered;            /* `assembly` was handed out and is dropped at the next receive; … */
    size_t between;            /* … or so many bytes at its end, which came between its chunks */
    bool in_message;           /* we have sent chunks of a message whose last one is to come */
    bool said_goodbye;
    crypto_secretstream_xchacha20poly1305_state push, pull;
    uint64_t bytes_since_rekey, frames_since_rekey;
};

int gs_link_new(const struct gs_link_config *config, struct gs_buffer *out, struct gs_link **ret_link) {
    if (config->role != GS_LINK_INITIATOR && config->role != GS_LINK_RESPONDER) {
        return GS_EINVAL;
    }
    struct gs_link *link = gs_memory_zalloc(config->memory, sizeof *link);
    if (link == NULL) {
        return GS_ENOMEM;
    }
    link->memory = config->memory;
    link->state = HANDSHAKE;
    link->reader.partial.memory = config->memory;
    link->assembly.memory = config->memory;
    gs_handshake_init(&link->handshake, config);
    if (config->role == GS_LINK_INITIATOR && gs_handshake_start(&link->handshake, out) != 0) {
        gs_link_free(link);
        return GS_ENOMEM;
    }
    *ret_link = link;
    return 0;
}

void gs_link_free(struct gs_link *link) {
    if (link == NULL) {
        return;
    }
    struct gs_memory *memory = link->memory;
    gs_frame_reader_close(&link->reader);
    gs_buffer_close(&link->assembly);
    sodium_memzero(link, sizeof *link);
    gs_memory_free(memory, link, sizeof *link);
}

/* Our direction of the stream begins: its header goes out as a frame. Altering it makes every later frame fail. */
static int establish(struct gs_link *link, struct gs_buffer *out, struct gs_link_event *event) {
    uint8_t *frame = gs_buffer_reserve(out, GS_FRAME_HEAD_SIZE + HEADER_SIZE);
    if (frame == NULL) {
        return GS_ENOMEM;
    }
    gs_put_be(frame, HEADER_SIZE, GS_FRAME_HEAD_SIZE);
    crypto_secretstream_xchacha20poly1305_init_push(&link->push, frame + GS_FRAME_HEAD_SIZE, link->handshake.send_key);
    link->state = HEADER;
    event->kind = GS_LINK_ESTABLISHED;
    event->key = link->handshake.peer_key;
    memcpy(event->region, link->handshake.peer_region, sizeof event->region);
    return 0;
}

static int take_handshake(struct gs_link *link, struct gs_slice body, struct gs_buffer *out,
                          struct gs_link_event *event) {
    int status = gs_handshake_receive(&link->handshake, body, out);
    if (status == 0 && link->handshake.step == GS_HANDSHAKE_DONE) {
        status = establish(link, out, event);
    }
    return status;
}

static int take_header(struct gs_link *link, struct gs_slice body) {
    if (body.length != HEADER_SIZE ||
        crypto_secretstream_xchacha20poly1305_init_pull(&link->pull, body.bytes, link->handshake.receive_key) != 0) {
        return GS_EFORMAT;
    }
    gs_handshake_wipe(&link->handshake);
    link->state = OPEN;
    return 0;
}

/* What a frame that verified means. There is one way only to cut a message into frames, so that a peer cannot keep us
 * busy with frames that carry nothing. */
static int take_tag(struct gs_link *link, unsigned char tag, size_t length, struct gs_link_event *event) {
    bool alone = link->assembly.length == length; /* no earlier chunk of a message waits */
    if (tag != TAG_BETWEEN && link->assembly.length > GS_MESSAGE_BYTES_MAX) {
        return GS_EFORMAT;
    }
    switch (tag) {
    case TAG_PART:
        return length == CHUNK_SIZE ? 0 : GS_EFORMAT;
    case TAG_BETWEEN:
        if (alone) {
            return GS_EFORMAT;
        }
        link->between = length;
        event->kind = GS_LINK_MESSAGE;
        event->message = gs_slice_make(link->assembly.bytes + link->assembly.length - length, length);
        return 0;
    case TAG_END:
        if (length == 0 && !alone) {
            return GS_EFORMAT;
        }
        link->delivered = true;
        event->kind = GS_LINK_MESSAGE;
        event->message = gs_slice_make(link->assembly.bytes, link->assembly.length);
        return 0;
    case TAG_REKEY:
        return length == 0 && alone ? 0 : GS_EFORMAT;
    case TAG_GOODBYE:
        if (length != 0 || !alone) {
            return GS_EFORMAT;
        }
        link->state = OVER;
        event->kind = GS_LINK_GOODBYE;
        return 0;
    default:
        return GS_EFORMAT;
    }
}

static int take_sealed(struct gs_link *link, struct gs_slice body, struct gs_link_event *event) {
    if (body.length < SEAL_SIZE) {
        return GS_EFORMAT;
    }
    size_t length = body.length - SEAL_SIZE;
    uint8_t *plain = gs_buffer_reserve(&link->assembly, length);
    if (plain == NULL) {
        return GS_ENOMEM;
    }
    uint8_t head[GS_FRAME_HEAD_SIZE];
    unsigned char tag = 0;
    gs_put_be(head, body.length, GS_FRAME_HEAD_SIZE);
    if (crypto_secretstream_xchacha20poly1305_pull(&link->pull, plain, NULL, &tag, body.bytes, body.length, head,
                                                   sizeof head) != 0) {
        return GS_EFORMAT;
    }
    return take_tag(link, tag, length, event);
}

static size_t frame_max(enum state state) {
    return state == HANDSHAKE ? GS_LINK_HANDSHAKE_BYTES_MAX : state == HEADER ? HEADER_SIZE : GS_LINK_FRAME_BYTES_MAX;
}

/* Kills the link: whatever went wrong before it was established looks the same. */
static int fail(struct gs_link *link, int error) {
    if (link->state == HANDSHAKE && error == GS_EFORMAT) {
        error = GS_EHANDSHAKE;
    }
    link->error = error;
    gs_handshake_wipe(&link->handshake);
    return error;
}

static void drop_delivered(struct gs_link *link) {
    link->assembly.length -= link->between;
    link->between = 0;
    if (!link->delivered) {
        return;
    }
    link->delivered = false;
    link->assembly.length = 0;
    if (link->assembly.capacity > KEEP_BYTES) {
        gs_buffer_close(&link->assembly);
    }
}

int gs_link_receive(struct gs_link *link, struct gs_slice *input, struct gs_buffer *out,
                    struct gs_link_event *ret_event) {
    struct gs_link_event event = {.kind = GS_LINK_NOTHING};
    if (link->error != 0) {
        return link->error;
    }
    drop_delivered(link);
    while (event.kind == GS_LINK_NOTHING) {
        struct gs_slice body;
        if (link->state == OVER) {
            if (input->length > 0) {
                return fail(link, GS_ECLOSED);
            }
            break;
        }
        int status = gs_frame_next(&link->reader, frame_max(link->state), input, &body);
        if (status == 0) {
            break;
        }
        if (status == 1) {
            status = link->state == HANDSHAKE ? take_handshake(link, body, out, &event)
                     : link->state == HEADER  ? take_header(link, body)
                                              : take_sealed(link, body, &event);
        }
        if (status != 0) {
            return fail(link, status);
        }
    }
    *ret_event = event;
    return 0;
}

int gs_link_receive_end(const struct gs_link *link) {
    if (link->error != 0) {
        return link->error;
    }
    return link->state == OVER ? 0 : link->state == HANDSHAKE ? GS_EHANDSHAKE : GS_ECLOSED;
}

static uint8_t *push_frame(struct gs_link *link, uint8_t *frame, struct gs_slice plain, unsigned char tag) {
    unsigned long long sealed_length = 0;
    gs_put_be(frame, plain.length + SEAL_SIZE, GS_FRAME_HEAD_SIZE);
    (void)crypto_secretstream_xchacha20poly1305_push(&link->push, frame + GS_FRAME_HEAD_SIZE, &sealed_length,
                                                     plain.bytes, plain.length, frame, GS_FRAME_HEAD_SIZE, tag);
    link->frames_since_rekey++;
    link->bytes_since_rekey += sealed_length;
    return frame + GS_FRAME_HEAD_SIZE + sealed_length;
}

static size_t frame_count(size_t length) {
    return length == 0 ? 1 : (length + CHUNK_SIZE - 1) / CHUNK_SIZE;
}

size_t gs_link_sealed_size(size_t length) {
    return length + (frame_count(length) + 1) * FRAME_OVERHEAD;
}

static int may_send(const struct gs_link *link, size_t length) {
    if (link->error != 0) {
        return link->error;
    }
    if (link->state == HANDSHAKE) {
        return GS_EINVAL;
    }
    if (link->said_goodbye) {
        return GS_ECLOSED;
    }
    return length > GS_MESSAGE_BYTES_MAX ? GS_ETOOBIG : 0;
}

int gs_link_send_frame(struct gs_link *link, const void *bytes, size_t length, size_t *at, struct gs_buffer *out) {
    int status = may_send(link, length);
    if (status == 0 && (*at > length || (*at > 0) != link->in_message)) {
        status = GS_EINVAL;
    }
    if (status != 0) {
        return status;
    }
    bool rekey = *at == 0 && (link->frames_since_rekey >= REKEY_FRAMES || link->bytes_since_rekey >= REKEY_BYTES);
    bool last = length - *at <= CHUNK_SIZE;
    size_t chunk = last ? length - *at : CHUNK_SIZE;
    /* All room first: a stream that was advanced cannot be taken back. */
    uint8_t *to = gs_buffer_reserve(out, chunk + FRAME_OVERHEAD + (rekey ? FRAME_OVERHEAD : 0));
    if (to == NULL) {
        return GS_ENOMEM;
    }
    if (rekey) {
        to = push_frame(link, to, gs_slice_make("", 0), TAG_REKEY);
        link->frames_since_rekey = 0;
        link->bytes_since_rekey = 0;
    }
    struct gs_slice plain = gs_slice_make(length > 0 ? (const uint8_t *)bytes + *at : (const uint8_t *)"", chunk);
    (void)push_frame(link, to, plain, last ? TAG_END : TAG_PART);
    link->in_message = !last;
    *at += chunk;
    return 0;
}

int gs_link_send_between(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out) {
    int status = may_send(link, length);
    if (status == 0 && !link->in_message) {
        status = GS_EINVAL;
    }
    if (status == 0 && length > GS_LINK_BETWEEN_MAX) {
        status = GS_ETOOBIG;
    }
    uint8_t *to = status == 0 ? gs_buffer_reserve(out, length + FRAME_OVERHEAD) : NULL;
    if (to != NULL) {
        (void)push_frame(link, to, gs_slice_make(length > 0 ? bytes : "", length), TAG_BETWEEN);
    }
    return status != 0 || to != NULL ? status : GS_ENOMEM;
}

int gs_link_send(struct gs_link *link, const void *bytes, size_t length, struct gs_buffer *out) {
    int status = may_send(link, length);
    size_t at = 0;
    if (status != 0 || link->in_message) {
        return status != 0 ? status : GS_EINVAL;
    }
    size_t begin = out->length;
    if (gs_buffer_reserve(out, gs_link_sealed_size(length)) == NULL) {
        return GS_ENOMEM;
    }
    out->length = begin; /* room for all of it: from here on nothing fails half-way */
    do {
        status = gs_link_send_frame(link, bytes, length, &at, out);
    } while (status == 0 && at < length);
    return status;
}

int gs_link_goodbye(struct gs_link *link, struct gs_buffer *out) {
    if (link->error != 0 || link->state == HANDSHAKE || link->said_goodbye) {
        return link->error;
    }
    if (link->in_message) {
        return GS_EINVAL;
    }
    uint8_t *at = gs_buffer_reserve(out, FRAME_OVERHEAD);
    if (at == NULL) {
        return GS_ENOMEM;
    }
    (void)push_frame(link, at, gs_slice_make("", 0), TAG_GOODBYE);
    link->said_goodbye = true;
    return 0;
}

int gs_link_set_trust(struct gs_link *link, const struct gs_trust *trust) {
    link->handshake.trust = trust;
    if (link->state == HANDSHAKE) {
        return 0;
    }
    const struct gs_trust_entry *entry = trust != NULL ? gs_trust_find_key(trust, &link->handshake.peer_key) : NULL;
    return entry == NULL || entry->revoked ? GS_EUNTRUSTED : 0;
}

bool gs_link_established(const struct gs_link *link) {
    return link->state != HANDSHAKE;
}

bool gs_link_met_itself(const struct gs_link *link) {
    return link->handshake.met_itself;
}
