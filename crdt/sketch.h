/* HyperLogLog sketch: how many distinct values were observed, to about 2.3 %, in at most some 33 KB (Flajolet, Fusy,
 * Gandouet, Meunier 2007; the estimate by Ertl 2017).
 *
 * A value is hashed; the first GS_SKETCH_PRECISION bits of the hash pick one of 2^11 = 2,048 registers, and the number
 * of zeros at the beginning of the other 53 bits, plus one, is the value's rank there. A register's rank is the
 * greatest of its entries. The standard error is 1.04 / sqrt(2048) = 2.3 %.
 *
 * An entry is one observation that raised a register when it was made, under its dot. It goes when a greater one that
 * saw it comes, or an unset that saw it; so a register has one entry, and one for each origin more that observed
 * something for it at the same time. Entries are 16 bytes, in one array sorted by (register, dot); the origins in them
 * are numbered by the sketch. Finding a register is O(log n); an insertion moves what comes behind it. */
#ifndef GS_CRDT_SKETCH_H
#define GS_CRDT_SKETCH_H

#include "crdt/dot_set.h"

#include <globalstate/codec.h>

enum {
    GS_SKETCH_PRECISION = 11,
    GS_SKETCH_REGISTERS = 1 << GS_SKETCH_PRECISION,
    GS_SKETCH_RANK_MAX = 64 - GS_SKETCH_PRECISION + 1,
    GS_SKETCH_ORIGINS_MAX = 1 << 15 /* that a sketch may hold at once: what its entries have room for */
};

struct gs_sketch_entry {
    uint64_t seq;
    uint32_t index;
    uint32_t slot : 15; /* of the origin */
    uint32_t cell : 11; /* the register */
    uint32_t rank : 6;
};

/* Zero-initialise for the empty sketch. */
struct gs_sketch {
    struct gs_sketch_entry *entries; /* owned; sorted by (register, dot) */
    gs_origin *origins;              /* owned; by slot */
    uint16_t *order;                 /* owned; the slots, sorted by origin; as many as origins, same capacity */
    uint32_t count;
    uint32_t capacity;
    uint32_t origin_count; /* slots that no entry uses any more included */
    uint32_t origin_capacity;
};

/* What an observation says. */
struct gs_observation {
    uint32_t cell; /* < GS_SKETCH_REGISTERS */
    uint32_t rank; /* 1..GS_SKETCH_RANK_MAX */
};

/* True for a scalar, and for an array [register, rank], which an inverse writes to bring a register back. */
bool gs_is_observation(struct gs_slice value);
/* What a value that gs_is_observation accepts says. */
struct gs_observation gs_observation_read(struct gs_slice value);

void gs_sketch_close(struct gs_sketch *sketch, struct gs_memory *memory);
/* The entries of a register: `*ret_count` of them from the index that is returned. */
uint32_t gs_sketch_find(const struct gs_sketch *sketch, uint32_t cell, uint32_t *ret_count);
/* Index of the register's entry with this dot, or of where it would be; O(log entries). */
uint32_t gs_sketch_locate(const struct gs_sketch *sketch, uint32_t cell, const gs_dot *dot, bool *ret_found);
gs_dot gs_sketch_dot(const struct gs_sketch *sketch, const struct gs_sketch_entry *entry);
/* Adds an entry; nothing if the register has the dot. 0 or GS_ENOMEM, also for more than GS_SKETCH_ORIGINS_MAX origins
 * (then unchanged). */
int gs_sketch_add(struct gs_sketch *sketch, struct gs_memory *memory, const struct gs_observation *observation,
                  const gs_dot *dot);
/* Takes `dots`, sorted, from a register. */
void gs_sketch_subtract(struct gs_sketch *sketch, uint32_t cell, const gs_dot *dots, uint32_t count);
/* Keeps the entries of which `keep` says so. */
typedef bool (*gs_sketch_keep_fn)(const void *context, const struct gs_sketch_entry *entry, const gs_dot *dot);
void gs_sketch_filter(struct gs_sketch *sketch, gs_sketch_keep_fn keep, const void *context);
/* The entries of both, of one if the other has not seen its dot. 0 or GS_ENOMEM (then partly done). */
int gs_sketch_join(struct gs_sketch *sketch, const struct gs_sketch *other, const struct gs_joining *joining);

/* The rank of each register, 0 where there is none. */
void gs_sketch_ranks(const struct gs_sketch *sketch, uint8_t ret_ranks[GS_SKETCH_REGISTERS]);
/* How many distinct values were observed, about. */
int64_t gs_sketch_estimate(const struct gs_sketch *sketch);

#endif
