#include "gossip/member.h"

#include "gossip/bytes.h"

#include <globalstate/codec.h>

#include <string.h>

static const char context[] = "globalstate/member/v1";

enum {
    VERSION = 1,
    KEY_AT = 1 + GS_CLUSTER_SIZE,
    NUMBER_AT = KEY_AT + GS_PUBLIC_KEY_SIZE,
    INTENT_AT = NUMBER_AT + 8,
    LENGTH_AT = INTENT_AT + 1
};

_Static_assert(LENGTH_AT + 2 == GS_MEMBER_HEAD_SIZE, "the head's fields fill it");

bool gs_member_address_valid(const char *text, size_t length) {
    if (length < 1 || length > GS_MEMBER_ADDRESS_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (c == '\0' || strchr("._:%-[]", c) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool valid(const struct gs_member *member) {
    if (member->head.number < 1 || member->head.number > GS_MEMBER_NUMBER_MAX ||
        member->address_count > GS_MEMBER_ADDRESSES_MAX ||
        !gs_region_name_valid(member->region, strlen(member->region))) {
        return false;
    }
    for (uint32_t i = 0; i < member->address_count; i++) {
        if (!gs_member_address_valid(member->addresses[i], strlen(member->addresses[i]))) {
            return false;
        }
    }
    return true;
}

static void write_body(const struct gs_member *member, struct gs_buffer *out) {
    gs_write_array(out, 2);
    gs_write_str(out, member->region, strlen(member->region));
    gs_write_array(out, member->address_count);
    for (uint32_t i = 0; i < member->address_count; i++) {
        gs_write_str(out, member->addresses[i], strlen(member->addresses[i]));
    }
}

int gs_member_write(const struct gs_member *member, const gs_cluster *cluster, const struct gs_key_pair *keys,
                    struct gs_buffer *out) {
    uint8_t head[GS_MEMBER_HEAD_SIZE] = {VERSION};
    uint8_t signature[GS_SIGNATURE_SIZE];
    struct gs_buffer bytes = {0};
    gs_hash hash;
    if (!valid(member)) {
        return GS_EINVAL;
    }
    memcpy(head + 1, cluster->bytes, GS_CLUSTER_SIZE);
    memcpy(head + KEY_AT, member->head.key.bytes, GS_PUBLIC_KEY_SIZE);
    gs_put_be(head + NUMBER_AT, member->head.number, 8);
    head[INTENT_AT] = (uint8_t)member->head.intent;
    gs_buffer_append(&bytes, head, sizeof head);
    write_body(member, &bytes);
    if (bytes.failed == 0) {
        gs_put_be(bytes.bytes + LENGTH_AT, bytes.length - sizeof head, 2);
        gs_hash_bytes("gs-member-v1", bytes.bytes, bytes.length, &hash);
        gs_sign(keys, context, &hash, signature);
        gs_buffer_append(&bytes, signature, sizeof signature);
    }
    int error = bytes.failed;
    if (error == 0) {
        gs_buffer_append(out, bytes.bytes, bytes.length);
        error = out->failed;
    }
    gs_buffer_close(&bytes);
    return error;
}

int gs_member_read_head(struct gs_slice bytes, const gs_cluster *cluster, struct gs_member_head *ret_head) {
    struct gs_member_head head = {.number = 0};
    if (bytes.length < GS_MEMBER_HEAD_SIZE + GS_SIGNATURE_SIZE || bytes.length > GS_MEMBER_BYTES_MAX) {
        return GS_EFORMAT;
    }
    if (bytes.bytes[0] != VERSION) {
        return GS_EVERSION;
    }
    size_t body = (size_t)gs_get_be(bytes.bytes + LENGTH_AT, 2);
    uint8_t intent = bytes.bytes[INTENT_AT];
    head.number = gs_get_be(bytes.bytes + NUMBER_AT, 8);
    if (GS_MEMBER_HEAD_SIZE + body + GS_SIGNATURE_SIZE != bytes.length || head.number < 1 ||
        head.number > GS_MEMBER_NUMBER_MAX || (intent != GS_MEMBER_ALIVE && intent != GS_MEMBER_LEAVING)) {
        return GS_EFORMAT;
    }
    if (memcmp(bytes.bytes + 1, cluster->bytes, GS_CLUSTER_SIZE) != 0) {
        return GS_ECLUSTER;
    }
    head.intent = (enum gs_member_intent)intent;
    memcpy(head.key.bytes, bytes.bytes + KEY_AT, GS_PUBLIC_KEY_SIZE);
    *ret_head = head;
    return 0;
}

/* Copies a str into a char array that has room for `max` bytes and a NUL. */
static size_t read_text(struct gs_reader *reader, char *ret_text, size_t max) {
    struct gs_slice text = gs_read_str(reader, max);
    if (text.length > 0) {
        memcpy(ret_text, text.bytes, text.length);
    }
    ret_text[text.length] = '\0';
    return text.length;
}

static int read_body(struct gs_slice body, struct gs_member *member) {
    struct gs_reader reader;
    gs_reader_init(&reader, body.bytes, body.length);
    gs_read_array_exact(&reader, 2);
    if (!gs_region_name_valid(member->region, read_text(&reader, member->region, GS_REGION_NAME_MAX))) {
        gs_reader_fail(&reader, GS_EFORMAT);
    }
    member->address_count = gs_read_array(&reader, GS_MEMBER_ADDRESSES_MAX);
    for (uint32_t i = 0; i < member->address_count && reader.error == 0; i++) {
        size_t length = read_text(&reader, member->addresses[i], GS_MEMBER_ADDRESS_MAX);
        if (!gs_member_address_valid(member->addresses[i], length)) {
            gs_reader_fail(&reader, GS_EFORMAT);
        }
    }
    return gs_reader_finish(&reader) == 0 ? 0 : GS_EFORMAT;
}

int gs_member_read(struct gs_slice bytes, const gs_cluster *cluster, struct gs_member *ret_member) {
    struct gs_member member = {.address_count = 0};
    gs_hash hash;
    int error = gs_member_read_head(bytes, cluster, &member.head);
    if (error != 0) {
        return error;
    }
    size_t covered = bytes.length - GS_SIGNATURE_SIZE;
    gs_hash_bytes("gs-member-v1", bytes.bytes, covered, &hash);
    error = gs_verify(&member.head.key, context, &hash, bytes.bytes + covered);
    if (error == 0) {
        error = read_body(gs_slice_make(bytes.bytes + GS_MEMBER_HEAD_SIZE, covered - GS_MEMBER_HEAD_SIZE), &member);
    }
    if (error == 0) {
        *ret_member = member;
    }
    return error;
}

bool gs_member_same(const struct gs_member *a, const struct gs_member *b) {
    bool same = a->head.intent == b->head.intent && memcmp(&a->head.key, &b->head.key, sizeof a->head.key) == 0 &&
                strcmp(a->region, b->region) == 0 && a->address_count == b->address_count;
    for (uint32_t i = 0; same && i < a->address_count; i++) {
        same = strcmp(a->addresses[i], b->addresses[i]) == 0;
    }
    return same;
}
