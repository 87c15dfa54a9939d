/* Links: two ends, and a wire that does what the input says. Whatever it does, the responder believes only in the peer
 * that is there, takes only the messages that were sent, in order and whole, and reserves no more than arrives.
 *
 * The input is a list of actions, `amount << 2 | kind`:
 *   0  as many bytes as `amount` squared pass to the responder
 *   1  one byte passes, changed by the byte that follows the action
 *   2  `amount` bytes that follow the action arrive although nobody sent them
 *   3  what the responder said passes to the initiator, which then, if it can, sends a message of `amount` squared
 * bytes */
#include "tests/fuzz/fuzz.h"

#include "gossip/link.h"

#include <sodium.h>
#include <string.h>

enum { MESSAGES_MAX = 64, FACTOR = 4 };

struct scene {
    struct gs_key_pair keys[2];
    struct gs_trust trust;
    struct fuzz_count count;
    struct gs_memory memory; /* of the responder */
    struct gs_link *initiator;
    struct gs_link *responder;
    struct gs_buffer to_responder;
    size_t passed; /* of to_responder */
    struct gs_buffer to_initiator;
    size_t arrived; /* bytes that the responder was given */
    size_t sent[MESSAGES_MAX];
    uint32_t sent_count;
    uint32_t received_count;
    int error; /* of the responder */
};

/* The stream's header is drawn by libsodium itself: the same every time, so that an input does the same again. */
static const char *source_name(void) {
    return "fuzz";
}

static uint32_t source_random(void) {
    return 0x5EED5EED;
}

static void source_buffer(void *bytes, const size_t size) {
    memset(bytes, 0x5E, size);
}

static struct randombytes_implementation source = {
    .implementation_name = source_name, .random = source_random, .buf = source_buffer};

static struct gs_link *open_link(struct scene *scene, enum gs_link_role role) {
    struct gs_link *link = NULL;
    bool dials = role == GS_LINK_INITIATOR;
    struct gs_link_config config = {.role = role,
                                    .keys = &scene->keys[dials ? 0 : 1],
                                    .trust = &scene->trust,
                                    .cluster = gs_cluster_from_name("fuzz"),
                                    .memory = dials ? NULL : &scene->memory};
    memset(config.seed, dials ? 1 : 2, sizeof config.seed);
    FUZZ_REQUIRE(gs_link_new(&config, &scene->to_responder, &link) == 0);
    return link;
}

static void open_scene(struct scene *scene) {
    static struct gs_key_pair keys[2];
    static struct gs_trust trust;
    if (trust.count == 0) {
        char text[128];
        char base64[2][45];
        FUZZ_REQUIRE(randombytes_set_implementation(&source) == 0 && sodium_init() >= 0);
        for (uint8_t i = 0; i < 2; i++) {
            uint8_t seed[GS_SEED_SIZE];
            memset(seed, 11 * (i + 1), sizeof seed);
            gs_key_pair_from_seed(seed, &keys[i]);
            gs_public_key_text(&keys[i].public_key, base64[i]);
        }
        int length = snprintf(text, sizeof text, "a %s\nb %s\n", base64[0], base64[1]);
        FUZZ_REQUIRE(gs_trust_parse(text, (size_t)length, &trust, NULL) == 0);
    }
    *scene = (struct scene){.trust = trust, .keys = {keys[0], keys[1]}};
    scene->memory = fuzz_memory(&scene->count);
    scene->initiator = open_link(scene, GS_LINK_INITIATOR);
    scene->responder = open_link(scene, GS_LINK_RESPONDER);
}

static void close_scene(struct scene *scene) {
    gs_link_free(scene->initiator);
    gs_link_free(scene->responder);
    gs_buffer_close(&scene->to_responder);
    gs_buffer_close(&scene->to_initiator);
    FUZZ_REQUIRE(scene->count.now == 0 && scene->memory.used == 0);
}

static void take_message(struct scene *scene, struct gs_slice message) {
    FUZZ_REQUIRE(scene->received_count < scene->sent_count);
    FUZZ_REQUIRE(message.length == scene->sent[scene->received_count]);
    for (size_t i = 0; i < message.length; i++) {
        FUZZ_REQUIRE(message.bytes[i] == (uint8_t)(i + scene->received_count));
    }
    scene->received_count++;
}

static void arrive(struct scene *scene, const uint8_t *bytes, size_t length) {
    struct gs_slice input = gs_slice_make(bytes, length);
    struct gs_link_event event;
    scene->arrived += length;
    do {
        event.kind = GS_LINK_NOTHING;
        int error = gs_link_receive(scene->responder, &input, &scene->to_initiator, &event);
        FUZZ_REQUIRE(scene->error == 0 || error == scene->error); /* dead is dead */
        scene->error = error;
        fuzz_require_within(&scene->count, scene->arrived, FACTOR);
        if (error == 0 && event.kind == GS_LINK_ESTABLISHED) {
            FUZZ_REQUIRE(memcmp(&event.key, &scene->keys[0].public_key, sizeof event.key) == 0);
        } else if (error == 0 && event.kind == GS_LINK_MESSAGE) {
            take_message(scene, event.message);
        }
    } while (scene->error == 0 && event.kind != GS_LINK_NOTHING);
    FUZZ_REQUIRE(scene->error != 0 || input.length == 0);
}

static void pass(struct scene *scene, size_t amount, uint8_t change) {
    size_t waiting = scene->to_responder.length - scene->passed;
    amount = amount < waiting ? amount : waiting;
    if (amount > 0) {
        scene->to_responder.bytes[scene->passed] ^= change;
        scene->passed += amount;
        arrive(scene, scene->to_responder.bytes + scene->passed - amount, amount);
    }
}

/* The way back is an honest one; but what the responder answers to may be something else than was said. */
static void answer(struct scene *scene, size_t size) {
    static uint8_t message[64 * 64];
    struct gs_slice input = gs_slice_make(scene->to_initiator.bytes, scene->to_initiator.length);
    struct gs_link_event event;
    int error = scene->error;
    do {
        event.kind = GS_LINK_NOTHING;
        error = error != 0 ? error : gs_link_receive(scene->initiator, &input, &scene->to_responder, &event);
    } while (error == 0 && event.kind != GS_LINK_NOTHING);
    scene->to_initiator.length = 0;
    FUZZ_REQUIRE(error == 0 || scene->error != 0 || scene->received_count == 0);
    if (error == 0 && gs_link_established(scene->initiator) && scene->sent_count < MESSAGES_MAX) {
        for (size_t i = 0; i < size; i++) {
            message[i] = (uint8_t)(i + scene->sent_count);
        }
        scene->sent[scene->sent_count++] = size;
        FUZZ_REQUIRE(gs_link_send(scene->initiator, message, size, &scene->to_responder) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct scene scene;
    open_scene(&scene);
    while (size > 0) {
        size_t amount = data[0] >> 2;
        int kind = data[0] & 3;
        data++;
        size--;
        if (kind == 0) {
            pass(&scene, amount * amount, 0);
        } else if (kind == 1 && size > 0) {
            pass(&scene, 1, data[0]);
            data++;
            size--;
        } else if (kind == 2) {
            amount = amount < size ? amount : size;
            if (amount > 0) {
                arrive(&scene, data, amount);
            }
            data += amount;
            size -= amount;
        } else if (kind == 3) {
            answer(&scene, amount * amount);
        }
    }
    close_scene(&scene);
    return 0;
}
