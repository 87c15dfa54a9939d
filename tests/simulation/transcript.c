/* usage: transcript FILE…
 *
 * Plays scenarios on the simulator, without random faults, and compares what happens with what is written. A line that
 * begins with "> " is a command; the lines up to the next one are what it says; "#" begins a comment. Commands:
 *
 *     start N            a cluster of N nodes, linked
 *     chain N, star N    … of which each knows the one before it, or the first, at first
 *     write A K          a client of node A adds 1 to t/0 /n, K times, each answered before the next
 *     run MS             time passes
 *     cut A B, mend      links
 *     hole A B           what A sends to B vanishes
 *     far MS             every message takes so much longer
 *     pause A MS         a node stands still; its links stay
 *     retire A           node A is told that the region of the last node is retired
 *     leave A            a node stops in good order, until it is up again
 *     crash A, up A      a node loses power for as long as it is not up again
 *     backup A, restore A, wipe A      disks; restore and wipe want a node that is down
 *     clock A MS         steps a clock
 *     show               what each node shows, and which lives of which regions it knows
 *     lives              what each running node makes of the others, and how it hears them
 *     mesh               how many pairs of running nodes hear each other, and what the others are to them
 *     settle             until all running nodes agree */
#include "node/core/core_impl.h"
#include "tests/simulation/checks.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 256, SETTLE_MS = 30000, WRITE_MS = 10000 };

struct player {
    struct sim_world *world;
    struct gs_buffer said; /* by the last command */
};

static void say(struct player *player, const char *text) {
    gs_buffer_text(&player->said, text);
}

static void start(struct player *player, uint32_t nodes, enum sim_seeds seeds) {
    struct sim_plan plan = {
        .seed = 7, .nodes = nodes, .delay_ms_max = 3, .disk_ms_max = 2, .chaos_ms = 1, .seeds = seeds};
    sim_world_close(player->world);
    sim_world_open(player->world, &plan);
    sim_run(player->world, 2000);
}

static struct gs_command *make_write(struct sim_call *call) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    struct gs_write *write = gs_arena_alloc(&command->arena, sizeof *write);
    struct gs_write_change *change = gs_arena_alloc(&command->arena, sizeof *change);
    struct gs_op *op = gs_arena_alloc(&command->arena, sizeof *op);
    struct gs_slice *path = gs_arena_alloc(&command->arena, sizeof *path);
    *path = gs_slice_make("n", 1);
    *op = (struct gs_op){.kind = GS_OP_INCREMENT, .path = {.depth = 1, .names = path}, .value = gs_slice_make("\1", 1)};
    *change = (struct gs_write_change){.aggregate_type = gs_slice_make("t", 1),
                                       .aggregate_id = gs_slice_make("0", 1),
                                       .ops = op,
                                       .op_count = 1,
                                       .prefix = "/ops"};
    *write = (struct gs_write){.event_type = gs_slice_make("n.added", 7),
                               .actor = gs_slice_make("client", 6),
                               .change_count = 1,
                               .changes = change};
    command->writes = write;
    command->write_count = 1;
    command->owner = call;
    return command;
}

static void write_some(struct player *player, uint32_t at, uint32_t times) {
    struct sim_world *world = player->world;
    for (uint32_t i = 0; i < times && world->call_count < SIM_CALLS_MAX; i++) {
        struct sim_call *call = &world->calls[world->call_count++];
        *call = (struct sim_call){.node = at, .active = true, .writes = 1, .epoch = world->nodes[at].epoch};
        call->command = make_write(call);
        sim_node_step(world, &world->nodes[at],
                      &(struct gs_core_event){.type = GS_CORE_COMMAND, .command = call->command});
        for (uint64_t waited = 0; !call->acked && waited < WRITE_MS; waited += 10) {
            sim_run(world, 10);
        }
        if (!call->acked) {
            gs_buffer_printf(&player->said, "node %u does not answer\n", at);
            return;
        }
    }
}

static void set_link(struct sim_world *world, uint32_t a, uint32_t b, bool cut) {
    struct sim_link *link = a < b ? &world->links[a][b] : &world->links[b][a];
    link->cut[0] = link->cut[1] = cut;
    if (cut) {
        sim_link_down(world, a, b);
    }
}

static void mend(struct player *player) {
    for (uint32_t a = 0; a < player->world->plan.nodes; a++) {
        for (uint32_t b = a + 1; b < player->world->plan.nodes; b++) {
            set_link(player->world, a, b, false);
        }
    }
    sim_run(player->world, 1000);
}

/* Down until it is told otherwise: its restart is void. */
static void crash(struct player *player, uint32_t at) {
    struct sim_node *node = &player->world->nodes[at];
    sim_node_crash(player->world, node);
    node->epoch++;
}

static int show_count(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                      const struct gs_aggregate *aggregate) {
    struct player *player = context;
    (void)id;
    struct gs_buffer json = {0};
    int error = version > 0 && !sim_is_internal(type) ? gs_aggregate_write_json(aggregate, &json) : 0;
    gs_buffer_append(&player->said, json.bytes, json.length);
    gs_buffer_close(&json);
    return error;
}

static void show_node(struct player *player, uint32_t at) {
    const struct gs_core *core = player->world->nodes[at].core;
    gs_buffer_printf(&player->said, "node %u: ", at);
    if (core == NULL) {
        say(player, "down\n");
        return;
    }
    (void)gs_core_visit(core, show_count, player);
    for (uint32_t i = 0; i < player->world->plan.nodes; i++) {
        uint32_t lives = 0;
        uint32_t closed = 0;
        uint64_t final = 0;
        for (uint32_t j = 0; j < gs_core_applied(core)->count; j++) {
            gs_public_key key;
            bool known = gs_core_origin_key(core, &gs_core_applied(core)->heads[j].origin, &key);
            bool its = known && memcmp(&key, &player->world->nodes[i].keys.public_key, sizeof key) == 0;
            lives += its ? 1 : 0;
            closed += its && gs_core_closed(core, &gs_core_applied(core)->heads[j].origin, &final) ? 1 : 0;
        }
        bool retired = gs_closing_is_retired(core, &player->world->nodes[i].keys.public_key);
        if (lives > 0 || retired) {
            gs_buffer_printf(&player->said, retired ? " region-%u (retired)" : " region-%u", i);
        }
        if (lives > 1) {
            gs_buffer_printf(&player->said, closed > 0 ? " (%u lives, %u closed)" : " (%u lives)", lives, closed);
        }
    }
    say(player, "\n");
}

static void show_lives(struct player *player, uint32_t at) {
    static const char *const lives[] = {"alive", "suspect", "dead", "left"};
    static const char *const reaches[] = {"", " (one way)", " (through others)", ""};
    const struct sim_world *world = player->world;
    if (world->nodes[at].core == NULL) {
        return;
    }
    gs_buffer_printf(&player->said, "node %u:", at);
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        enum gs_peer_life life;
        enum gs_peer_reach reach;
        gs_core_peer_life(world->nodes[at].core, &world->nodes[i].keys.public_key, &life, &reach);
        if (i != at) {
            gs_buffer_printf(&player->said, " %u %s%s", i, lives[life], reaches[reach]);
        }
    }
    say(player, "\n");
}

static void show_mesh(struct player *player) {
    const struct sim_world *world = player->world;
    uint32_t direct = 0;
    uint32_t lives[4] = {0};
    for (uint32_t a = 0; a < world->plan.nodes; a++) {
        for (uint32_t b = 0; b < world->plan.nodes && world->nodes[a].core != NULL; b++) {
            enum gs_peer_life life;
            enum gs_peer_reach reach;
            gs_core_peer_life(world->nodes[a].core, &world->nodes[b].keys.public_key, &life, &reach);
            bool hears = a != b && life == GS_PEER_ALIVE && reach == GS_REACH_DIRECT;
            direct += hears ? 1 : 0;
            lives[life] += a != b && !hears ? 1 : 0;
        }
    }
    gs_buffer_printf(&player->said, "%u hear each other; of the rest %u are alive, %u suspect, %u dead, %u left\n",
                     direct, lives[GS_PEER_ALIVE], lives[GS_PEER_SUSPECT], lives[GS_PEER_DEAD], lives[GS_PEER_LEFT]);
}

static bool running_agree(const struct sim_world *world) {
    const struct gs_core *first = NULL;
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        first = first == NULL ? core : first;
        if (core != NULL && !sim_is_out(world, i) &&
            (!gs_vector_equal(gs_core_stored(core), gs_core_stored(first)) ||
             !gs_vector_equal(gs_core_stored(core), gs_core_applied(core)))) {
            return false;
        }
    }
    return true;
}

static void settle(struct player *player) {
    for (uint64_t waited = 0; waited < SETTLE_MS; waited += 500) {
        sim_run(player->world, 500);
        if (running_agree(player->world)) {
            sim_check_agreement(player->world);
            say(player, "all agree\n");
            return;
        }
    }
    say(player, "they do not agree\n");
}

/* The commands about members; false: it is none of these. */
static bool play_members(struct player *player, const char *word, uint32_t a, uint32_t b) {
    struct sim_world *world = player->world;
    struct sim_node *node = &world->nodes[a < SIM_NODES_MAX ? a : 0];
    if (strcmp(word, "hole") == 0 && b < SIM_NODES_MAX) {
        struct sim_link *link = a < b ? &world->links[a][b] : &world->links[b][a];
        link->cut[a > b] = true;
    } else if (strcmp(word, "far") == 0) {
        for (uint32_t i = 0; i < world->plan.nodes; i++) {
            for (uint32_t j = i + 1; j < world->plan.nodes; j++) {
                world->links[i][j].slow_ms = a;
            }
        }
    } else if (strcmp(word, "pause") == 0) {
        node->paused_until_ms = world->now_ms + b;
    } else if (strcmp(word, "leave") == 0) {
        sim_node_leave(world, node);
        node->epoch++;
    } else if (strcmp(word, "retire") == 0) {
        sim_order_retirement(world, node);
    } else if (strcmp(word, "mesh") == 0) {
        show_mesh(player);
    } else if (strcmp(word, "lives") == 0) {
        for (uint32_t i = 0; i < world->plan.nodes; i++) {
            show_lives(player, i);
        }
    } else {
        return false;
    }
    return true;
}

static void play(struct player *player, const char *line) {
    struct sim_world *world = player->world;
    char word[16] = "";
    unsigned a = 0;
    long b = 0;
    int count = sscanf(line, "%15s %u %ld", word, &a, &b);
    struct sim_node *node = &world->nodes[a < SIM_NODES_MAX ? a : 0];
    if (strcmp(word, "start") == 0) {
        start(player, a, SIM_SEEDS_ALL);
    } else if (strcmp(word, "chain") == 0) {
        start(player, a, SIM_SEEDS_CHAIN);
    } else if (strcmp(word, "star") == 0) {
        start(player, a, SIM_SEEDS_STAR);
    } else if (strcmp(word, "write") == 0 && count == 3) {
        write_some(player, a, (uint32_t)b);
    } else if (strcmp(word, "run") == 0) {
        sim_run(world, a);
    } else if (strcmp(word, "cut") == 0 && count == 3) {
        set_link(world, a, (uint32_t)b, true);
    } else if (strcmp(word, "mend") == 0) {
        mend(player);
    } else if (strcmp(word, "crash") == 0) {
        crash(player, a);
    } else if (strcmp(word, "up") == 0) {
        sim_node_start(world, node);
        sim_run(world, 3000);
    } else if (strcmp(word, "backup") == 0) {
        sim_disk_copy(&node->backup, &node->disk);
    } else if (strcmp(word, "restore") == 0 || strcmp(word, "wipe") == 0) {
        if (word[0] == 'r') {
            sim_disk_copy(&node->disk, &node->backup);
        } else {
            sim_disk_clear(&node->disk);
        }
        sim_node_disk_changed(node);
        sim_forgive(world, node);
    } else if (strcmp(word, "clock") == 0 && count == 3) {
        node->clock_offset_ms += b;
    } else if (strcmp(word, "show") == 0) {
        for (uint32_t i = 0; i < world->plan.nodes; i++) {
            show_node(player, i);
        }
    } else if (strcmp(word, "settle") == 0) {
        settle(player);
    } else if (!play_members(player, word, a, (uint32_t)b)) {
        gs_buffer_printf(&player->said, "no such command: %s\n", line);
    }
    if (world->failed) {
        gs_buffer_printf(&player->said, "FAILED: %s\n", world->failure);
    }
}

/* Compares line by line; prints what differs. */
static bool matches(const char *path, const char *command, struct gs_buffer *said, const struct gs_buffer *wanted) {
    if (said->length == wanted->length &&
        (said->length == 0 || memcmp(said->bytes, wanted->bytes, said->length) == 0)) {
        return true;
    }
    printf("%s: > %s\nsays:\n%.*swanted:\n%.*s", path, command, (int)said->length,
           said->length > 0 ? (const char *)said->bytes : "", (int)wanted->length,
           wanted->length > 0 ? (const char *)wanted->bytes : "");
    return false;
}

static bool run_file(const char *path) {
    struct player player = {.world = calloc(1, sizeof *player.world)};
    char line[LINE_MAX_BYTES];
    char command[LINE_MAX_BYTES] = "";
    struct gs_buffer wanted = {0};
    FILE *file = fopen(path, "r");
    bool ok = file != NULL && player.world != NULL;
    uint32_t commands = 0;
    bool more = ok;
    while (ok && more) {
        more = fgets(line, sizeof line, file) != NULL;
        if (!more || strncmp(line, "> ", 2) == 0) {
            ok = commands == 0 || matches(path, command, &player.said, &wanted);
            player.said.length = wanted.length = 0;
        }
        if (ok && more && strncmp(line, "> ", 2) == 0) {
            line[strcspn(line, "\n")] = '\0';
            memcpy(command, line + 2, strlen(line + 2) + 1);
            play(&player, command);
            commands++;
        } else if (more && line[0] != '#' && line[0] != '\n') {
            gs_buffer_text(&wanted, line);
        }
    }
    printf("%s: %u commands%s\n", path, commands, ok && commands > 0 ? "" : ", FAILED");
    if (file != NULL) {
        fclose(file);
    }
    sim_world_close(player.world);
    free(player.world);
    gs_buffer_close(&player.said);
    gs_buffer_close(&wanted);
    return ok && commands > 0;
}

int main(int argc, char **argv) {
    bool ok = argc > 1 && sodium_init() >= 0;
    for (int i = 1; i < argc; i++) {
        ok = run_file(argv[i]) && ok;
    }
    return ok ? 0 : 1;
}
