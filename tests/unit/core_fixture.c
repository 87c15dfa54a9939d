#include "tests/unit/core_fixture.h"

#include <stdio.h>

static struct gs_slice text_of(const char *text) {
    return gs_slice_make(text, strlen(text));
}

static void make_trust(struct core_fixture *fixture) {
    struct gs_buffer text = {0};
    struct gs_problem problem = {0};
    char key[45];
    gs_public_key_text(&fixture->config.keys.public_key, key);
    gs_buffer_printf(&text, "home %s\n", key);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        gs_public_key_text(&fixture->authors[i].keys.public_key, key);
        gs_buffer_printf(&text, "region-%u %s\n", i, key);
    }
    assert_int_equal(gs_trust_parse((const char *)text.bytes, text.length, &fixture->trust, &problem), 0);
    gs_buffer_close(&text);
}

void core_open(struct core_fixture *fixture, uint32_t peers) {
    static const uint8_t seed[GS_SEED_SIZE] = {0xc0, 0x4e};
    *fixture = (struct core_fixture){.now_ms = CORE_NOW_MS, .mono_ms = 1000};
    fixture->config = (struct gs_core_config){
        .cluster = gs_cluster_from_name("test"),
        .trust = &fixture->trust,
        .max_skew_ms = 60000,
        .sync_interval_ms = 500,
        .ack_interval_ms = 5000,
        .start_wait_ms = peers > 0 ? 1000 : 0, /* without peers nobody is asked */
        .idempotency_ms = 60000,
        .idempotency_max = 1000,
        .now_ms = CORE_NOW_MS,
    };
    gs_key_pair_from_seed(seed, &fixture->config.keys);
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        test_author_init(&fixture->authors[i], i + 1);
        fixture->replicas[i] = replica_new((int)i);
        fixture->replicas[i].origin = fixture->authors[i].origin;
    }
    make_trust(fixture);
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
}

static void keep_note(struct core_fixture *fixture, struct gs_core_note *note) {
    struct gs_core_note *place = NULL;
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) {
        struct gs_core_note *other = &fixture->notes[i];
        bool same = strcmp(other->name, note->name) == 0;
        place = same || (place == NULL && other->name[0] == '\0') ? other : place;
    }
    assert_non_null(place);
    gs_buffer_close(&place->bytes);
    *place = *note;
    note->bytes = (struct gs_buffer){0};
    if (place->bytes.length == 0) {
        *place = (struct gs_core_note){0};
    }
}

static int try_step(struct core_fixture *fixture, struct gs_core_event event) {
    gs_update_clear(&fixture->update);
    event.now_ms = fixture->now_ms;
    event.mono_ms = fixture->mono_ms;
    int error = gs_core_step(fixture->core, &event, &fixture->update);
    for (uint32_t i = 0; i < fixture->update.answer_count; i++) {
        ++*(int *)fixture->update.answers[i]->owner;
    }
    for (uint32_t i = 0; i < fixture->update.note_count; i++) {
        keep_note(fixture, &fixture->update.notes[i]);
    }
    if (fixture->update.has_commit) {
        assert_int_equal(fixture->pending.number, 0);
        fixture->pending = fixture->update.commit;
        fixture->update.commit.records = (struct gs_buffer){0};
    }
    return error;
}

static int restore_journal(struct core_fixture *fixture, int journal) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < fixture->keep_count; i++) {
        const struct gs_keep_entries *entries = &fixture->keeps[i]->journals[journal];
        if (entries->first <= entries->last &&
            entries->last >= fixture->keeps[fixture->keep_count - 1]->journals[journal].oldest) {
            struct gs_core_event event = {.type = GS_CORE_RESTORE,
                                          .restore = {.is_journal = true,
                                                      .journal = (enum gs_keep_journal)journal,
                                                      .first = entries->first,
                                                      .last = entries->last}};
            event.restore.bytes = gs_slice_make(entries->entries.bytes, entries->entries.length);
            error = try_step(fixture, event);
        }
    }
    return error;
}

/* As a store does; a newer state of an aggregate takes the place of an older one. */
static int restore_kept(struct core_fixture *fixture) {
    const struct gs_keep *newest = fixture->keeps[fixture->keep_count - 1];
    struct gs_core_event checkpoint = {.type = GS_CORE_RESTORE,
                                       .restore = {.low = newest->low, .position = newest->position}};
    checkpoint.restore.bytes = gs_slice_make(newest->core.bytes, newest->core.length);
    int error = try_step(fixture, checkpoint);
    for (int i = 0; error == 0 && i < GS_KEEP_JOURNALS; i++) {
        error = restore_journal(fixture, i);
    }
    for (uint32_t i = 0; i < fixture->keep_count; i++) {
        for (uint32_t j = 0; error == 0 && j < fixture->keeps[i]->count; j++) {
            error = try_step(fixture, (struct gs_core_event){.type = GS_CORE_RESTORE,
                                                             .restore = {.state = &fixture->keeps[i]->states[j]}});
        }
    }
    return error;
}

void core_keep(struct core_fixture *fixture) {
    assert_non_null(fixture->update.keep);
    assert_true(fixture->keep_count < CORE_KEEPS_MAX);
    fixture->keeps[fixture->keep_count++] = fixture->update.keep;
    fixture->update.keep = NULL;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_KEPT});
}

int core_start(struct core_fixture *fixture) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < CORE_NOTES_MAX; i++) {
        const struct gs_core_note *note = &fixture->notes[i];
        struct gs_core_event event = {.type = GS_CORE_NOTE, .note = {.name = note->name}};
        event.note.bytes = gs_slice_make(note->bytes.bytes, note->bytes.length);
        error = note->name[0] != '\0' ? try_step(fixture, event) : 0;
    }
    uint64_t low = fixture->keep_count > 0 ? fixture->keeps[fixture->keep_count - 1]->low : 0;
    if (error == 0 && fixture->base_position > 0) {
        error = try_step(
            fixture, (struct gs_core_event){.type = GS_CORE_RESTORE,
                                            .restore = {.base = &fixture->base, .position = fixture->base_position}});
    }
    error = error == 0 && fixture->keep_count > 0 ? restore_kept(fixture) : error;
    for (uint64_t i = low; error == 0 && i < fixture->disk_count; i++) {
        const struct gs_buffer *record = &fixture->disk[i];
        error = try_step(fixture, (struct gs_core_event){.type = GS_CORE_RECOVER,
                                                         .record = gs_slice_make(record->bytes, record->length)});
    }
    return error != 0 ? error : try_step(fixture, (struct gs_core_event){.type = GS_CORE_START});
}

void core_restart(struct core_fixture *fixture) {
    gs_update_clear(&fixture->update);
    gs_core_free(fixture->core);
    gs_buffer_close(&fixture->pending.records);
    fixture->pending = (struct gs_commit){0};
    fixture->config.now_ms = fixture->now_ms;
    fixture->config.seed[0]++;
    assert_int_equal(gs_core_new(&fixture->config, &fixture->core), 0);
    assert_int_equal(core_start(fixture), 0);
}

void core_close(struct core_fixture *fixture) {
    gs_update_clear(&fixture->update);
    gs_core_free(fixture->core);
    gs_buffer_close(&fixture->pending.records);
    for (uint32_t i = 0; i < fixture->disk_count; i++) {
        gs_buffer_close(&fixture->disk[i]);
    }
    for (uint32_t i = 0; i < CORE_NOTES_MAX; i++) {
        gs_buffer_close(&fixture->notes[i].bytes);
    }
    for (uint32_t i = 0; i < fixture->keep_count; i++) {
        gs_keep_free(fixture->keeps[i]);
    }
    for (uint32_t i = 0; i < CORE_AUTHORS; i++) {
        gs_aggregate_free(fixture->replicas[i].state);
    }
    gs_vector_close(&fixture->base);
    gs_trust_close(&fixture->trust);
}

void core_step(struct core_fixture *fixture, struct gs_core_event event) {
    assert_int_equal(try_step(fixture, event), 0);
}

void core_tick(struct core_fixture *fixture, uint64_t after_ms) {
    fixture->now_ms += after_ms;
    fixture->mono_ms += after_ms;
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_TICK});
}

static void write_disk(struct core_fixture *fixture, const struct gs_commit *commit) {
    struct gs_reader reader;
    struct gs_record record;
    gs_reader_init(&reader, commit->records.bytes, commit->records.length);
    for (uint32_t i = 0; i < commit->count; i++) {
        const uint8_t *start = reader.at;
        assert_int_equal(gs_record_read(&reader, &record), 0);
        assert_true(fixture->disk_count < CORE_RECORDS_MAX);
        gs_buffer_append(&fixture->disk[fixture->disk_count++], start, (size_t)(reader.at - start));
    }
    assert_int_equal(gs_reader_finish(&reader), 0);
}

void core_store(struct core_fixture *fixture, int error) {
    struct gs_commit commit = fixture->pending;
    assert_int_not_equal(commit.number, 0);
    fixture->pending = (struct gs_commit){0};
    if (error == 0) {
        write_disk(fixture, &commit);
    }
    gs_buffer_close(&commit.records);
    core_step(fixture,
              (struct gs_core_event){.type = GS_CORE_STORED, .stored = {.commit = commit.number, .error = error}});
}

void core_settle(struct core_fixture *fixture) {
    while (fixture->pending.number != 0) {
        core_store(fixture, 0);
    }
}

static void send_message(struct core_fixture *fixture, uint32_t author, struct gs_buffer *message) {
    assert_int_equal(message->failed, 0);
    core_step(fixture, (struct gs_core_event){
                           .type = GS_CORE_MESSAGE,
                           .peer = {.peer = author + 1, .message = gs_slice_make(message->bytes, message->length)}});
    gs_buffer_close(message);
}

void core_tell(struct core_fixture *fixture, uint32_t author, enum gs_vector_want want, const struct gs_head *heads,
               uint32_t count) {
    struct gs_vector vector = {0};
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(gs_vector_set(&vector, &heads[i]), 0);
    }
    struct gs_buffer message = {0};
    gs_message_write_vector(&vector, want, &message);
    gs_vector_close(&vector);
    send_message(fixture, author, &message);
}

void core_link(struct core_fixture *fixture, uint32_t author, const struct gs_head *heads, uint32_t count) {
    struct gs_core_event up = {.type = GS_CORE_PEER_UP,
                               .peer = {.peer = author + 1, .key = fixture->authors[author].keys.public_key}};
    struct gs_statement statement;
    core_step(fixture, up);
    assert_true(core_asked(fixture, author));
    assert_true(core_stated(fixture, author, &statement));
    fixture->instance = statement.instance;
    core_tell(fixture, author, GS_VECTOR_TELL, heads, count);
}

void core_vouch(struct core_fixture *fixture, uint32_t author, const struct gs_holding *holdings, uint32_t count,
                bool rival_alive) {
    struct gs_buffer message = {0};
    gs_message_write_holdings(&fixture->instance, rival_alive, holdings, count, &message);
    send_message(fixture, author, &message);
}

void core_state(struct core_fixture *fixture, uint32_t author, const struct gs_statement *statement) {
    struct gs_buffer message = {0};
    gs_message_write_statement(statement, &message);
    send_message(fixture, author, &message);
}

bool core_stated(const struct core_fixture *fixture, uint32_t author, struct gs_statement *ret_statement) {
    bool stated = false;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        if (send->peer == author + 1 && message.kind == GS_MESSAGE_STATEMENT) {
            *ret_statement = message.statement;
            stated = true;
        }
        gs_message_close(&message);
    }
    return stated;
}

void core_deliver(struct core_fixture *fixture, uint32_t author, enum gs_batches_answer answer,
                  const struct gs_buffer *records, uint32_t count) {
    struct gs_buffer message = {0};
    struct gs_slice bytes = count > 0 ? gs_slice_make(records->bytes, records->length) : (struct gs_slice){0};
    gs_message_write_batches(answer, count, bytes, &message);
    send_message(fixture, author, &message);
}

void core_push(struct core_fixture *fixture, uint32_t author, const struct gs_buffer *record) {
    core_deliver(fixture, author, GS_BATCHES_PUSH, record, 1);
}

bool core_dropped(const struct core_fixture *fixture, uint32_t author) {
    for (uint32_t i = 0; i < fixture->update.drop_count; i++) {
        if (fixture->update.drops[i] == author + 1) {
            return true;
        }
    }
    return false;
}

bool core_asked(const struct core_fixture *fixture, uint32_t author) {
    bool asked = false;
    for (uint32_t i = 0; i < fixture->update.send_count; i++) {
        const struct gs_core_send *send = &fixture->update.sends[i];
        struct gs_message message = {0};
        assert_int_equal(gs_message_decode(send->message.bytes, send->message.length, &message), 0);
        asked =
            asked || (send->peer == author + 1 && message.kind == GS_MESSAGE_VECTOR && message.want != GS_VECTOR_TELL);
        gs_message_close(&message);
    }
    return asked;
}

struct gs_event author_event(struct core_fixture *fixture, uint32_t author, const char *id, const char *ops,
                             struct gs_event_change *change, struct gs_arena *arena) {
    struct test_author *writer = &fixture->authors[author];
    struct replica *replica = &fixture->replicas[author];
    replica->seq = writer->next_seq - 1;
    replica->origin = writer->origin;
    *change = (struct gs_event_change){.aggregate_type = text_of("t"), .aggregate_id = text_of(id)};
    change->delta = replica_write(replica, writer->clock + 1, ops, arena);
    return (struct gs_event){.seq = writer->next_seq,
                             .clock = writer->clock + 1,
                             .event_type = text_of("test.written"),
                             .actor = text_of("author"),
                             .change_count = 1,
                             .changes = change};
}

struct gs_buffer author_write(struct core_fixture *fixture, uint32_t author, const char *id, const char *ops,
                              const struct gs_head *dep) {
    struct gs_arena arena = {0};
    struct gs_event_change change;
    struct gs_event event = author_event(fixture, author, id, ops, &change, &arena);
    struct gs_buffer record = {0};
    test_author_seal(&fixture->authors[author], &event, 1, dep, dep != NULL, &record);
    gs_arena_close(&arena);
    return record;
}

struct gs_command *core_write_new(uint32_t writes, int *answered) {
    struct gs_command *command = gs_command_new(GS_COMMAND_WRITE);
    assert_non_null(command);
    command->writes = gs_arena_alloc(&command->arena, writes * sizeof *command->writes);
    assert_non_null(command->writes);
    command->write_count = writes;
    command->owner = answered;
    return command;
}

struct gs_write *core_write_set(struct gs_command *command, uint32_t index, const char *id, const char *ops) {
    struct gs_problem problem = {0};
    struct gs_op *parsed = NULL;
    uint32_t count = 0;
    struct gs_arena *arena = &command->arena;
    assert_int_equal(gs_ops_parse(value_of(arena, ops), "/ops", arena, &parsed, &count, &problem), 0);
    struct gs_write_change *change = gs_arena_alloc(arena, sizeof *change);
    *change = (struct gs_write_change){.aggregate_type = text_of("t"),
                                       .aggregate_id = text_of(id),
                                       .kind = GS_WRITE_OPS,
                                       .ops = parsed,
                                       .op_count = count,
                                       .prefix = "/ops"};
    struct gs_write *write = (struct gs_write *)&command->writes[index];
    *write = (struct gs_write){
        .event_type = text_of("test.written"), .actor = text_of("client"), .change_count = 1, .changes = change};
    return write;
}

void core_ask(struct core_fixture *fixture, struct gs_command *command) {
    core_step(fixture, (struct gs_core_event){.type = GS_CORE_COMMAND, .command = command});
}

struct gs_command *core_read_a(struct core_fixture *fixture) {
    static const struct gs_read_key key = {{(const uint8_t *)"t", 1}, {(const uint8_t *)"a", 1}};
    int answered = 0;
    struct gs_command *command = gs_command_new(GS_COMMAND_READ);
    assert_non_null(command);
    command->keys = &key;
    command->key_count = 1;
    command->owner = &answered;
    core_ask(fixture, command);
    assert_int_equal(answered, 1);
    command->owner = NULL;
    return command;
}

void core_write(struct core_fixture *fixture, const char *id, const char *ops) {
    int answered = 0;
    struct gs_command *command = core_write_new(1, &answered);
    core_write_set(command, 0, id, ops);
    core_ask(fixture, command);
    core_settle(fixture);
    assert_int_equal(answered, 1);
    assert_int_equal(command->error, 0);
    assert_int_equal(command->results[0].error, 0);
    gs_command_free(command);
}

struct looking {
    const char *id;
    const struct gs_aggregate *found;
};

static int look(void *context, struct gs_slice type, struct gs_slice id, uint64_t version,
                const struct gs_aggregate *aggregate) {
    struct looking *looking = context;
    (void)type;
    if (version > 0 && gs_slice_compare(id, text_of(looking->id)) == 0) {
        looking->found = aggregate;
    }
    return 0;
}

void assert_shows(struct core_fixture *fixture, const char *id, const char *json) {
    struct looking looking = {.id = id};
    (void)gs_core_visit(fixture->core, look, &looking);
    if (json[0] == '\0') {
        assert_null(looking.found);
        return;
    }
    assert_non_null(looking.found);
    assert_json(looking.found, json);
}

struct gs_core_stats core_stats(const struct core_fixture *fixture) {
    struct gs_core_stats stats;
    gs_core_get_stats(fixture->core, &stats);
    return stats;
}

uint64_t core_seq(const struct core_fixture *fixture, const gs_origin *origin) {
    return gs_vector_seq(gs_core_applied(fixture->core), origin);
}
