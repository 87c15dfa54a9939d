#include "node/cli/sync_check.h"

#include "gossip/attestation.h"
#include "gossip/trust.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/sync_show.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 4 * 1024 * 1024, DEPTH_MAX = 8 };

/* Exactly `size` bytes of a member in hexadecimal. */
static bool read_hex(struct gs_slice map, const char *member, uint8_t *ret_bytes, size_t size) {
    char text[2 * GS_SIGNATURE_SIZE + 2];
    size_t length = 0;
    gs_show_text(map, member, text, sizeof text);
    return strlen(text) == 2 * size && sodium_hex2bin(ret_bytes, size, text, 2 * size, NULL, &length, NULL) == 0 &&
           length == size;
}

static bool read_heads(struct gs_slice map, struct gs_vector *ret_vector) {
    struct gs_slice list = gs_map_get(map, "heads");
    struct gs_reader reader;
    gs_reader_init(&reader, list.bytes, list.length);
    uint32_t count = gs_value_kind(list) == GS_KIND_ARRAY ? gs_read_array(&reader, GS_VECTOR_MAX) : UINT32_MAX;
    bool ok = count != UINT32_MAX && reader.error == 0;
    for (uint32_t i = 0; ok && i < count; i++) {
        struct gs_slice item = gs_skip_value(&reader);
        struct gs_head head = {.seq = gs_show_number(item, "seq")};
        ok = read_hex(item, "origin", head.origin.bytes, GS_ORIGIN_SIZE) &&
             read_hex(item, "hash", head.hash.bytes, GS_HASH_SIZE) && gs_vector_set(ret_vector, &head) == 0;
    }
    return ok;
}

static const char *verify(struct gs_slice map, const struct gs_trust *trust, struct gs_vector *vector,
                          const struct gs_trust_entry **ret_entry) {
    struct gs_attestation attestation = {.vector = vector, .count = gs_show_number(map, "aggregates")};
    gs_cluster cluster;
    char key[64];
    gs_show_text(map, "key", key, sizeof key);
    if (gs_public_key_parse(key, strlen(key), &attestation.key) != 0 ||
        !read_hex(map, "cluster", cluster.bytes, GS_CLUSTER_SIZE) ||
        !read_hex(map, "root", attestation.root.bytes, GS_HASH_SIZE) ||
        !read_hex(map, "signature", attestation.signature, GS_SIGNATURE_SIZE) || !read_heads(map, vector)) {
        return "it is not a statement";
    }
    *ret_entry = gs_trust_find_key(trust, &attestation.key);
    if (*ret_entry == NULL) {
        return "the trust file does not know the key that signed it";
    }
    return gs_attestation_verify(&attestation, &cluster) == 0 ? NULL : "the signature does not hold";
}

static int check(struct gs_slice answer, const struct gs_trust *trust) {
    struct gs_slice statement = gs_map_get(answer, "statement");
    struct gs_slice map = gs_value_kind(statement) == GS_KIND_MAP ? statement : answer;
    struct gs_vector vector = {0};
    const struct gs_trust_entry *entry = NULL;
    char root[2 * GS_HASH_SIZE + 1];
    const char *wrong = verify(map, trust, &vector, &entry);
    if (wrong == NULL) {
        gs_show_text(map, "root", root, sizeof root);
        printf("%s%s signed that %llu aggregates with the root %s are its state, once this is applied:\n",
               entry->region, entry->revoked ? " (its key is revoked)" : "",
               (unsigned long long)gs_show_number(map, "aggregates"), root);
        for (uint32_t i = 0; i < vector.count; i++) {
            char origin[2 * GS_ORIGIN_SIZE + 1];
            sodium_bin2hex(origin, sizeof origin, vector.heads[i].origin.bytes, GS_ORIGIN_SIZE);
            printf("  %s  %llu\n", origin, (unsigned long long)vector.heads[i].seq);
        }
    }
    gs_vector_close(&vector);
    return wrong == NULL ? 0 : gs_cli_fail("sync", "%s", wrong);
}

int gs_cli_sync_check(const char *path, const char *trust_path) {
    struct gs_buffer text = {0};
    struct gs_buffer trust_text = {0};
    struct gs_buffer value = {0};
    struct gs_trust trust = {0};
    struct gs_problem problem = {0};
    int error = gs_file_read(path, FILE_MAX, &text, &problem);
    error = error != 0 ? error : gs_file_read(trust_path, FILE_MAX, &trust_text, &problem);
    error = error != 0 ? error : gs_trust_parse((const char *)trust_text.bytes, trust_text.length, &trust, &problem);
    error = error != 0 ? error : gs_json_parse((const char *)text.bytes, text.length, DEPTH_MAX, &value, &problem);
    int status = error != 0 ? gs_cli_fail("sync", "%s", problem.detail)
                            : check(gs_slice_make(value.bytes, value.length), &trust);
    gs_trust_close(&trust);
    gs_buffer_close(&value);
    gs_buffer_close(&trust_text);
    gs_buffer_close(&text);
    return status;
}
