#include "log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct gs_slice names[] = {
    {(const uint8_t *)"name", 4}, {(const uint8_t *)"gold", 4}, {(const uint8_t *)"members", 7},
    {(const uint8_t *)"old", 3},  {(const uint8_t *)"tags", 4}, {(const uint8_t *)"best", 4},
    {(const uint8_t *)"inv", 3},
};

enum { NAME, GOLD, MEMBERS, OLD, TAGS, BEST, INV };

struct gs_slice fixture_text(const char *text) {
    return gs_slice_make(text, strlen(text));
}

struct region fixture_region(uint8_t number) {
    struct region region;
    uint8_t seed[GS_SEED_SIZE];
    const uint8_t random[6] = {number, 1, 2, 3, 4, 5};
    for (int i = 0; i < GS_SEED_SIZE; i++) {
        seed[i] = (uint8_t)(32 * number + i);
    }
    gs_key_pair_from_seed(seed, &region.keys);
    region.cluster = gs_cluster_from_name("battle");
    region.incarnation = gs_incarnation_make(UINT64_C(1767225600000) + number, random);
    region.origin = gs_origin_derive(&region.keys.public_key, &region.incarnation);
    return region;
}

void fixture_init(struct fixture *fixture) {
    memset(fixture, 0, sizeof *fixture);
    fixture->eu = fixture_region(0);
    fixture->us = fixture_region(1);
}

static gs_dot dot(const struct region *region, uint64_t seq, uint32_t index) {
    return (gs_dot){.origin = region->origin, .at = {.seq = seq, .index = index}};
}

static struct gs_change change(enum gs_op_kind kind, uint32_t index, int name, const char *value) {
    struct gs_change made = {.kind = kind, .index = index, .path = {.depth = 1, .names = &names[name]}};
    if (value != NULL) {
        made.value = fixture_text(value);
    }
    return made;
}

/* Puts `count` prepared changes into aggregate number `place`. */
static void add_aggregate(struct fixture *fixture, int place, const char *type, const char *id, uint64_t previous,
                          uint32_t count) {
    fixture->aggregates[place] = (struct gs_event_change){
        .aggregate_type = fixture_text(type),
        .aggregate_id = fixture_text(id),
        .delta = {.origin = fixture->eu.origin,
                  .seq = fixture->event.seq,
                  .previous = previous,
                  .clock = fixture->event.clock,
                  .count = count,
                  .changes = fixture->changes[place]},
    };
    fixture->event.changes = fixture->aggregates;
    fixture->event.change_count = (uint32_t)place + 1;
}

static void make_created(struct fixture *fixture) {
    struct gs_change *changes = fixture->changes[0];
    fixture->event.event_type = fixture_text("player.created");
    changes[0] = change(GS_OP_SET, 0, NAME,
                        "\xa3"
                        "Ann");
    changes[1] = change(GS_OP_INCREMENT, 1, GOLD, NULL);
    changes[1].by = 5;
    changes[1].fresh = true;
    add_aggregate(fixture, 0, "player", "p1", 0, 2);
}

static void make_joined(struct fixture *fixture) {
    fixture->event.event_type = fixture_text("guild.joined");
    fixture->event.idempotency = (struct gs_idempotency){.present = true, .item = 3};
    memset(fixture->event.idempotency.key, 0x11, 16);
    memset(fixture->event.idempotency.request, 0x22, 16);
    fixture->event.has_detached = true;
    fixture->event.detached = fixture_text("\x82\xa4"
                                           "data\x81\xa1x\x01\xa8metadata\xc3");
    fixture->changes[0][0] = change(GS_OP_ADD, 0, MEMBERS, "\xa2p1");
    add_aggregate(fixture, 0, "guild", "g:1", 0, 1);

    struct gs_change *changes = fixture->changes[1];
    fixture->dots[0] = dot(&fixture->eu, 1, 0);
    fixture->dots[1] = dot(&fixture->us, 7, 3);
    changes[0] = change(GS_OP_SET, 1, NAME,
                        "\xa4"
                        "Anna");
    changes[0].dot_count = 1;
    changes[0].dots = &fixture->dots[0];
    changes[1] = change(GS_OP_INCREMENT, 2, GOLD, NULL);
    changes[1].by = -2;
    changes[1].before = 5;
    fixture->mark = (struct gs_counter_mark){.origin = fixture->us.origin, .at = {.seq = 6, .index = 0}, .total = 300};
    fixture->cleared[0] = (struct gs_cleared){.type = GS_TYPE_COUNTER, .mark_count = 1, .marks = &fixture->mark};
    fixture->cleared[1] = (struct gs_cleared){.type = GS_TYPE_REGISTER, .dot_count = 1, .dots = &fixture->dots[1]};
    changes[2] = change(GS_OP_UNSET, 7, OLD, NULL);
    changes[2].cleared_count = 2;
    changes[2].cleared = fixture->cleared;
    add_aggregate(fixture, 1, "player", "p1", 1, 3);
}

static void make_looted(struct fixture *fixture) {
    struct gs_change *changes = fixture->changes[0];
    fixture->event.event_type = fixture_text("player.looted");
    fixture->dots[0] = dot(&fixture->us, 3, 0);
    fixture->dots[1] = dot(&fixture->us, 3, 300);
    fixture->dots[2] = dot(&fixture->eu, 3, 0);
    changes[0] = change(GS_OP_MAKE_MAP, 0, INV, NULL);
    changes[1] = change(GS_OP_REMOVE, 1, TAGS, "\xa3new");
    changes[1].dot_count = 2;
    changes[1].dots = &fixture->dots[0];
    changes[2] = change(GS_OP_MAX, 2, BEST, NULL);
    /* 12.5 holds NULs, so it is not a text. */
    changes[2].value = gs_slice_make("\xcb\x40\x29\x00\x00\x00\x00\x00\x00", 9);
    changes[3] = change(GS_OP_MAKE_MAP, 3, INV, NULL);
    changes[3].dot_count = 1;
    changes[3].dots = &fixture->dots[2];
    add_aggregate(fixture, 0, "player", "p1", 2, 4);
}

struct gs_event fixture_ack(uint64_t seq) {
    return (struct gs_event){
        .seq = seq, .clock = FIXTURE_CLOCK + seq * 1000, .event_type = fixture_text(GS_ACK_EVENT_TYPE)};
}

const struct gs_event *fixture_event(struct fixture *fixture, uint64_t seq) {
    fixture->event = fixture_ack(seq);
    if (seq < 4) {
        fixture->event.actor = fixture_text(seq == 2 ? "svc:jos\xc3\xa9" : "svc:game-1");
    }
    if (seq == 1) {
        make_created(fixture);
    } else if (seq == 2) {
        make_joined(fixture);
    } else if (seq == 3) {
        make_looted(fixture);
    }
    return &fixture->event;
}

static void seal(struct gs_batch_writer *writer, const struct region *region, const gs_hash *prev_hash,
                 const struct gs_head *dep, struct gs_buffer *ret_record, gs_hash *ret_hash) {
    const struct gs_batch_seal_input input = {
        .cluster = region->cluster,
        .incarnation = region->incarnation,
        .prev_hash = *prev_hash,
        .deps = dep,
        .dep_count = dep != NULL,
        .keys = &region->keys,
    };
    assert_int_equal(gs_batch_seal(writer, &input, ret_record, ret_hash), 0);
    gs_batch_writer_close(writer);
}

/* us-east's history up to 7 exists only as this head. */
static struct gs_head us_head(const struct fixture *fixture) {
    struct gs_head head = {.origin = fixture->us.origin, .seq = 7};
    memset(head.hash.bytes, 0xAA, sizeof head.hash.bytes);
    return head;
}

void fixture_seal(int number, struct gs_buffer *ret_record, gs_hash *ret_hash) {
    struct fixture fixture;
    fixture_init(&fixture);
    struct gs_head us = us_head(&fixture);
    struct gs_buffer before = {0};
    gs_hash prev_hash = {{0}};
    if (number > 0) {
        fixture_seal(number - 1, &before, &prev_hash);
        gs_buffer_close(&before);
    }
    struct gs_batch_writer writer = {0};
    if (number == 2) {
        const struct gs_head eu = {.origin = fixture.eu.origin, .seq = 4, .hash = prev_hash};
        const struct gs_event ack = fixture_ack(8);
        gs_batch_writer_begin(&writer, &fixture.us.origin, 8);
        assert_int_equal(gs_batch_writer_add(&writer, &ack), 0);
        seal(&writer, &fixture.us, &us.hash, &eu, ret_record, ret_hash);
        return;
    }
    gs_batch_writer_begin(&writer, &fixture.eu.origin, number == 0 ? 1 : 2);
    for (uint64_t seq = writer.first_seq; seq <= (number == 0 ? 1 : 4); seq++) {
        assert_int_equal(gs_batch_writer_add(&writer, fixture_event(&fixture, seq)), 0);
    }
    seal(&writer, &fixture.eu, &prev_hash, number == 0 ? NULL : &us, ret_record, ret_hash);
}
