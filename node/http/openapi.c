/* GET /openapi.json: what the API says of itself. */
#include "node/http/openapi.h"

#include "node/http/handlers.h"
#include "node/http/writing.h"

int gs_handle_openapi(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    (void)fault;
    response->status = gs_http_none_match(request, gs_openapi_etag) ? 304 : 200;
    gs_http_response_header(response, "ETag", gs_openapi_etag);
    if (response->status == 200) {
        gs_buffer_append(&response->body, gs_openapi_text, gs_openapi_size);
    }
    return 0;
}
