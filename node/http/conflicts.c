/* The conflict ledger: of one aggregate, or of all that the token covers; newest first.
 *
 * The cursor is the number of the last entry of the page before. */
#include "node/http/handlers.h"
#include "node/http/paging.h"
#include "node/http/writing.h"

#include "node/core/command.h"
#include "node/core/ledger.h"

#include <inttypes.h>

struct page {
    struct gs_slice type, id; /* empty: all */
    uint64_t before;          /* 0: from the newest */
    uint32_t limit;
    uint32_t count; /* written */
    bool more;
    uint64_t last; /* number of the last entry looked at */
    uint64_t recorded;
};

static int read_cursor(const struct gs_http_request *request, uint64_t *ret_before, struct gs_http_fault *fault) {
    struct gs_slice text = gs_http_target_parameter(&request->target, "cursor");
    uint64_t before = 0;
    bool ok = text.bytes == NULL || (text.length >= 1 && text.length <= 18);
    for (size_t i = 0; ok && i < text.length; i++) {
        ok = text.bytes[i] >= '0' && text.bytes[i] <= '9';
        before = before * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    if (!ok || (text.bytes != NULL && before == 0)) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "cursor", "is not one that a list gave out");
    }
    *ret_before = before;
    return 0;
}

static void write_items(const struct gs_http_request *request, const struct gs_command *command, struct page *page,
                        struct gs_buffer *out) {
    page->more = command->conflict_more;
    page->recorded = command->conflict_recorded;
    for (uint32_t i = 0; i < command->conflict_count; i++) {
        const struct gs_conflict_item *item = &command->conflicts[i];
        if (page->count == page->limit) {
            page->more = true;
            return;
        }
        page->last = item->number;
        if (gs_principal_covers(request->principal, item->type, item->id)) {
            gs_buffer_text(out, page->count++ > 0 ? "," : "");
            gs_buffer_append(out, item->json.bytes, item->json.length);
        }
    }
}

/* One question to the core. Who may see only some aggregates needs more of them for a page. */
static int ask(struct gs_http_request *request, struct page *page, struct gs_buffer *out, struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_CONFLICTS);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->list_type = page->type; /* in the request's arena, which outlives the command */
    command->list_id = page->id;
    command->list_before = page->last != 0 ? page->last : page->before;
    command->list_limit = request->principal->limited ? GS_LEDGER_PAGE_MAX : page->limit;
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    if (error == 0) {
        write_items(request, command, page, out);
    }
    gs_command_free(command);
    return error;
}

static int answer(struct gs_http_request *request, struct page *page, struct gs_http_response *response,
                  struct gs_http_fault *fault) {
    struct gs_buffer *out = &response->body;
    int error = gs_http_limit(request, &page->limit, fault);
    if (error == 0) {
        error = read_cursor(request, &page->before, fault);
    }
    gs_buffer_text(out, "{\"conflicts\":[");
    do { /* as often as there are pages in the ledger, at most */
        error = error == 0 ? ask(request, page, out, fault) : error;
    } while (error == 0 && page->more && page->count < page->limit);
    if (error != 0) {
        return error;
    }
    gs_buffer_text(out, "],\"next\":");
    if (page->more) {
        gs_buffer_printf(out, "\"%" PRIu64 "\"", page->last);
    } else {
        gs_buffer_text(out, "null");
    }
    gs_buffer_printf(out, ",\"recorded\":%" PRIu64 "}", page->recorded);
    response->status = 200;
    return 0;
}

int gs_handle_conflicts(struct gs_http_request *request, struct gs_http_response *response,
                        struct gs_http_fault *fault) {
    struct page page = {0};
    return answer(request, &page, response, fault);
}

int gs_handle_state_conflicts(struct gs_http_request *request, struct gs_http_response *response,
                              struct gs_http_fault *fault) {
    struct page page = {0};
    int error = gs_http_request_aggregate(request, &page.type, &page.id, fault);
    return error != 0 ? error : answer(request, &page, response, fault);
}
