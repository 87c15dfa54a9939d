/* A hash table of intrusive entries with byte-string keys. Names come from clients, so the hash is keyed (SipHash):
 * nobody can choose names that collide. Grows by doubling; lookup, insertion and removal take constant time on average.
 */
#ifndef GS_NODE_CORE_TABLE_H
#define GS_NODE_CORE_TABLE_H

#include <globalstate/memory.h>

struct gs_table_entry {
    struct gs_table_entry *next;
    uint64_t hash;
    struct gs_slice key; /* borrowed: lives as long as the entry is in the table */
};

struct gs_table {
    struct gs_table_entry **buckets; /* owned */
    size_t bucket_count;             /* a power of two, or 0 */
    size_t count;
    uint8_t secret[16]; /* set before the first use */
};

/* Frees the buckets; entries belong to their owner. */
void gs_table_close(struct gs_table *table);
struct gs_table_entry *gs_table_find(const struct gs_table *table, struct gs_slice key);
/* Adds an entry whose key is set and is not in the table. 0 or GS_ENOMEM. */
int gs_table_insert(struct gs_table *table, struct gs_table_entry *entry);
/* Takes an entry out that is in the table. */
void gs_table_remove(struct gs_table *table, struct gs_table_entry *entry);
/* Walks all entries: pass NULL first, then the last result; NULL at the end. The table must not change meanwhile. */
struct gs_table_entry *gs_table_next(const struct gs_table *table, const struct gs_table_entry *entry);

#endif
