/* The OpenAPI document, as assembled at build time from node/http/openapi/. */
#ifndef GS_NODE_HTTP_OPENAPI_H
#define GS_NODE_HTTP_OPENAPI_H

#include <stddef.h>

extern const unsigned char gs_openapi_text[];
extern const size_t gs_openapi_size;
extern const char gs_openapi_etag[]; /* quotes included */

#endif
