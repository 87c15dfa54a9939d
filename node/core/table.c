#include "node/core/table.h"

#include <globalstate/error.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 64 };

static uint64_t hash_key(const struct gs_table *table, struct gs_slice key) {
    _Static_assert(sizeof table->secret == crypto_shorthash_KEYBYTES, "the secret is SipHash's key");
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;
    crypto_shorthash(out, key.bytes, key.length, table->secret);
    memcpy(&hash, out, sizeof hash);
    return hash;
}

static struct gs_table_entry **bucket_of(const struct gs_table *table, uint64_t hash) {
    return &table->buckets[hash & (table->bucket_count - 1)];
}

void gs_table_close(struct gs_table *table) {
    free(table->buckets);
    table->buckets = NULL;
    table->bucket_count = 0;
    table->count = 0;
}

struct gs_table_entry *gs_table_find(const struct gs_table *table, struct gs_slice key) {
    if (table->count == 0) {
        return NULL;
    }
    uint64_t hash = hash_key(table, key);
    struct gs_table_entry *entry = *bucket_of(table, hash);
    while (entry != NULL && (entry->hash != hash || gs_slice_compare(entry->key, key) != 0)) {
        entry = entry->next;
    }
    return entry;
}

static int grow(struct gs_table *table) {
    size_t old_count = table->bucket_count;
    size_t count = old_count == 0 ? BUCKETS_MIN : old_count * 2;
    struct gs_table_entry **old = table->buckets;
    struct gs_table_entry **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL) {
        return GS_ENOMEM;
    }
    table->buckets = buckets;
    table->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        struct gs_table_entry *entry = old[i];
        while (entry != NULL) {
            struct gs_table_entry *next = entry->next;
            struct gs_table_entry **bucket = bucket_of(table, entry->hash);
            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    free(old);
    return 0;
}

int gs_table_insert(struct gs_table *table, struct gs_table_entry *entry) {
    /* A table that cannot grow still works, only slower; one without buckets cannot. */
    if (table->count >= table->bucket_count && grow(table) != 0 && table->bucket_count == 0) {
        return GS_ENOMEM;
    }
    entry->hash = hash_key(table, entry->key);
    struct gs_table_entry **bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    table->count++;
    return 0;
}

void gs_table_remove(struct gs_table *table, struct gs_table_entry *entry) {
    struct gs_table_entry **link = bucket_of(table, entry->hash);
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    table->count--;
}

struct gs_table_entry *gs_table_next(const struct gs_table *table, const struct gs_table_entry *entry) {
    size_t bucket = 0;
    if (entry != NULL) {
        if (entry->next != NULL) {
            return entry->next;
        }
        bucket = (entry->hash & (table->bucket_count - 1)) + 1;
    }
    while (bucket < table->bucket_count && table->buckets[bucket] == NULL) {
        bucket++;
    }
    return bucket < table->bucket_count ? table->buckets[bucket] : NULL;
}
