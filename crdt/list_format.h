/* Lists in state encodings (crdt/FORMAT.md). A list may be NULL where it is only read. */
#ifndef GS_CRDT_LIST_FORMAT_H
#define GS_CRDT_LIST_FORMAT_H

#include "crdt/list.h"
#include "crdt/type.h"

void gs_list_encode(const struct gs_list *list, const struct gs_encoding *encoding);
/* Reads the full form into an empty list; errors stay in the reader. */
void gs_list_decode(struct gs_list *list, struct gs_decoding *decoding);
/* The origins of what others hang on and has not arrived: they may not be in the context. */
int gs_list_visit_origins(const struct gs_list *list, gs_origin_visit_fn visit, void *context);

#endif
