/* Forked origins: shown, and decided about (node/core/fork.h).
 *
 * A decision is an ordinary event, written to the aggregate gs.fork/ORIGIN: it travels to every region, and stays in
 * the history with who made it. */
#include "node/http/decision.h"
#include "node/http/handlers.h"
#include "node/http/text.h"
#include "node/http/writing.h"

#include "node/core/command.h"
#include "node/core/fork.h"

#include <globalstate/json.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { BODY_DEPTH_MAX = 4, REASON_BYTES_MAX = 1024 };

/* What the body asks for. */
struct wish {
    struct gs_slice reason; /* a value */
    struct gs_slice keep;   /* text; empty: the lower hash */
    bool imports;
    struct gs_slice importer; /* text; empty: whoever has it */
};

static int ask(struct gs_http_request *request, struct gs_slice id, struct gs_slice importer,
               struct gs_command **ret_command, struct gs_http_fault *fault) {
    struct gs_command *command = gs_command_new(GS_COMMAND_FORKS);
    if (command == NULL) {
        return gs_fault_set(fault, GS_ENOMEM);
    }
    command->held_id = id;
    command->importer = importer;
    gs_gateway_call(request->context->gateway, command);
    int error = gs_http_command_fault(command, fault);
    if (error != 0) {
        gs_command_free(command);
        return error;
    }
    *ret_command = command;
    return 0;
}

static int show(struct gs_http_request *request, struct gs_slice id, struct gs_http_response *response,
                struct gs_http_fault *fault) {
    struct gs_command *command = NULL;
    int error = ask(request, id, (struct gs_slice){0}, &command, fault);
    if (error == 0) {
        response->status = 200;
        gs_buffer_append(&response->body, command->json.bytes, command->json.length);
        gs_command_free(command);
    }
    return error;
}

int gs_handle_forks(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    return show(request, (struct gs_slice){0}, response, fault);
}

int gs_handle_fork(struct gs_http_request *request, struct gs_http_response *response, struct gs_http_fault *fault) {
    return show(request, request->target.segments[1], response, fault);
}

static struct gs_slice text_of(struct gs_slice value) {
    struct gs_reader reader;
    gs_reader_init(&reader, value.bytes, value.length);
    return value.length > 0 && gs_value_kind(value) == GS_KIND_STR ? gs_read_str(&reader, value.length)
                                                                   : (struct gs_slice){0};
}

static bool says(struct gs_slice text, const char *word) {
    return gs_slice_compare(text, gs_slice_make(word, strlen(word))) == 0;
}

/* Each member that is there must be a text, and one of ours. */
static int check_members(struct gs_slice body, struct gs_http_fault *fault) {
    static const char *const names[] = {"reason", "keep", "others", "importer"};
    struct gs_reader reader;
    uint32_t known = 0;
    gs_reader_init(&reader, body.bytes, body.length);
    uint32_t count = gs_read_map(&reader, UINT32_MAX);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct gs_slice value = gs_map_get(body, names[i]);
        if (value.length > 0 && text_of(value).length == 0) {
            char field[16];
            (void)snprintf(field, sizeof field, "/%s", names[i]);
            return gs_problem_set(&fault->problem, GS_EINVAL, field, "must be a text that is not empty");
        }
        known += value.length > 0 ? 1 : 0;
    }
    return known == count
               ? 0
               : gs_problem_set(&fault->problem, GS_EINVAL, "", "only reason, keep, others and importer may be said");
}

static int read_wish(struct gs_http_request *request, struct gs_arena *arena, struct wish *ret_wish,
                     struct gs_http_fault *fault) {
    struct gs_slice body;
    int error = gs_http_request_parse_body(request, BODY_DEPTH_MAX, arena, &body, fault);
    if (error != 0) {
        return error;
    }
    if (gs_value_kind(body) != GS_KIND_MAP) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "", "the body must be an object");
    }
    error = check_members(body, fault);
    if (error != 0) {
        return error;
    }
    struct gs_slice others = text_of(gs_map_get(body, "others"));
    *ret_wish = (struct wish){.reason = gs_map_get(body, "reason"),
                              .keep = text_of(gs_map_get(body, "keep")),
                              .imports = says(others, "import"),
                              .importer = text_of(gs_map_get(body, "importer"))};
    size_t length = text_of(ret_wish->reason).length;
    if (length == 0 || length > REASON_BYTES_MAX) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/reason", "must have 1 to %d bytes", REASON_BYTES_MAX);
    }
    if (!ret_wish->imports && !says(others, "drop")) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/others",
                              "must be import or drop: what becomes of the branch that is not kept");
    }
    if (!ret_wish->imports && ret_wish->importer.length > 0) {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/importer", "goes with others: import");
    }
    return 0;
}

/* The branch that is kept: 0 or 1. */
static int choose_branch(const struct wish *wish, const struct gs_fork_choice *choice, int *ret_branch,
                         struct gs_http_fault *fault) {
    char hashes[2][2 * GS_HASH_SIZE + 1];
    for (int i = 0; i < 2; i++) {
        sodium_bin2hex(hashes[i], sizeof hashes[i], choice->branches[i].bytes, GS_HASH_SIZE);
        if (wish->keep.length > 0 && says(wish->keep, hashes[i])) {
            *ret_branch = i;
            return 0;
        }
    }
    *ret_branch = strcmp(hashes[0], hashes[1]) < 0 ? 0 : 1;
    return wish->keep.length == 0
               ? 0
               : gs_problem_set(&fault->problem, GS_EINVAL, "/keep", "must be %s or %s", hashes[0], hashes[1]);
}

static int choose_importer(const struct wish *wish, const struct gs_fork_choice *choice, int kept,
                           struct gs_fork_verdict *verdict, struct gs_http_fault *fault) {
    if (!wish->imports) {
        return 0;
    }
    if (wish->importer.length > 0) {
        if (!choice->importer_known) {
            return gs_problem_set(&fault->problem, GS_EINVAL, "/importer", "no trusted key is of this region");
        }
        memcpy(verdict->importer, wish->importer.bytes, wish->importer.length);
        return 0;
    }
    const char *holder = choice->here[1 - kept] ? choice->region : choice->here[kept] ? choice->other_holder : "";
    if (holder[0] == '\0') {
        return gs_problem_set(&fault->problem, GS_EINVAL, "/importer",
                              "name a region that has applied the branch that is not kept: this one does not know any");
    }
    memcpy(verdict->importer, holder, strlen(holder));
    return 0;
}

static int make_verdict(struct gs_http_request *request, struct gs_slice id, const struct wish *wish,
                        struct gs_fork_verdict *ret_verdict, struct gs_http_fault *fault) {
    struct gs_command *command = NULL;
    int error = ask(request, id, wish->importer, &command, fault);
    if (error != 0) {
        return error;
    }
    const struct gs_fork_choice *choice = command->fork;
    int kept = 0;
    if (choice->decided) {
        error = gs_fault_set(fault, GS_HTTP_EDECIDED);
    } else if (!choice->located) {
        error = gs_fault_set(fault, GS_HTTP_ENOTLOCATED);
    } else {
        error = choose_branch(wish, choice, &kept, fault);
    }
    struct gs_fork_verdict verdict = {.seq = choice->seq, .point = choice->point, .keep = choice->branches[kept]};
    if (error == 0) {
        error = choose_importer(wish, choice, kept, &verdict, fault);
    }
    gs_command_free(command);
    *ret_verdict = verdict;
    return error;
}

static int write_decision(struct gs_http_request *request, struct gs_slice id, const struct wish *wish,
                          const struct gs_fork_verdict *verdict, struct gs_http_fault *fault) {
    struct gs_buffer value = {0};
    gs_fork_verdict_write(verdict, &value);
    const struct gs_http_decision decision = {.type = GS_FORK_TYPE,
                                              .id = id,
                                              .event_type = "gs.fork.decided",
                                              .member = "decision",
                                              .value = gs_slice_make(value.bytes, value.length),
                                              .reason = wish->reason};
    int error = value.failed != 0 ? gs_fault_set(fault, GS_ENOMEM) : gs_http_decide(request, &decision, fault);
    gs_buffer_close(&value);
    return error;
}

static void answer(struct gs_slice id, const struct gs_fork_verdict *verdict, struct gs_buffer *out) {
    char keep[2 * GS_HASH_SIZE + 1];
    sodium_bin2hex(keep, sizeof keep, verdict->keep.bytes, GS_HASH_SIZE);
    gs_buffer_text(out, "{\"origin\":");
    gs_json_write_string(id.bytes, id.length, out);
    gs_buffer_printf(out, ",\"pointSeq\":%llu,\"keep\":\"%s\",\"others\":\"%s\"", (unsigned long long)verdict->seq,
                     keep, verdict->importer[0] != '\0' ? "import" : "drop");
    if (verdict->importer[0] != '\0') {
        gs_buffer_text(out, ",\"importer\":");
        gs_json_write_string((const uint8_t *)verdict->importer, strlen(verdict->importer), out);
    }
    gs_buffer_text(out, "}");
}

int gs_handle_fork_decide(struct gs_http_request *request, struct gs_http_response *response,
                          struct gs_http_fault *fault) {
    struct gs_slice id = request->target.segments[1];
    struct gs_arena arena = {0};
    struct gs_fork_verdict verdict = {0};
    struct wish wish = {0};
    int error = read_wish(request, &arena, &wish, fault);
    if (error == 0) {
        error = make_verdict(request, id, &wish, &verdict, fault);
    }
    if (error == 0) {
        error = write_decision(request, id, &wish, &verdict, fault);
    }
    gs_arena_close(&arena);
    if (error == 0) {
        response->status = 200;
        answer(id, &verdict, &response->body);
    }
    return error;
}
