/* The ledger as JSON: GS_COMMAND_CONFLICTS, newest first. */
#include "node/core/core_impl.h"

#include <globalstate/json.h>

#include <string.h>

enum { VALUE_MEMBERS = 7 };

struct window {
    gs_hlc from, to; /* 0: none of the values keeps a clock */
};

static void write_time(const char *name, gs_hlc clock, struct gs_buffer *out) {
    char time[25];
    gs_hlc_format(clock, time);
    gs_buffer_printf(out, ",\"%s\":\"%s\"", name, time);
}

static void write_clock(const struct gs_core *core, struct gs_reader *reader, struct gs_buffer *out) {
    if (gs_peek_kind(reader) == GS_KIND_NIL) {
        gs_read_nil(reader);
        gs_buffer_text(out, ",\"vectorClock\":null");
        return;
    }
    uint32_t count = gs_read_array(reader, UINT32_MAX);
    gs_buffer_text(out, ",\"vectorClock\":{");
    for (uint32_t i = 0; i < count; i++) {
        gs_origin origin;
        gs_read_array_exact(reader, 2);
        gs_read_bin_exact(reader, origin.bytes, GS_ORIGIN_SIZE);
        uint64_t seq = gs_read_uint(reader);
        gs_buffer_text(out, i > 0 ? ",\"" : "\"");
        gs_registry_write_name(core, &origin, out);
        gs_buffer_printf(out, "\":%llu", (unsigned long long)seq);
    }
    gs_buffer_byte(out, '}');
}

static void write_value(const struct gs_core *core, struct gs_reader *reader, struct window *window,
                        struct gs_buffer *out) {
    gs_origin origin;
    gs_read_array_exact(reader, VALUE_MEMBERS);
    gs_read_bin_exact(reader, origin.bytes, GS_ORIGIN_SIZE);
    uint64_t seq = gs_read_uint(reader);
    gs_hlc clock = gs_read_uint(reader);
    uint64_t type = gs_read_uint(reader);
    struct gs_slice value = gs_skip_value(reader);
    uint64_t size = gs_read_uint(reader);
    gs_buffer_text(out, "{\"value\":");
    gs_json_write(value, out);
    if (size == 0) {
        gs_buffer_printf(out, ",\"type\":\"%s\"", gs_type_name((int)type));
    } else if (size > GS_LEDGER_VALUE_MAX) {
        gs_buffer_printf(out, ",\"valueBytes\":%llu", (unsigned long long)size);
    }
    gs_buffer_text(out, ",\"region\":\"");
    gs_registry_write_name(core, &origin, out);
    gs_buffer_printf(out, "\",\"seq\":%llu", (unsigned long long)seq);
    if (clock != 0) {
        write_time("timestamp", clock, out);
        window->from = window->from == 0 || clock < window->from ? clock : window->from;
        window->to = gs_hlc_observe(window->to, clock);
    }
    write_clock(core, reader, out);
    gs_buffer_byte(out, '}');
}

void gs_ledger_write_entry(const struct gs_core *core, const struct gs_ledger_entry *entry, struct gs_buffer *out) {
    struct gs_reader reader;
    struct window window = {0};
    size_t names = entry->type.length + entry->id.length;
    gs_reader_init(&reader, entry->bytes + names, entry->length - names);
    gs_buffer_printf(out, "{\"aggregateType\":\"%.*s\",\"aggregateId\":\"%.*s\",\"path\":", (int)entry->type.length,
                     (const char *)entry->type.bytes, (int)entry->id.length, (const char *)entry->id.bytes);
    gs_read_array_exact(&reader, 5);
    struct gs_slice path = gs_read_str(&reader, SIZE_MAX);
    gs_json_write_string(path.bytes, path.length, out);
    uint64_t type = gs_read_uint(&reader);
    struct gs_slice rule = gs_read_str(&reader, SIZE_MAX);
    gs_hlc updated = gs_read_uint(&reader);
    uint32_t count = gs_read_array(&reader, UINT32_MAX);
    gs_buffer_printf(out, ",\"type\":\"%s\",\"rule\":\"%.*s\",\"winner\":",
                     type == GS_LEDGER_EVENT ? "event" : gs_type_name((int)type), (int)rule.length,
                     (const char *)rule.bytes);
    for (uint32_t i = 0; i < count; i++) {
        gs_buffer_text(out, i == 0 ? "" : i == 1 ? ",\"losers\":[" : ",");
        write_value(core, &reader, &window, out);
    }
    if (window.to == 0) {
        window = (struct window){.from = updated, .to = updated};
    }
    gs_buffer_byte(out, ']');
    write_time("detectedAt", window.to, out);
    gs_buffer_text(out, ",\"window\":{\"ms\":");
    gs_buffer_printf(out, "%llu", (unsigned long long)(gs_hlc_ms(window.to) - gs_hlc_ms(window.from)));
    write_time("from", window.from, out);
    write_time("to", window.to, out);
    gs_buffer_printf(out, "},\"number\":%llu,\"recordedBy\":\"%s\"}", (unsigned long long)entry->number,
                     core->self->region);
}

static bool is_wanted(const struct gs_ledger_entry *entry, const struct gs_command *command) {
    return (command->list_before == 0 || entry->number < command->list_before) &&
           (command->list_type.length == 0 || (gs_slice_compare(entry->type, command->list_type) == 0 &&
                                               gs_slice_compare(entry->id, command->list_id) == 0));
}

/* One item: the names, for whoever may not see them all, and the document. */
static int write_item(struct gs_core *core, struct gs_command *command, const struct gs_ledger_entry *entry,
                      struct gs_conflict_item *item) {
    struct gs_buffer json = {0};
    gs_ledger_write_entry(core, entry, &json);
    int error = json.failed;
    const void *copy = error == 0 ? gs_arena_copy(&command->arena, json.bytes, json.length) : NULL;
    const void *type = gs_arena_copy(&command->arena, entry->type.bytes, entry->type.length);
    const void *id = gs_arena_copy(&command->arena, entry->id.bytes, entry->id.length);
    *item = (struct gs_conflict_item){.number = entry->number,
                                      .type = gs_slice_make(type, entry->type.length),
                                      .id = gs_slice_make(id, entry->id.length),
                                      .json = gs_slice_make(copy, json.length)};
    gs_buffer_close(&json);
    return error != 0 ? error : copy == NULL || type == NULL || id == NULL ? GS_ENOMEM : 0;
}

int gs_ledger_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    uint32_t limit = command->list_limit < GS_LEDGER_PAGE_MAX ? command->list_limit : GS_LEDGER_PAGE_MAX;
    struct gs_conflict_item *items = gs_arena_alloc(&command->arena, (limit + 1) * sizeof *items);
    uint64_t group = 0;
    command->error = items == NULL ? GS_ENOMEM : 0;
    for (const struct gs_ledger_entry *entry = core->ledger.newest; entry != NULL && command->error == 0;
         entry = entry->older) {
        if (!is_wanted(entry, command)) {
            continue;
        }
        if (command->conflict_count == limit) {
            command->conflict_more = true;
            break;
        }
        group = entry->group > group ? entry->group : group;
        command->error = write_item(core, command, entry, &items[command->conflict_count]);
        command->conflict_count += command->error == 0 ? 1 : 0;
    }
    command->conflicts = items;
    command->conflict_recorded = core->ledger.recorded;
    return gs_group_answer(core, command, command->error == 0 ? group : 0, update);
}
