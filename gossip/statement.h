/* Statements of instances: "I run, and this key is mine" (gossip/FORMAT.md, "Statements").
 *
 * An instance is one run of a node's process, named by 16 random bytes. Two instances of one key that live at the same
 * time would write one origin twice; a statement that names the other one proves that its author was alive after the
 * other had begun, since nobody can guess the name before. Only the holder of the key can make one. */
#ifndef GS_GOSSIP_STATEMENT_H
#define GS_GOSSIP_STATEMENT_H

#include "gossip/identity.h"

#include <stdbool.h>

enum { GS_INSTANCE_SIZE = 16 };

typedef struct {
    uint8_t bytes[GS_INSTANCE_SIZE];
} gs_instance;

struct gs_statement {
    gs_public_key key;
    gs_instance instance;
    uint64_t started_ms; /* wall clock of the start; only compared between instances of one key */
    gs_instance rival;   /* another instance of the same key that the author has heard of; zeros if none */
    uint8_t signature[GS_SIGNATURE_SIZE];
};

bool gs_instance_equal(const gs_instance *a, const gs_instance *b);
/* Negative if `a` began before `b`, by the clock, then by name. 0 only for the same instance. */
int gs_statement_compare(const struct gs_statement *a, const struct gs_statement *b);

/* The same in all, signature included. */
bool gs_statement_equal(const struct gs_statement *a, const struct gs_statement *b);

/* Signs: everything but `signature` is set; `keys` are those of `key`. */
void gs_statement_sign(struct gs_statement *statement, const gs_cluster *cluster, const struct gs_key_pair *keys);
/* 0 or GS_ESIGNATURE. */
int gs_statement_verify(const struct gs_statement *statement, const gs_cluster *cluster);

#endif
