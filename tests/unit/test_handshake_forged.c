/* Answers written after gossip/HANDSHAKE.md, without our code: what is forged right is accepted, so that what is forged
 * wrong is refused for the reason that the test names. */
#include "link_fixture.h"

#include "gossip/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

enum { M1_SIZE = 4 + 58, M2_SIZE = 4 + 177, M3_SIZE = 4 + 144, EPHEMERAL_IN_M1 = 4 + 8 + 2 + 16 };

static struct fixture fixture;

/* How the forger departs from the document. */
struct forgery {
    uint8_t version;
    bool bad_mac, bad_signature_context, bad_label;
    const char *low_order; /* in place of its ephemeral; the shared secret is then zero, as an attacker knows */
};

static void forger_derive(const uint8_t key[32], const char *label, const uint8_t th[32], uint8_t ret[32]) {
    uint8_t input[128];
    size_t length = strlen(label) + 1;
    memcpy(input, label, length);
    memcpy(input + length, th, 32);
    crypto_generichash(ret, 32, input, length + 32, key, 32);
}

/* BOB's M2 as an answer to `m1`. */
static void forge_m2(const struct gs_buffer *m1, const struct forgery *f, uint8_t ret_m2[M2_SIZE]) {
    uint8_t secret[32], shared[32] = {0}, th[32], master[32], key[32], transcript[M1_SIZE + 37], signed_bytes[64 + 32];
    uint8_t proof[128];
    memset(secret, 7, sizeof secret);
    gs_put_be(ret_m2, M2_SIZE - 4, 4);
    ret_m2[4] = f->version;
    crypto_scalarmult_base(ret_m2 + 5, secret);
    if (f->low_order != NULL) {
        assert_int_equal(sodium_hex2bin(ret_m2 + 5, 32, f->low_order, 64, NULL, NULL, NULL), 0);
    } else {
        assert_int_equal(crypto_scalarmult(shared, secret, m1->bytes + EPHEMERAL_IN_M1), 0);
    }
    memcpy(transcript, m1->bytes, M1_SIZE);
    memcpy(transcript + M1_SIZE, ret_m2, 37);
    crypto_generichash(th, 32, transcript, sizeof transcript, NULL, 0);
    forger_derive(shared, "globalstate/link/v1 master", th, master);
    memcpy(proof, &fixture.keys[BOB].public_key, 32);
    const char *context = f->bad_signature_context ? "globalstate/link/v1 initiator" : "globalstate/link/v1 responder";
    size_t context_length = strlen(context) + 1;
    memcpy(signed_bytes, context, context_length);
    memcpy(signed_bytes + context_length, th, 32);
    crypto_sign_detached(proof + 32, NULL, signed_bytes, context_length + 32, fixture.keys[BOB].secret_key);
    forger_derive(master, "globalstate/link/v1 responder mac", th, key);
    crypto_generichash(proof + 96, 32, proof, 32, key, 32);
    proof[96] ^= f->bad_mac;
    forger_derive(master, f->bad_label ? "globalstate/link/v1 initiator seal" : "globalstate/link/v1 responder seal",
                  th, key);
    crypto_aead_chacha20poly1305_ietf_encrypt(ret_m2 + 37, NULL, proof, 128, th, 32, NULL, (const uint8_t[12]){0}, key);
}

static int receive_forgery(const struct forgery *forgery) {
    struct gs_buffer m1 = {.length = 0};
    struct gs_buffer m3 = {.length = 0};
    struct seen seen = {.messages = 0};
    uint8_t m2[M2_SIZE];
    struct gs_link *alice = fixture_link(&fixture, GS_LINK_INITIATOR, ALICE, 1, &m1);
    forge_m2(&m1, forgery, m2);
    int error = feed(alice, m2, sizeof m2, &m3, &seen);
    assert_int_equal(seen.established, error == 0);
    assert_int_equal(m3.length, error == 0 ? M3_SIZE + 4 + 24 : 0);
    gs_link_free(alice);
    gs_buffer_close(&m1);
    gs_buffer_close(&m3);
    return error;
}

static void each_part_of_a_proof_is_needed(void **state) {
    (void)state;
    assert_int_equal(receive_forgery(&(struct forgery){.version = 1}), 0);
    assert_int_equal(receive_forgery(&(struct forgery){.version = 2}), GS_EHANDSHAKE);
    assert_int_equal(receive_forgery(&(struct forgery){.version = 1, .bad_mac = true}), GS_EHANDSHAKE);
    assert_int_equal(receive_forgery(&(struct forgery){.version = 1, .bad_signature_context = true}), GS_EHANDSHAKE);
    assert_int_equal(receive_forgery(&(struct forgery){.version = 1, .bad_label = true}), GS_EHANDSHAKE);
    for (int i = 0; i < FIXTURE_LOW_ORDER; i++) {
        assert_int_equal(receive_forgery(&(struct forgery){.version = 1, .low_order = fixture_low_order[i]}),
                         GS_EHANDSHAKE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_of_a_proof_is_needed),
    };
    if (sodium_init() < 0) {
        return 1;
    }
    fixture_init(&fixture);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
