/* Member records: nothing unsigned is decoded; what a key has signed decodes to what encodes to the same bytes.
 *
 * The first byte decides: the rest as it is, or signed, as a body with a head of ours in front. */
#include "tests/fuzz/fuzz.h"

#include "gossip/bytes.h"
#include "gossip/member.h"

#include <string.h>

static const gs_cluster cluster = {{1, 2, 3}};

static struct gs_key_pair make_keys(void) {
    static const uint8_t seed[GS_SEED_SIZE] = {7};
    struct gs_key_pair keys;
    gs_key_pair_from_seed(seed, &keys);
    return keys;
}

static void check(struct gs_slice bytes, const struct gs_key_pair *keys, bool is_signed) {
    struct gs_member_head head;
    struct gs_member member;
    struct gs_buffer again = {0};
    bool has_head = gs_member_read_head(bytes, &cluster, &head) == 0;
    int error = gs_member_read(bytes, &cluster, &member);
    FUZZ_REQUIRE(has_head || error != 0);
    FUZZ_REQUIRE(is_signed || error != 0); /* nobody finds a signature by chance */
    if (error == 0) {
        FUZZ_REQUIRE(memcmp(&member.head.key, &head.key, sizeof head.key) == 0 && member.head.number == head.number);
        FUZZ_REQUIRE(gs_member_same(&member, &member));
        FUZZ_REQUIRE(gs_member_write(&member, &cluster, keys, &again) == 0);
        fuzz_require_equal(&again, bytes.bytes, bytes.length);
    }
    gs_buffer_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct gs_key_pair keys;
    static const uint8_t none[GS_PUBLIC_KEY_SIZE];
    struct gs_buffer bytes = {0};
    if (memcmp(&keys.public_key, none, sizeof none) == 0) {
        keys = make_keys();
    }
    if (size < 10 || size > UINT16_MAX) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        check(gs_slice_make(data + 1, size - 1), &keys, false);
        return 0;
    }
    /* number 8, intent 1, body */
    gs_buffer_byte(&bytes, 1);
    gs_buffer_append(&bytes, cluster.bytes, sizeof cluster.bytes);
    gs_buffer_append(&bytes, keys.public_key.bytes, sizeof keys.public_key.bytes);
    gs_buffer_append(&bytes, data + 1, 9);
    uint8_t length[2];
    gs_put_be(length, size - 10, 2);
    gs_buffer_append(&bytes, length, sizeof length);
    gs_buffer_append(&bytes, data + 10, size - 10);
    gs_hash hash;
    uint8_t signature[GS_SIGNATURE_SIZE];
    gs_hash_bytes("gs-member-v1", bytes.bytes, bytes.length, &hash);
    gs_sign(&keys, "globalstate/member/v1", &hash, signature);
    gs_buffer_append(&bytes, signature, sizeof signature);
    check(gs_slice_make(bytes.bytes, bytes.length), &keys, true);
    gs_buffer_close(&bytes);
    return 0;
}
