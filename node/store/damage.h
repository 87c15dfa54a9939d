/* Damage in a stored log: which records are not what was appended, and what has to be put in their place.
 *
 *     gs_damage_begin → gs_damage_row for every row, in order → gs_damage_end
 *       → for each gap: gs_damage_next, ask somebody, gs_damage_take
 *       → gs_damage_place → gs_store_methods.heal
 *
 * A row is damaged if its checksum does not match (or, in a second, thorough walk, which the first one asks for when
 * chains do not fit, if its batch is not signed by its origin), or if it is not there although later ones are. What is
 * missing is told by the rows around it: a gap in an origin's chain, with the hash that the chain has on either side. A
 * record whose own signature and data hold although its row does not match is put back as it is.
 *
 * Nothing is taken into a gap but records that their origin has signed, that continue the chain from the hash before
 * the gap, and end in the hash after it. The end of an origin's log has nothing after it: there as many records are
 * taken as rows are damaged. No clock, no I/O; one thread at a time. */
#ifndef GS_NODE_STORE_DAMAGE_H
#define GS_NODE_STORE_DAMAGE_H

#include "gossip/batch.h"
#include "gossip/trust.h"
#include "node/store/store.h"

enum { GS_DAMAGED_MAX = 16384 /* rows; a log with more is beyond this kind of help */ };

struct gs_damaged_row {
    uint64_t position;
    bool named; /* origin and seqs are what its columns or its record say; not to be relied upon */
    gs_origin origin;
    uint64_t first_seq, last_seq;
    struct gs_buffer record; /* to be put there, once it is known; owned */
};

/* Events of one origin that no sound row has. */
struct gs_damage_gap {
    gs_origin origin;
    struct gs_head at;         /* what there is: the sound record before the gap (seq 0: none), then what was taken */
    uint64_t until;            /* its last event; 0: it is the end of the origin's log */
    gs_hash until_hash;        /* of the batch that ends there, if until is not 0 */
    uint32_t rows;             /* until 0: records that are wanted at least, … */
    uint64_t hint;             /* … up to this event, if there is such a one */
    uint64_t above, below;     /* its records belong between these positions */
    struct gs_buffer *records; /* taken, in order; owned */
    uint32_t record_count, record_capacity;
    bool complete;
};

/* The sound part of an origin's log so far. */
struct gs_damage_walk {
    struct gs_head head;
    uint64_t position;
};

/* Zero-initialise; gs_damage_close ends it. */
struct gs_damage {
    gs_cluster cluster;
    const struct gs_trust *trust; /* borrowed */
    bool thorough;                /* every batch's signature is checked */
    bool suspicious;              /* chains do not fit although every checksum matches: walk again, thoroughly */
    bool hopeless;                /* what is there cannot be put right this way */
    uint64_t next_position;
    struct gs_damage_walk *walks; /* owned; sorted by origin */
    uint32_t walk_count, walk_capacity;
    struct gs_damaged_row *rows; /* owned; by position */
    uint32_t row_count, row_capacity;
    struct gs_damage_gap *gaps; /* owned */
    uint32_t gap_count, gap_capacity;
};

/* `base`: heads before which the log has been cut off, with their hashes; NULL: it has not. 0 or GS_ENOMEM. */
int gs_damage_begin(struct gs_damage *damage, const gs_cluster *cluster, const struct gs_trust *trust,
                    const struct gs_vector *base, uint64_t base_position, bool thorough);
/* The next row. 0, GS_ENOMEM, or GS_ETOOBIG (more than GS_DAMAGED_MAX). */
int gs_damage_row(struct gs_damage *damage, const struct gs_stored_row *row);
/* There are no more rows. */
int gs_damage_end(struct gs_damage *damage);

/* The first gap that is not complete, or NULL. */
struct gs_damage_gap *gs_damage_next(struct gs_damage *damage);
/* Records that somebody sent for it (none: there are no more): how many were taken (0: nothing that helps), GS_ENOMEM,
 * or, if what was sent is not the origin's history, GS_ESIGNATURE, GS_ECHAIN, GS_EFORMAT; then nothing was taken. */
int gs_damage_take(struct gs_damage *damage, struct gs_damage_gap *gap, const struct gs_slice *records, uint32_t count);

/* All gaps are complete: gives every damaged row its record. 0; GS_ECORRUPT: they do not fit. */
int gs_damage_place(struct gs_damage *damage);

void gs_damage_close(struct gs_damage *damage);

#endif
