/* The handlers, one file a resource. Contract: gs_http_handler_fn. */
#ifndef GS_NODE_HTTP_HANDLERS_H
#define GS_NODE_HTTP_HANDLERS_H

#include "node/http/response.h"

#define GS_HTTP_HANDLER(name) \
    int name(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault)

GS_HTTP_HANDLER(gs_handle_state_get);          /* GET, HEAD /state/{type}/{id} */
GS_HTTP_HANDLER(gs_handle_state_put);          /* PUT /state/{type}/{id} */
GS_HTTP_HANDLER(gs_handle_state_patch);        /* PATCH /state/{type}/{id} */
GS_HTTP_HANDLER(gs_handle_state_delete);       /* DELETE /state/{type}/{id} */
GS_HTTP_HANDLER(gs_handle_state_list);         /* GET, HEAD /state/{type} */
GS_HTTP_HANDLER(gs_handle_state_read);         /* POST /state/read */
GS_HTTP_HANDLER(gs_handle_events_post);        /* POST /events */
GS_HTTP_HANDLER(gs_handle_history_get);        /* GET, HEAD /events/{type}/{id} */
GS_HTTP_HANDLER(gs_handle_feed_get);           /* GET, HEAD /events */
GS_HTTP_HANDLER(gs_handle_health);             /* GET, HEAD /health */
GS_HTTP_HANDLER(gs_handle_health_live);        /* GET, HEAD /health/live */
GS_HTTP_HANDLER(gs_handle_health_ready);       /* GET, HEAD /health/ready */
GS_HTTP_HANDLER(gs_handle_cluster);            /* GET, HEAD /cluster */
GS_HTTP_HANDLER(gs_handle_sync_post);          /* POST /sync */
GS_HTTP_HANDLER(gs_handle_sync_list);          /* GET, HEAD /sync */
GS_HTTP_HANDLER(gs_handle_sync_get);           /* GET, HEAD /sync/{id} */
GS_HTTP_HANDLER(gs_handle_sync_delete);        /* DELETE /sync/{id} */
GS_HTTP_HANDLER(gs_handle_cluster_digest);     /* GET, HEAD /cluster/digest */
GS_HTTP_HANDLER(gs_handle_peers);              /* GET, HEAD /peers */
GS_HTTP_HANDLER(gs_handle_openapi);            /* GET, HEAD /openapi.json */
GS_HTTP_HANDLER(gs_handle_state_stability);    /* GET, HEAD /state/{type}/{id}/stability */
GS_HTTP_HANDLER(gs_handle_state_conflicts);    /* GET, HEAD /state/{type}/{id}/conflicts */
GS_HTTP_HANDLER(gs_handle_conflicts);          /* GET, HEAD /conflicts */
GS_HTTP_HANDLER(gs_handle_rollback);           /* POST /state/{type}/{id}/rollback */
GS_HTTP_HANDLER(gs_handle_retire);             /* POST /peers/{region}/retire */
GS_HTTP_HANDLER(gs_handle_forks);              /* GET, HEAD /forks */
GS_HTTP_HANDLER(gs_handle_fork);               /* GET, HEAD /forks/{origin} */
GS_HTTP_HANDLER(gs_handle_fork_decide);        /* POST /forks/{origin}/decide */
GS_HTTP_HANDLER(gs_handle_quarantine);         /* GET, HEAD /quarantine */
GS_HTTP_HANDLER(gs_handle_quarantine_item);    /* GET, HEAD /quarantine/{id} */
GS_HTTP_HANDLER(gs_handle_quarantine_release); /* POST /quarantine/{id}/release */
GS_HTTP_HANDLER(gs_handle_metrics);            /* GET, HEAD /metrics */
GS_HTTP_HANDLER(gs_handle_audit);              /* GET, HEAD /audit */
GS_HTTP_HANDLER(gs_handle_subject_export);     /* GET, HEAD /subjects/{subject}/export */
GS_HTTP_HANDLER(gs_handle_subject_erase);      /* POST /subjects/{subject}/erase */

#endif
