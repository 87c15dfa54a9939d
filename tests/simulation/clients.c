/* Clients: each call is one request, with an idempotency key, that is repeated until it is answered. What it asks for
 * is a function of the seed and its number, so that a retry asks for the same. */
#include "tests/simulation/checks.h"
#include "tests/simulation/forker.h"

#include <stdio.h>
#include <string.h>

enum { WRITES_MAX = 4, OPS_MAX = 3 };

static struct gs_slice text(struct gs_command *command, const char *words) {
    return gs_slice_make(gs_arena_copy(&command->arena, words, strlen(words)), strlen(words));
}

static struct gs_slice digits(struct gs_command *command, uint64_t number) {
    char words[32];
    snprintf(words, sizeof words, "%llu", (unsigned long long)number);
    return text(command, words);
}

static struct gs_slice name_event(struct gs_command *command, uint32_t call, uint32_t item) {
    char words[64];
    snprintf(words, sizeof words, "op.%u.%u", call, item);
    return text(command, words);
}

static struct gs_slice value_of(struct gs_command *command, struct gs_buffer *buffer) {
    struct gs_slice value =
        gs_slice_make(gs_arena_copy(&command->arena, buffer->bytes, buffer->length), buffer->length);
    gs_buffer_close(buffer);
    return value;
}

static struct gs_slice int_value(struct gs_command *command, int64_t number) {
    struct gs_buffer buffer = {0};
    gs_write_int(&buffer, number);
    return value_of(command, &buffer);
}

/* {"x": number, "y": {"z": number}}, or {}. */
static struct gs_slice object_value(struct gs_command *command, int64_t number) {
    struct gs_buffer buffer = {0};
    bool empty = number % 4 == 0;
    gs_write_map(&buffer, empty ? 0 : 2);
    if (!empty) {
        gs_write_str(&buffer, "x", 1);
        gs_write_int(&buffer, number);
        gs_write_str(&buffer, "y", 1);
        gs_write_map(&buffer, 1);
        gs_write_str(&buffer, "z", 1);
        gs_write_int(&buffer, number);
    }
    return value_of(command, &buffer);
}

static struct gs_path path_of(struct gs_command *command, const char *first, const char *second) {
    struct gs_slice *names = gs_arena_alloc(&command->arena, 2 * sizeof *names);
    names[0] = text(command, first);
    names[1] = text(command, second != NULL ? second : "");
    return (struct gs_path){.depth = second != NULL ? 2 : 1, .names = names};
}

/* Every type, every op, few fields: so that writes meet. /n is never unset: its sum is checked at the end. */
static void draw_op(struct gs_command *command, struct sim_rng *rng, struct gs_op *op) {
    static const char *const fields[] = {"a", "b"};
    const char *field = fields[sim_below(rng, 2)];
    int64_t number = (int64_t)sim_below(rng, 1000003);
    switch (sim_below(rng, 9)) {
    case 0:
    case 1:
        *op = (struct gs_op){
            .kind = GS_OP_INCREMENT, .path = path_of(command, "n", NULL), .value = int_value(command, number - 300000)};
        break;
    case 2:
        *op = (struct gs_op){
            .kind = GS_OP_SET, .path = path_of(command, "reg", field), .value = int_value(command, number)};
        break;
    case 3:
        *op = (struct gs_op){
            .kind = GS_OP_ADD, .path = path_of(command, "set", field), .value = int_value(command, number % 5)};
        break;
    case 4:
        *op = (struct gs_op){
            .kind = GS_OP_REMOVE, .path = path_of(command, "set", field), .value = int_value(command, number % 5)};
        break;
    case 5:
        *op = (struct gs_op){
            .kind = GS_OP_MAX, .path = path_of(command, "max", NULL), .value = int_value(command, number)};
        break;
    case 6:
        *op = (struct gs_op){
            .kind = GS_OP_SET, .path = path_of(command, "map", NULL), .value = object_value(command, number)};
        break;
    case 7:
        *op = (struct gs_op){.kind = GS_OP_UNSET, .path = path_of(command, number % 2 ? "reg" : "map", NULL)};
        break;
    default:
        *op = (struct gs_op){
            .kind = GS_OP_INCREMENT, .path = path_of(command, "cnt", field), .value = int_value(command, number % 7)};
        if (number % 3 == 0) {
            *op = (struct gs_op){.kind = GS_OP_UNSET, .path = path_of(command, "cnt", NULL)};
        }
        break;
    }
}

static void draw_change(struct gs_command *command, struct sim_rng *rng, uint64_t aggregate,
                        struct gs_write_change *change) {
    uint32_t count = 1 + (uint32_t)sim_below(rng, OPS_MAX);
    struct gs_op *ops = gs_arena_alloc(&command->arena, OPS_MAX * sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        draw_op(command, rng, &ops[i]);
    }
    *change = (struct gs_write_change){
        .aggregate_type = text(command, "t"),
        .aggregate_id = digits(command, aggregate),
        .kind = GS_WRITE_OPS,
        .ops = ops,
        .op_count = count,
        .prefix = "/ops",
    };
}

static void draw_write(struct gs_command *command, struct sim_rng *rng, uint32_t number, uint32_t item,
                       struct gs_write *write) {
    uint32_t count = 1 + (uint32_t)sim_below(rng, 2);
    uint64_t first = sim_below(rng, SIM_AGGREGATES);
    struct gs_write_change *changes = gs_arena_alloc(&command->arena, 2 * sizeof *changes);
    for (uint32_t i = 0; i < count; i++) {
        draw_change(command, rng, (first + i) % SIM_AGGREGATES, &changes[i]);
    }
    *write = (struct gs_write){
        .event_type = name_event(command, number, item),
        .actor = text(command, "client"),
        .idempotency = {.present = true, .item = item},
        .change_count = count,
        .changes = changes,
    };
    memcpy(write->idempotency.key, &number, sizeof number);
    memcpy(write->idempotency.request, &number, sizeof number);
}

static struct gs_command *draw_read(void) {
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    struct gs_read_key *keys = gs_arena_alloc(&command->arena, SIM_AGGREGATES * sizeof *keys);
    for (uint32_t i = 0; i < SIM_AGGREGATES; i++) {
        keys[i] = (struct gs_read_key){text(command, "t"), digits(command, i)};
    }
    command->keys = keys;
    command->key_count = SIM_AGGREGATES;
    return command;
}

/* Two counters that everybody makes, spends, fills up and gives rights of. */
static void draw_rights_op(const struct sim_world *world, struct gs_command *command, struct sim_rng *rng,
                           struct gs_op *op) {
    char region[32];
    op->path = path_of(command, "gold", NULL);
    op->value = int_value(command, 1 + (int64_t)sim_below(rng, 5));
    switch (sim_below(rng, 10)) {
    case 0:
        op->kind = GS_OP_UNSET;
        break;
    case 1:
    case 2:
    case 3:
        op->kind = GS_OP_TRANSFER;
        snprintf(region, sizeof region, "region-%u", (unsigned)sim_below(rng, world->plan.nodes));
        op->target_name = text(command, region);
        break;
    case 4:
        op->kind = GS_OP_INCREMENT;
        break;
    default:
        op->kind = GS_OP_INCREMENT;
        op->value = int_value(command, -1 - (int64_t)sim_below(rng, 6));
        break;
    }
}

/* One event: the counter is made if it is not there, then something is done with it, which may be refused. */
static struct gs_command *draw_rights(const struct sim_world *world, struct sim_call *call, struct sim_rng *rng) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    struct gs_write *write = gs_arena_alloc(&command->arena, sizeof *write);
    draw_write(command, rng, call->number, 0, write);
    struct gs_write_change *change = (struct gs_write_change *)write->changes;
    struct gs_op *ops = gs_arena_alloc(&command->arena, 2 * sizeof *ops);
    ops[0] = (struct gs_op){.kind = GS_OP_CREATE,
                            .path = path_of(command, "gold", NULL),
                            .type = GS_TYPE_BOUNDED_COUNTER,
                            .bound = 10,
                            .initial = 10 + (int64_t)sim_below(rng, 8)};
    ops[1] = (struct gs_op){.kind = GS_OP_INCREMENT};
    draw_rights_op(world, command, rng, &ops[1]);
    change->aggregate_id = digits(command, sim_below(rng, 2));
    change->ops = ops;
    change->op_count = 2;
    write->change_count = 1;
    call->writes = 1;
    command->writes = write;
    command->write_count = 1;
    return command;
}

static struct gs_command *draw_command(const struct sim_world *world, struct sim_call *call) {
    struct sim_rng rng = {.state = world->plan.seed * 1000003 + call->number};
    call->node = (uint32_t)sim_below(&rng, world->plan.nodes);
    if (sim_chance(&rng, 15)) {
        return draw_read();
    }
    if (world->plan.rights && sim_chance(&rng, 70)) {
        return draw_rights(world, call, &rng);
    }
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    struct gs_write *writes = gs_arena_alloc(&command->arena, WRITES_MAX * sizeof *writes);
    call->writes = 1 + (uint32_t)sim_below(&rng, WRITES_MAX);
    for (uint32_t i = 0; i < call->writes; i++) {
        draw_write(command, &rng, call->number, i, &writes[i]);
    }
    command->writes = writes;
    command->write_count = call->writes;
    command->atomic = sim_chance(&rng, 30);
    return command;
}

static void retry(struct sim_world *world, const struct sim_call *call) {
    struct sim_event again = {.type = SIM_CLIENT, .number = call->number};
    sim_schedule(world, 20 + sim_below(&world->rng, 300), again);
}

void sim_client_act(struct sim_world *world, uint32_t number) {
    struct sim_call *call = &world->calls[number];
    if (call->active || call->acked) {
        return;
    }
    struct gs_command *command = draw_command(world, call);
    if (world->plan.retires && call->node == world->plan.nodes - 1) {
        call->forgiven = true; /* what it takes without the others hearing of it stays on its disk */
        call->node = call->moved ? 0 : call->node;
    }
    struct sim_node *node = &world->nodes[call->node];
    if (node->core == NULL) {
        gs_command_free(command);
        retry(world, call);
        return;
    }
    command->owner = call;
    call->active = true;
    call->epoch = node->epoch;
    call->command = command;
    sim_node_step(world, node, &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
}

/* What is shown to anybody is on the disk. */
static void note_shown(struct sim_world *world, struct sim_node *node, uint8_t digit, uint64_t version) {
    uint32_t aggregate = (uint32_t)(digit - '0');
    if (version > node->durable[aggregate]) {
        sim_fail(world, "durable: node %u shows version %llu of t/%u, its disk amounts to %llu", node->index,
                 (unsigned long long)version, aggregate, (unsigned long long)node->durable[aggregate]);
    }
    if (version > node->shown[aggregate]) {
        node->shown[aggregate] = version;
    }
}

void sim_client_published(struct sim_world *world, struct sim_node *node, const struct gs_core_publish *publish) {
    if (publish->key.bytes[1] != '/') {
        return; /* the node's own */
    }
    uint32_t aggregate = (uint32_t)(publish->key.bytes[2] - '0'); /* "t/0" */
    node->cached[aggregate].present = publish->view != NULL;
    if (publish->view != NULL) {
        node->cached[aggregate].version = publish->view->version;
        note_shown(world, node, publish->key.bytes[2], publish->view->version);
    }
}

/* For lack of rights, or because the other region has not been heard of, or is ourselves. */
static bool may_be_refused(const struct gs_write *write, const struct gs_write_result *result) {
    const struct gs_write_change *change = &write->changes[0];
    bool transfers = change->op_count == 2 && change->ops[1].kind == GS_OP_TRANSFER;
    return result->error == GS_EBOUND || result->error == GS_ERIGHTS || (transfers && result->error == GS_EINVAL);
}

static void check_results(struct sim_world *world, struct sim_node *node, struct gs_command *command) {
    for (uint32_t i = 0; i < command->write_count; i++) {
        const struct gs_write_result *result = &command->results[i];
        if (may_be_refused(&command->writes[i], result)) {
            struct sim_call *call = command->owner;
            call->refused = true;
            continue;
        }
        if (result->error != 0) {
            sim_fail(world, "node %u refused a write: %s %s", node->index, gs_error_name(result->error),
                     result->problem.detail);
            return;
        }
        for (uint32_t j = 0; !result->replayed && j < command->writes[i].change_count; j++) {
            uint8_t digit = command->writes[i].changes[j].aggregate_id.bytes[0];
            note_shown(world, node, digit, result->changes[j].version);
            if (!result->unchanged) {
                sim_check_version(world, node, &result->origin, result->seq, (uint32_t)(digit - '0'),
                                  result->changes[j].version);
            }
        }
    }
    sim_check_rights(world, node);
    for (uint32_t i = 0; i < command->key_count; i++) {
        note_shown(world, node, command->keys[i].aggregate_id.bytes[0], command->views[i]->version);
    }
}

void sim_client_answered(struct sim_world *world, struct sim_node *node, struct gs_command *command) {
    struct sim_call *call = command->owner;
    if (command == world->asked) {
        return; /* whoever asked has it */
    }
    if (sim_retire_answered(world, command)) {
        gs_command_free(command);
        return;
    }
    if (world->forker != NULL && command == world->forker->command) {
        sim_forker_answered(world, command);
        return;
    }
    call->active = false;
    call->command = NULL;
    sim_trace(world, &command->error, sizeof command->error);
    if (command->error == GS_ERETIRED) {
        call->moved = true; /* to another region; what the retired one has taken of it may be lost, or arrive as well */
        call->forgiven = true;
    }
    if (command->error == 0) {
        call->acked = true;
        check_results(world, node, command);
    } else {
        retry(world, call);
    }
    gs_command_free(command);
}

/* The node is gone, and with it whatever it would have answered. */
void sim_client_crashed(struct sim_world *world, const struct sim_node *node) {
    if (world->retirement != NULL && world->retirement_node == node->index) {
        gs_command_free(world->retirement);
        world->retirement = NULL;
    }
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct sim_call *call = &world->calls[i];
        if (call->active && call->node == node->index) {
            gs_command_free(call->command);
            call->command = NULL;
            call->active = false;
            retry(world, call);
        }
    }
}

static void repeat_elsewhere(struct sim_world *world, struct sim_call *call) {
    struct gs_command *command = draw_command(world, call);
    uint32_t others = world->plan.nodes - (world->plan.retires ? 1 : 0);
    struct sim_node *node = &world->nodes[(call->node + 1) % others];
    struct gs_core_stats stats;
    gs_core_get_stats(node->core, &stats);
    if (!stats.started) {
        gs_command_free(command); /* it would wait until the node has heard of its peers */
        return;
    }
    struct gs_core_event event = {
        .type = GS_CORE_COMMAND, .now_ms = sim_node_wall_ms(world, node), .mono_ms = world->now_ms, .command = command};
    struct gs_update update = {0};
    int error = gs_core_step(node->core, &event, &update);
    if (error != 0 || update.answer_count != 1 || update.has_commit) {
        sim_fail(world, "retry: call %u is carried out again by node %u", call->number, node->index);
    }
    for (uint32_t i = 0; error == 0 && i < update.answer_count * command->write_count; i++) {
        if (command->results[i].error != 0 || !command->results[i].replayed) {
            sim_fail(world, "retry: node %u does not recognise call %u item %u", node->index, call->number, i);
        }
    }
    gs_update_clear(&update);
    gs_command_free(command);
}

void sim_client_repeat_elsewhere(struct sim_world *world) {
    for (uint32_t i = 0; i < world->call_count && !world->failed; i++) {
        if (world->calls[i].writes > 0 && !world->calls[i].forgiven && !world->calls[i].refused) {
            repeat_elsewhere(world, &world->calls[i]);
        }
    }
}
