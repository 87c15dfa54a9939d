/* Paths and names, as prepare, diff and the decoders need them. */
#ifndef GS_CRDT_PATH_H
#define GS_CRDT_PATH_H

#include <globalstate/delta.h>

/* True if `name` may name a field: at most GS_NAME_BYTES_MAX bytes, no U+0000 (the JSON reader refuses it in keys).
 * That it is UTF-8, str readers have checked. */
bool gs_name_valid(struct gs_slice name);
/* Order of paths: name by name, by bytes, a prefix first. */
int gs_path_compare(const struct gs_path *a, const struct gs_path *b);
/* `path` and one name more, in `arena`; `name` is borrowed. 0 or GS_ENOMEM. */
int gs_path_append(const struct gs_path *path, struct gs_slice name, struct gs_arena *arena, struct gs_path *ret_path);
/* Checks depth and names: 0, GS_EDEPTH, GS_ETOOBIG, GS_EPATH. */
int gs_path_check(const struct gs_path *path);
/* The next value of any depth; iterative, so that a document may nest deeper than a value. Empty on error. */
struct gs_slice gs_read_nested(struct gs_reader *reader);

#endif
