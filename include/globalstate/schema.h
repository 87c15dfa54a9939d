/* Schemas: which type a field is to have before anyone has written to it.
 *
 * Without a schema an op on an absent field creates the type that it implies ("add" a set, "set" a register). A schema
 * says otherwise: a remove-wins set, a bounded counter with its bound. It only ever decides what is created; a field
 * that is there keeps the type that its deltas carry, so replicas with different schemas still agree. */
#ifndef GLOBALSTATE_SCHEMA_H
#define GLOBALSTATE_SCHEMA_H

#include <globalstate/delta.h>

struct gs_schema_field {
    struct gs_path path; /* a name of "*" stands for any name */
    enum gs_type type;
    int64_t bound;   /* bounded_counter: the least value */
    int64_t initial; /* bounded_counter: the value to begin with, >= bound */
};

struct gs_schema {
    uint32_t count;
    const struct gs_schema_field *fields; /* borrowed; the first that fits a path decides */
};

/* What the schema (which may be NULL) says of `path`, or NULL. */
const struct gs_schema_field *gs_schema_find(const struct gs_schema *schema, const struct gs_path *path);

#endif
