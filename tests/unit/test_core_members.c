/* Members as one core sees them: records that it takes, passes on and refuses; who lives, asked for through others. */
#include "tests/unit/core_fixture.h"

#include <stdio.h>

enum { EVERYBODY = 7, NUMBER = 1000 };

static struct gs_buffer record_signed(const struct core_fixture *fixture, const struct gs_key_pair *keys,
                                      const gs_public_key *key, uint64_t number, enum gs_member_intent intent,
                                      const char *address) {
    struct gs_member member = {.head = {.key = *key, .number = number, .intent = intent}, .region = "somewhere"};
    struct gs_buffer record = {0};
    member.address_count = address != NULL ? 1 : 0;
    snprintf(member.addresses[0], sizeof member.addresses[0], "%s", address != NULL ? address : "");
    assert_int_equal(gs_member_write(&member, &fixture->config.cluster, keys, &record), 0);
    return record;
}

static struct gs_buffer record_of(const struct core_fixture *fixture, uint32_t author, uint64_t number) {
    const struct gs_key_pair *keys = &fixture->authors[author].keys;
    return record_signed(fixture, keys, &keys->public_key, number, GS_MEMBER_ALIVE, "there:1");
}

/* An author says something; the message is taken. */
static void say(struct core_fixture *fixture, uint32_t author, struct gs_buffer *message) {
    struct gs_core_event event = {.type = GS_CORE_MESSAGE, .peer = {.peer = author + 1}};
    assert_int_equal(message->failed, 0);
    event.peer.message = gs_slice_make(message->bytes, message->length);
    core_step(fixture, event);
    gs_buffer_close(message);
}

/* The record is taken. */
static void say_record(struct core_fixture *fixture, uint32_t author, struct gs_buffer record) {
    struct gs_slice slice = gs_slice_make(record.bytes, record.length);
    struct gs_buffer message = {0};
    gs_message_write_members(&slice, 1, NULL, 0, &message);
    say(fixture, author, &message);
    gs_buffer_close(&record);
}

static void say_answer(struct core_fixture *fixture, uint32_t author, uint64_t id, struct gs_buffer record) {
    struct gs_buffer message = {0};
    gs_message_write_probe_answer(id, gs_slice_make(record.bytes, record.length), &message);
    say(fixture, author, &message);
    gs_buffer_close(&record);
}

static void say_probe(struct core_fixture *fixture, uint32_t author, uint64_t id, const gs_public_key *key,
                      uint64_t number) {
    struct gs_member_known target = {.key = *key, .number = number};
    struct gs_buffer message = {0};
    gs_message_write_probe(id, &target, &message);
    say(fixture, author, &message);
}

static void ping(struct core_fixture *fixture, uint32_t author) {
    struct gs_buffer message = {0};
    gs_message_write_ping(false, 1, &message);
    say(fixture, author, &message);
}

/* What the last step sent the author of this kind; the caller closes it. */
static bool was_told(const struct core_fixture *fixture, uint32_t author, enum gs_message_kind kind,
                     struct gs_message *ret_message) {
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (send->peer == author + 1 && message.kind == kind) {
            *ret_message = message;
            return true;
        }
        gs_message_close(&message);
    }
    return false;
}

static bool heard_of(const struct core_fixture *fixture, uint32_t author, enum gs_message_kind kind) {
    struct gs_message message = {0};
    bool told = was_told(fixture, author, kind, &message);
    gs_message_close(&message);
    return told;
}

static struct gs_member first_record(const struct core_fixture *fixture, const struct gs_message *message) {
    struct gs_member member = {.address_count = 0};
    struct gs_slice bytes = message->kind == GS_MESSAGE_MEMBERS ? message->member.records[0] : message->member.proof;
    assert_int_equal(gs_member_read(bytes, &fixture->config.cluster, &member), 0);
    return member;
}

static enum gs_peer_life life_of(const struct core_fixture *fixture, uint32_t author, enum gs_peer_reach *ret_reach) {
    enum gs_peer_life life;
    enum gs_peer_reach reach;
    gs_core_peer_life(fixture->core, &fixture->authors[author].keys.public_key, &life, &reach);
    if (ret_reach != NULL) {
        *ret_reach = reach;
    }
    return life;
}

/* Time passes in small steps; authors in the set are heard once a second. Stops when somebody is asked to probe. */
static bool pass(struct core_fixture *fixture, uint64_t ms, uint32_t heard) {
    for (uint64_t at = 0; at < ms; at += 100) {
        core_tick(fixture, 100);
        for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
            if (heard_of(fixture, i, GS_MESSAGE_PROBE)) {
                return true;
            }
        }
        for (uint32_t i = 0; at % 1000 == 0 && i < CORE_AUTHORS; i++) {
            if (heard >> i & 1) {
                ping(fixture, i);
            }
        }
    }
    return false;
}

/* Three authors, linked; records of all are known. */
static int open_linked(void **state) {
    struct core_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    core_open(fixture, 0);
    fixture->config.address_count = 1;
    snprintf(fixture->config.addresses[0], sizeof fixture->config.addresses[0], "home:1");
    gs_core_free(fixture->core);
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
    assert_int_equal(core_start(fixture), 0);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        core_link(fixture, i, NULL, 0);
        say_record(fixture, i, record_of(fixture, i, NUMBER));
        assert_int_equal(fixture->update.dial_count, 1);
        assert_string_equal(fixture->update.dials[0].addresses[0], "there:1");
    }
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    core_close(*state);
    free(*state);
    return 0;
}

static void test_news_is_passed_on_once(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    const struct gs_key_pair *keys = &fixture->authors[2].keys;
    say_record(fixture, 0, record_signed(fixture, keys, &keys->public_key, NUMBER + 1, GS_MEMBER_ALIVE, "here:2"));
    assert_true(was_told(fixture, 1, GS_MESSAGE_MEMBERS, &message));
    assert_string_equal(first_record(fixture, &message).addresses[0], "here:2");
    gs_message_close(&message);
    assert_false(heard_of(fixture, 0, GS_MESSAGE_MEMBERS));
    assert_int_equal(fixture->update.dial_count, 1);
    assert_string_equal(fixture->update.dials[0].addresses[0], "here:2");
    say_record(fixture, 1, record_signed(fixture, keys, &keys->public_key, NUMBER + 1, GS_MEMBER_ALIVE, "here:2"));
    assert_false(heard_of(fixture, 0, GS_MESSAGE_MEMBERS));
    say_record(fixture, 1, record_of(fixture, 2, NUMBER)); /* older */
    assert_int_equal(fixture->update.dial_count, 0);
    say_record(fixture, 1, record_signed(fixture, keys, &keys->public_key, NUMBER + 2, GS_MEMBER_ALIVE, "here:2"));
    assert_false(heard_of(fixture, 0, GS_MESSAGE_MEMBERS)); /* a new number is no news */
    say_record(fixture, 1, record_signed(fixture, keys, &keys->public_key, NUMBER + 1, GS_MEMBER_LEAVING, NULL));
    assert_int_equal(life_of(fixture, 2, NULL), GS_PEER_ALIVE); /* but it was taken */
}

static void test_forged_records_cost_the_link(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_key_pair *mine = &fixture->authors[0].keys;
    const struct gs_key_pair *other = &fixture->authors[1].keys;
    struct gs_buffer record =
        record_signed(fixture, mine, &other->public_key, NUMBER + 1, GS_MEMBER_LEAVING, NULL); /* in another's name */
    say_record(fixture, 0, record);
    assert_true(core_dropped(fixture, 0));
    assert_false(heard_of(fixture, 2, GS_MESSAGE_MEMBERS));
    assert_int_equal(life_of(fixture, 1, NULL), GS_PEER_ALIVE);
    record = record_signed(fixture, mine, &fixture->config.keys.public_key, UINT64_C(1) << 60, GS_MEMBER_LEAVING, NULL);
    say_record(fixture, 0, record); /* in ours */
    assert_true(core_dropped(fixture, 0));
    assert_int_equal(core_stats(fixture).refutations, 0);
    fixture->config.cluster.bytes[0] ^= 1;
    record = record_of(fixture, 0, NUMBER + 1);
    fixture->config.cluster.bytes[0] ^= 1;
    say_record(fixture, 0, record); /* of another cluster */
    assert_true(core_dropped(fixture, 0));
}

static void test_strangers_are_passed_over(void **state) {
    struct core_fixture *fixture = *state;
    struct test_author stranger;
    test_author_init(&stranger, 77);
    say_record(fixture, 0,
               record_signed(fixture, &stranger.keys, &stranger.keys.public_key, 1, GS_MEMBER_ALIVE, "x:1"));
    assert_int_equal(fixture->update.drop_count, 0);
    assert_int_equal(fixture->update.dial_count, 0);
    assert_false(heard_of(fixture, 1, GS_MESSAGE_MEMBERS));
    struct gs_buffer record = record_of(fixture, 1, NUMBER + 1);
    record.bytes[0] = 9; /* of a newer program */
    say_record(fixture, 0, record);
    assert_int_equal(fixture->update.drop_count, 0);
    assert_int_equal(core_stats(fixture).members, 3);
}

static void test_our_own_record_is_refuted(void **state) {
    struct core_fixture *fixture = *state;
    const struct gs_key_pair *keys = &fixture->config.keys;
    struct gs_message message;
    uint64_t number = CORE_NOW_MS + 5;
    say_record(fixture, 0, record_signed(fixture, keys, &keys->public_key, 5, GS_MEMBER_LEAVING, NULL));
    assert_int_equal(core_stats(fixture).refutations, 0); /* long known */
    say_record(fixture, 0, record_signed(fixture, keys, &keys->public_key, number, GS_MEMBER_LEAVING, NULL));
    assert_int_equal(core_stats(fixture).refutations, 1);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) { /* also to who holds the old one */
        assert_true(was_told(fixture, i, GS_MESSAGE_MEMBERS, &message));
        struct gs_member own = first_record(fixture, &message);
        assert_int_equal(own.head.number, number + 1);
        assert_int_equal(own.head.intent, GS_MEMBER_ALIVE);
        assert_string_equal(own.addresses[0], "home:1");
        gs_message_close(&message);
    }
}

static void test_who_asks_is_told_what_it_lacks(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_member_known known[2] = {{fixture->authors[0].keys.public_key, NUMBER},
                                       {fixture->authors[1].keys.public_key, NUMBER - 1}};
    struct gs_message message;
    struct gs_buffer question = {0};
    if (memcmp(&known[0].key, &known[1].key, sizeof known[0].key) > 0) {
        struct gs_member_known first = known[0];
        known[0] = known[1];
        known[1] = first;
    }
    gs_message_write_members(NULL, 0, known, 2, &question);
    say(fixture, 0, &question);
    assert_true(was_told(fixture, 0, GS_MESSAGE_MEMBERS, &message));
    assert_int_equal(message.member.record_count, 3); /* of the second and third author, and ours */
    assert_false(message.member.asks);
    gs_message_close(&message);
}

/* A link begins with our record and the question for what we lack. */
static void test_who_links_is_asked(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    struct gs_core_event event = {.type = GS_CORE_PEER_UP, .peer = {.peer = 1}};
    event.peer.key = fixture->authors[0].keys.public_key;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 1}});
    core_step(fixture, event);
    assert_true(was_told(fixture, 0, GS_MESSAGE_MEMBERS, &message));
    assert_string_equal(first_record(fixture, &message).addresses[0], "home:1");
    assert_true(message.member.asks);
    assert_int_equal(message.member.known_count, 4);
    gs_message_close(&message);
}

static void test_notes_outlive_the_process(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    (void)pass(fixture, 1500, EVERYBODY);
    fixture->now_ms -= 50000; /* the clock goes back, too */
    core_restart(fixture);
    assert_int_equal(fixture->update.dial_count, 3);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_SUSPECT); /* it has not been heard yet */
    core_link(fixture, 0, NULL, 0);
    struct gs_buffer question = {0};
    gs_message_write_members(NULL, 0, &(struct gs_member_known){.number = 0}, 0, &question);
    say(fixture, 0, &question);
    assert_true(was_told(fixture, 0, GS_MESSAGE_MEMBERS, &message));
    for (uint32_t i = 0; i < message.member.record_count; i++) {
        struct gs_member member;
        assert_int_equal(gs_member_read(message.member.records[i], &fixture->config.cluster, &member), 0);
        bool ours = memcmp(&member.head.key, &fixture->config.keys.public_key, sizeof member.head.key) == 0;
        assert_true(!ours || member.head.number > CORE_NOW_MS);
    }
    gs_message_close(&message);
}

/* The id of the question that author 1 was asked about author 0. */
static uint64_t question_about_0(struct core_fixture *fixture, uint64_t *ret_number) {
    struct gs_message message;
    assert_true(was_told(fixture, 1, GS_MESSAGE_PROBE, &message));
    assert_memory_equal(&message.member.target.key, &fixture->authors[0].keys.public_key, GS_PUBLIC_KEY_SIZE);
    uint64_t id = message.member.id;
    *ret_number = message.member.target.number;
    gs_message_close(&message);
    return id;
}

static void test_the_silent_are_asked_for(void **state) {
    struct core_fixture *fixture = *state;
    enum gs_peer_reach reach;
    uint64_t number = 0;
    assert_false(pass(fixture, 1200, 6));
    assert_true(pass(fixture, 1000, 6));
    assert_true(heard_of(fixture, 2, GS_MESSAGE_PROBE));
    assert_false(heard_of(fixture, 0, GS_MESSAGE_PROBE));
    for (uint64_t i = 1; i < 12; i++) { /* it is alive for the others, for as long as they bring fresh answers */
        uint64_t id = question_about_0(fixture, &number);
        assert_int_equal(number, NUMBER + i - 1);
        say_answer(fixture, 1, id, record_of(fixture, 0, NUMBER + i));
        assert_int_equal(life_of(fixture, 0, &reach), GS_PEER_ALIVE);
        while (!pass(fixture, 1000, 6)) {
        }
        assert_int_equal(life_of(fixture, 0, &reach), GS_PEER_ALIVE);
    }
    (void)life_of(fixture, 0, &reach);
    assert_int_equal(reach, GS_REACH_INDIRECT);
    assert_int_equal(core_stats(fixture).suspicions, 0);
    ping(fixture, 0);
    (void)life_of(fixture, 0, &reach);
    assert_int_equal(reach, GS_REACH_ONE_WAY); /* it has answered none of our heartbeats */
}

static void test_only_a_fresh_answer_counts(void **state) {
    struct core_fixture *fixture = *state;
    uint64_t number = 0;
    for (int i = 0; i < 40 && life_of(fixture, 0, NULL) == GS_PEER_ALIVE; i++) {
        if (pass(fixture, 1000, 6)) {
            uint64_t id = question_about_0(fixture, &number);
            say_answer(fixture, 1, id, record_of(fixture, 0, NUMBER));                   /* an old one */
            say_answer(fixture, 1, id, record_of(fixture, 1, NUMBER + 1 + (uint64_t)i)); /* another's */
            say_answer(fixture, 1, id + 1, record_of(fixture, 2, NUMBER + 1 + (uint64_t)i));
            say_answer(fixture, 2, 0, (struct gs_buffer){0});
        }
    }
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_SUSPECT);
    ping(fixture, 0);
    core_tick(fixture, 100);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_ALIVE);
}

/* How long author 0 is suspected until it is dead, if the others refuse or say nothing. */
static uint64_t suspicion(struct core_fixture *fixture, bool confirmed) {
    uint64_t ms = 0;
    uint64_t number = 0;
    for (int i = 0; i < 4000 && life_of(fixture, 0, NULL) != GS_PEER_DEAD; i++) {
        bool asked = pass(fixture, 100, 0);
        if (confirmed && asked) {
            uint64_t id = question_about_0(fixture, &number);
            say_answer(fixture, 1, id, (struct gs_buffer){0});
            say_answer(fixture, 2, id, (struct gs_buffer){0});
        }
        if (i % 10 == 0) {
            ping(fixture, 1);
            ping(fixture, 2);
        }
        ms += life_of(fixture, 0, NULL) == GS_PEER_SUSPECT ? 100 : 0;
    }
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_DEAD);
    return ms;
}

static void test_confirmations_shorten_a_suspicion(void **state) {
    struct core_fixture *fixture = *state;
    uint64_t confirmed = suspicion(fixture, true);
    assert_in_range(confirmed, 1500, 4000);
    ping(fixture, 0);
    core_tick(fixture, 100);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_ALIVE);
    uint64_t alone = suspicion(fixture, false); /* helpers that say nothing: it may be us */
    assert_true(alone >= 8000 && alone > 2 * confirmed);
    assert_true(core_stats(fixture).distress > 0);
}

static void test_a_lost_link_is_looked_into_at_once(void **state) {
    struct core_fixture *fixture = *state;
    uint64_t number = 0;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_PEER_DOWN, .peer = {.peer = 1}});
    uint64_t id = question_about_0(fixture, &number);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_ALIVE);
    say_answer(fixture, 1, id, (struct gs_buffer){0});
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_ALIVE); /* one of two */
    say_answer(fixture, 2, id, (struct gs_buffer){0});
    core_tick(fixture, 100);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_SUSPECT);
    say_record(fixture, 1, record_of(fixture, 0, NUMBER + 1)); /* newer, but nobody has heard it */
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_SUSPECT);
    core_link(fixture, 0, NULL, 0);
    assert_int_equal(life_of(fixture, 0, NULL), GS_PEER_ALIVE);
}

static void test_helping(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    const gs_public_key *target = &fixture->authors[2].keys.public_key;
    struct test_author stranger;
    test_author_init(&stranger, 77);
    say_probe(fixture, 0, 5, &stranger.keys.public_key, 1); /* not known: no */
    assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
    assert_int_equal(message.member.id, 5);
    assert_int_equal(message.member.proof.length, 0);
    gs_message_close(&message);
    say_probe(fixture, 0, 6, target, NUMBER - 1); /* what is known is newer, and it was heard just now */
    assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
    assert_int_equal(first_record(fixture, &message).head.number, NUMBER);
    gs_message_close(&message);
    say_probe(fixture, 0, 7, target, NUMBER);
    assert_false(heard_of(fixture, 0, GS_MESSAGE_PROBE_ANSWER));
    assert_true(was_told(fixture, 2, GS_MESSAGE_PROBE, &message));
    uint64_t id = message.member.id;
    assert_int_equal(message.member.target.number, NUMBER);
    gs_message_close(&message);
    say_answer(fixture, 2, id, record_of(fixture, 2, NUMBER + 1));
    assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
    assert_int_equal(message.member.id, 7);
    assert_int_equal(first_record(fixture, &message).head.number, NUMBER + 1);
    gs_message_close(&message);
    say_probe(fixture, 0, 8, target, NUMBER + 1); /* no answer in time */
    for (int i = 0; i < 8 && !heard_of(fixture, 0, GS_MESSAGE_PROBE_ANSWER); i++) {
        core_tick(fixture, 100);
    }
    assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
    assert_int_equal(message.member.id, 8);
    assert_int_equal(message.member.proof.length, 0);
    gs_message_close(&message);
}

/* No peer can make us remember more than so many of its questions. */
static void test_a_flood_of_questions(void **state) {
    struct core_fixture *fixture = *state;
    uint32_t sent_on = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        say_probe(fixture, 0, i, &fixture->authors[2].keys.public_key, NUMBER);
        sent_on += heard_of(fixture, 2, GS_MESSAGE_PROBE) ? 1 : 0;
    }
    assert_int_equal(sent_on, 64);
    say_probe(fixture, 1, 1, &fixture->authors[2].keys.public_key, NUMBER);
    assert_true(heard_of(fixture, 2, GS_MESSAGE_PROBE));
}

static void test_who_looks_for_us_gets_a_newer_record(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    uint64_t number = CORE_NOW_MS;
    for (int i = 0; i < 3; i++) {
        say_probe(fixture, 0, 5, &fixture->config.keys.public_key, number);
        assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
        assert_int_equal(first_record(fixture, &message).head.number, number + 1);
        gs_message_close(&message);
        assert_false(heard_of(fixture, 1, GS_MESSAGE_MEMBERS)); /* of no interest to others */
        say_probe(fixture, 1, 5, &fixture->config.keys.public_key, number);
        assert_int_equal(core_stats(fixture).refutations, (uint64_t)i + 1); /* it is new enough for all who ask */
        number++;
        core_tick(fixture, 100);
    }
    say_probe(fixture, 0, 5, &fixture->config.keys.public_key, GS_MEMBER_NUMBER_MAX); /* we have never said that */
    assert_true(was_told(fixture, 0, GS_MESSAGE_PROBE_ANSWER, &message));
    assert_int_equal(first_record(fixture, &message).head.number, number);
    gs_message_close(&message);
}

static void test_who_sleeps_blames_nobody(void **state) {
    struct core_fixture *fixture = *state;
    assert_false(pass(fixture, 1000, EVERYBODY));
    core_tick(fixture, 60000);
    assert_int_equal(fixture->update.drop_count, 0);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        assert_int_equal(life_of(fixture, i, NULL), GS_PEER_ALIVE);
    }
    assert_int_equal(core_stats(fixture).suspicions, 0);
    assert_in_range(core_stats(fixture).distress, 3, 8);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        struct gs_buffer pong = {0};
        gs_message_write_ping(true, fixture->mono_ms, &pong);
        say(fixture, i, &pong);
    }
    (void)pass(fixture, 1500, EVERYBODY);
    assert_true(core_stats(fixture).distress < 4); /* it passes */
}

static void test_leaving(void **state) {
    struct core_fixture *fixture = *state;
    struct gs_message message;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_LEAVE});
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        assert_true(was_told(fixture, i, GS_MESSAGE_MEMBERS, &message));
        assert_int_equal(first_record(fixture, &message).head.intent, GS_MEMBER_LEAVING);
        gs_message_close(&message);
    }
    core_restart(fixture);
    core_link(fixture, 0, NULL, 0);
    core_link(fixture, 2, NULL, 0);
    const struct gs_key_pair *keys = &fixture->authors[1].keys;
    say_record(fixture, 0, record_signed(fixture, keys, &keys->public_key, NUMBER + 1, GS_MEMBER_LEAVING, "there:1"));
    assert_int_equal(life_of(fixture, 1, NULL), GS_PEER_LEFT);
    assert_false(pass(fixture, 20000, 5)); /* nobody looks for it */
    assert_int_equal(life_of(fixture, 1, NULL), GS_PEER_LEFT);
    core_link(fixture, 1, NULL, 0);
    assert_int_equal(life_of(fixture, 1, NULL), GS_PEER_ALIVE);
}

static void test_a_key_that_is_no_longer_trusted_is_forgotten(void **state) {
    struct core_fixture *fixture = *state;
    fixture->trust.entries[2].revoked = true; /* of the second author */
    gs_core_set_trust(fixture->core, &fixture->trust);
    core_tick(fixture, 1);
    assert_int_equal(fixture->update.dial_count, 1);
    assert_int_equal(fixture->update.dials[0].count, 0);
    assert_memory_equal(&fixture->update.dials[0].key, &fixture->authors[1].keys.public_key, GS_PUBLIC_KEY_SIZE);
    assert_int_equal(core_stats(fixture).members, 2);
    say_record(fixture, 0, record_of(fixture, 1, NUMBER + 1));
    assert_int_equal(core_stats(fixture).members, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_news_is_passed_on_once, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_forged_records_cost_the_link, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_strangers_are_passed_over, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_our_own_record_is_refuted, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_who_asks_is_told_what_it_lacks, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_who_links_is_asked, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_notes_outlive_the_process, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_the_silent_are_asked_for, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_only_a_fresh_answer_counts, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_confirmations_shorten_a_suspicion, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_lost_link_is_looked_into_at_once, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_helping, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_flood_of_questions, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_who_looks_for_us_gets_a_newer_record, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_who_sleeps_blames_nobody, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_leaving, open_linked, close_fixture),
        cmocka_unit_test_setup_teardown(test_a_key_that_is_no_longer_trusted_is_forgotten, open_linked, close_fixture),
    };
    return cmocka_run_group_tests_name("core_members", tests, NULL, NULL);
}
