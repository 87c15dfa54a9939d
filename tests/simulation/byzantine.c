#include "tests/simulation/byzantine.h"

#include "gossip/message.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_MS UINT64_C(1767225600000)

static void begin_life(struct sim_world *world) {
    struct sim_byzantine *evil = world->byzantine;
    uint8_t random[6] = {0};
    memcpy(random, &world->plan.seed, sizeof random);
    evil->author = (struct test_author){.keys = world->nodes[sim_byzantine_index(world)].keys,
                                        .cluster = world->cluster,
                                        .next_seq = 1,
                                        .clock = gs_hlc_from_ms(EPOCH_MS)};
    evil->author.incarnation = gs_incarnation_make(EPOCH_MS + evil->lives++, random);
    evil->author.origin = gs_origin_derive(&evil->author.keys.public_key, &evil->author.incarnation);
    gs_buffer_close(&evil->kept);
}

void sim_byzantine_open(struct sim_world *world) {
    world->byzantine = calloc(1, sizeof *world->byzantine);
    if (world->byzantine == NULL) {
        sim_fail(world, "out of memory");
        return;
    }
    begin_life(world);
}

void sim_byzantine_close(struct sim_world *world) {
    if (world->byzantine == NULL) {
        return;
    }
    for (uint32_t i = 0; i < SIM_CAPTURED_MAX; i++) {
        gs_buffer_close(&world->byzantine->captured[i]);
    }
    gs_buffer_close(&world->byzantine->kept);
    free(world->byzantine);
    world->byzantine = NULL;
}

void sim_byzantine_receive(struct sim_world *world, uint64_t link, struct gs_slice bytes) {
    struct sim_byzantine *evil = world->byzantine;
    struct sim_node *from = sim_link_other(world, &world->nodes[sim_byzantine_index(world)], link);
    struct gs_message message = {0};
    struct gs_buffer *slot = &evil->captured[evil->captured_count++ % SIM_CAPTURED_MAX];
    slot->length = 0;
    gs_buffer_append(slot, bytes.bytes, bytes.length);
    if (from != NULL && gs_message_decode(bytes.bytes, bytes.length, &message) == 0) {
        if (message.kind == GS_MESSAGE_STATEMENT) {
            evil->asker[from->index] = message.statement.instance;
        }
        evil->question = message.kind == GS_MESSAGE_PROBE ? message.member.id : evil->question;
        gs_message_close(&message);
    }
}

/* An event on t/0 that claims an event of its author before it, of which there is none. */
static void write_over_claim(struct test_author *author, struct gs_buffer *records) {
    struct gs_event_change change = {.aggregate_type = gs_slice_make("t", 1), .aggregate_id = gs_slice_make("0", 1)};
    change.delta = (struct gs_delta){.origin = author->origin,
                                     .seq = author->next_seq,
                                     .clock = author->clock + 1,
                                     .previous = author->next_seq - 1};
    struct gs_event event = {.seq = author->next_seq,
                             .clock = author->clock + 1,
                             .event_type = gs_slice_make("evil", 4),
                             .actor = gs_slice_make("evil", 4),
                             .change_count = 1,
                             .changes = &change};
    test_author_seal(author, &event, 1, NULL, 0, records);
}

static void write_unmet_dep(struct sim_world *world, struct test_author *author, struct gs_buffer *records) {
    struct gs_event event = {.seq = author->next_seq,
                             .clock = author->clock + 1,
                             .event_type = gs_slice_make(GS_ACK_EVENT_TYPE, sizeof GS_ACK_EVENT_TYPE - 1)};
    struct gs_head dep = {.seq = 1 + sim_random(&world->rng) % GS_SEQ_MAX};
    uint64_t word = sim_random(&world->rng);
    memcpy(dep.origin.bytes, &word, sizeof word);
    test_author_seal(author, &event, 1, &dep, 1, records);
}

/* Batches that are signed well. Those that nobody may apply end a life: what would follow them is of no use. */
static void send_batch(struct sim_world *world, struct gs_buffer *out) {
    struct sim_byzantine *evil = world->byzantine;
    struct test_author *author = &evil->author;
    struct gs_buffer record = {0};
    bool spoilt = true;
    uint64_t kind = sim_below(&world->rng, 8);
    if (evil->lives >= SIM_LIVES_MAX && kind >= 3) {
        kind = 0;
    }
    switch (kind) {
    case 0: /* a good one */
    case 1: /* one that comes before the one before it */
        spoilt = false;
        if (kind == 1 && evil->kept.length == 0) {
            test_author_batch(author, 1, 30, &evil->kept);
        }
        test_author_batch(author, 1 + (uint32_t)sim_below(&world->rng, 3), sim_below(&world->rng, 100), &record);
        break;
    case 2:
        spoilt = false;
        gs_buffer_append(&record, evil->kept.bytes, evil->kept.length);
        gs_buffer_close(&evil->kept);
        break;
    case 3: /* ten years ahead */
        author->clock = gs_hlc_from_ms(EPOCH_MS + UINT64_C(315576000000));
        test_author_batch(author, 1, 0, &record);
        break;
    case 4:
        author->cluster.bytes[0] ^= 1;
        test_author_batch(author, 1, 0, &record);
        break;
    case 5:
        write_unmet_dep(world, author, &record);
        break;
    default: /* its first event on t/0 is not its first one at all */
        test_author_batch(author, 1, 0, &record);
        write_over_claim(author, &record);
        break;
    }
    struct gs_reader reader;
    gs_reader_init(&reader, record.bytes, record.length);
    uint32_t count = 0;
    for (struct gs_record one; record.length > 0 && reader.at < reader.end && gs_record_read(&reader, &one) == 0;) {
        count++;
    }
    gs_message_write_batches(GS_BATCHES_PUSH, count, gs_slice_make(record.bytes, record.length), out);
    gs_buffer_close(&record);
    if (spoilt) {
        begin_life(world);
    }
}

/* Heads of all that it has heard of, and numbers as it likes. */
static void send_vector(struct sim_world *world, struct gs_buffer *out) {
    struct gs_vector vector = {0};
    for (uint32_t i = 0; i < world->plan.nodes; i++) {
        const struct gs_core *core = world->nodes[i].core;
        if (core != NULL) {
            struct gs_head head = {.origin = gs_core_origin(core)};
            head.seq = sim_chance(&world->rng, 50) ? GS_SEQ_MAX : 1 + sim_below(&world->rng, 20);
            head.hash.bytes[0] = (uint8_t)sim_random(&world->rng);
            (void)gs_vector_set(&vector, &head);
        }
    }
    gs_message_write_vector(&vector, (enum gs_vector_want)sim_below(&world->rng, 3), out);
    gs_vector_close(&vector);
}

static void send_statement(struct sim_world *world, const struct sim_node *to, struct gs_buffer *out) {
    struct gs_statement statement = {.key = world->nodes[sim_byzantine_index(world)].keys.public_key,
                                     .started_ms = sim_random(&world->rng),
                                     .rival = world->byzantine->asker[to->index]};
    uint64_t word = sim_random(&world->rng);
    memcpy(statement.instance.bytes, &word, sizeof word);
    gs_statement_sign(&statement, &world->cluster, &world->nodes[sim_byzantine_index(world)].keys);
    if (sim_chance(&world->rng, 50)) {
        statement.key = to->keys.public_key; /* forged: as if of the node's own key, and earlier */
        statement.started_ms = 1;
    }
    gs_message_write_statement(&statement, out);
}

/* "I hold more of you than you do", or nothing, or somebody else's answer. */
static void send_holdings(struct sim_world *world, const struct sim_node *to, struct gs_buffer *out) {
    struct gs_holding holding = {.seq = 1 + sim_random(&world->rng) % GS_SEQ_MAX};
    uint64_t word = sim_random(&world->rng);
    memcpy(holding.incarnation.bytes, &word, sizeof word);
    bool honest = sim_chance(&world->rng, 70);
    gs_message_write_holdings(&world->byzantine->asker[to->index], !honest && sim_chance(&world->rng, 30), &holding,
                              honest ? 0 : 1, out);
}

/* What a node has sent, as it was or damaged. */
static void send_captured(struct sim_world *world, bool damaged, struct gs_buffer *out) {
    struct sim_byzantine *evil = world->byzantine;
    const struct gs_buffer *one = &evil->captured[sim_below(&world->rng, SIM_CAPTURED_MAX)];
    gs_buffer_append(out, one->bytes, one->length);
    if (!damaged || out->length == 0) {
        return;
    }
    for (uint64_t flips = 1 + sim_below(&world->rng, 3); flips > 0; flips--) {
        out->bytes[sim_below(&world->rng, out->length)] ^= (uint8_t)(1 << sim_below(&world->rng, 8));
    }
    if (sim_chance(&world->rng, 30)) {
        out->length = sim_below(&world->rng, out->length);
    } else if (sim_chance(&world->rng, 20)) {
        gs_buffer_append(out, "\xc1\xc0\x00", 3);
    }
}

/* A record: its own, of any number, to leave or to stay; or in somebody else's name. */
static void write_record(struct sim_world *world, const gs_public_key *in_name_of, struct gs_buffer *out) {
    const struct gs_key_pair *keys = &world->nodes[sim_byzantine_index(world)].keys;
    struct gs_member member = {.head = {.key = *in_name_of, .intent = GS_MEMBER_ALIVE}, .region = "evil"};
    member.head.number = 1 + sim_random(&world->rng) % GS_MEMBER_NUMBER_MAX;
    member.head.intent = sim_chance(&world->rng, 50) ? GS_MEMBER_LEAVING : GS_MEMBER_ALIVE;
    member.address_count = 1;
    memcpy(member.addresses[0], "node-0:1", 9); /* where somebody else is */
    (void)gs_member_write(&member, &world->cluster, keys, out);
}

static void send_member(struct sim_world *world, struct gs_buffer *out) {
    uint64_t place = sim_below(&world->rng, world->plan.nodes + 1); /* its own place is the last */
    const gs_public_key *key = &world->nodes[place].keys.public_key;
    struct gs_member_known target = {.key = *key, .number = sim_random(&world->rng) % GS_MEMBER_NUMBER_MAX};
    struct gs_buffer record = {0};
    write_record(world, key, &record);
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    switch (sim_below(&world->rng, 4)) {
    case 0:
        gs_message_write_members(&slice, 1, &target, 1, out);
        break;
    case 1: /* also numbers that nobody has ever used */
        gs_message_write_probe(sim_random(&world->rng), &target, out);
        break;
    case 2: /* to a question that it has seen, or not: it does not reach anybody */
        gs_message_write_probe_answer(world->byzantine->question, (struct gs_slice){0}, out);
        break;
    default:
        gs_message_write_probe_answer(world->byzantine->question, slice, out);
        break;
    }
    gs_buffer_close(&record);
}

/* Two good batches as a proof of a fork. */
static void send_false_proof(struct sim_world *world, struct gs_buffer *out) {
    struct gs_buffer first = {0};
    struct gs_buffer second = {0};
    test_author_batch(&world->byzantine->author, 1, 0, &first);
    test_author_batch(&world->byzantine->author, 1, 0, &second);
    gs_message_write_fork(gs_slice_make(first.bytes, first.length), gs_slice_make(second.bytes, second.length), out);
    gs_buffer_close(&first);
    gs_buffer_close(&second);
    begin_life(world);
}

static void send_noise(struct sim_world *world, struct gs_buffer *out) {
    static const char *const shapes[] = {
        "\x93\x02\x02\xdd\xff\xff\xff\xff",     "\x93\x01\x01\xdd\xff\xff\xff\xff",         "\x94\x06\xc4\x10",
        "\x94\x01\x01\x90\xdd\xff\xff\xff\xff", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", "\xde\xff\xff",
    };
    uint64_t shape = sim_below(&world->rng, 8);
    if (shape < 6) {
        gs_buffer_append(out, shapes[shape], strlen(shapes[shape]));
    }
    for (uint64_t i = sim_below(&world->rng, 60); i > 0; i--) {
        gs_buffer_byte(out, (uint8_t)sim_random(&world->rng));
    }
}

static void draw_message(struct sim_world *world, const struct sim_node *to, struct gs_buffer *out) {
    switch (sim_below(&world->rng, 14)) {
    case 0:
    case 1:
    case 2:
        send_batch(world, out);
        break;
    case 3:
        send_vector(world, out);
        break;
    case 4:
        send_statement(world, to, out);
        break;
    case 5:
    case 6:
        send_holdings(world, to, out);
        break;
    case 7:
        send_captured(world, false, out);
        break;
    case 8:
    case 9:
        send_captured(world, true, out);
        break;
    case 10:
        if (world->byzantine->lives < SIM_LIVES_MAX) {
            send_false_proof(world, out);
            break;
        }
        send_noise(world, out);
        break;
    case 11:
    case 12:
        send_member(world, out);
        break;
    default:
        send_noise(world, out);
        break;
    }
}

void sim_byzantine_act(struct sim_world *world) {
    struct sim_node *to = &world->nodes[sim_below(&world->rng, world->plan.nodes)];
    const struct sim_link *link = &world->links[to->index][sim_byzantine_index(world)];
    if (world->healed) {
        return;
    }
    if (link->up) {
        struct sim_event event = {.type = SIM_DELIVER, .node = to->index, .number = link->id};
        draw_message(world, to, &event.bytes);
        sim_schedule(world, 1 + sim_below(&world->rng, world->plan.delay_ms_max), event);
    }
    sim_schedule(world, 1 + sim_below(&world->rng, 60), (struct sim_event){.type = SIM_BYZANTINE});
}
