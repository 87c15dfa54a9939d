/* The `state` document of the API, and the ETag that names it: of a live aggregate and of a rebuilt one alike.
 *
 * Pure: names of origins come from whoever knows them. */
#ifndef GS_NODE_CORE_DOCUMENT_H
#define GS_NODE_CORE_DOCUMENT_H

#include "node/core/view.h"

#include <globalstate/aggregate.h>

/* Appends the name of an origin as the API prints it. */
struct gs_namer {
    void (*write)(const void *context, const gs_origin *origin, struct gs_buffer *out);
    const void *context; /* borrowed */
};

/* All of it borrowed. */
struct gs_document {
    struct gs_slice type;
    struct gs_slice id;
    uint64_t version;
    gs_hlc updated;
    const char *region; /* that shows it */
    const struct gs_aggregate *aggregate;
};

/* Appends the whole object. GS_ENOMEM. */
int gs_document_write(const struct gs_document *document, struct gs_namer namer, struct gs_buffer *out);
/* The same without the closing brace: the caller adds members and closes it. */
int gs_document_write_open(const struct gs_document *document, struct gs_namer namer, struct gs_buffer *out);
/* Appends {"eu-west":12,…} of a causal context. */
void gs_document_write_vector(const struct gs_context *context, struct gs_namer namer, struct gs_buffer *out);
/* The causal context names the state exactly: equal contexts, equal states (G2). `key` is "type/id". */
void gs_document_etag(struct gs_slice key, const struct gs_context *context, char ret_etag[GS_ETAG_SIZE]);

#endif
