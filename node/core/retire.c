/* A region is retired for good: an operator's decision, an event of this node on gs.member/KEY for each of the region's
 * keys. Its heir closes the region's origins and takes over their rights; it stops counting as a member. There is no
 * way back: a region that returns does so with a new key. */
#include "node/core/core_impl.h"

#include <sodium.h>
#include <string.h>

enum { KEYS_MAX = 16, KEY_TEXT_SIZE = 2 * GS_PUBLIC_KEY_SIZE + 1 };

struct retiring {
    struct gs_write_change changes[KEYS_MAX];
    struct gs_op ops[KEYS_MAX][2];
    char ids[KEYS_MAX][KEY_TEXT_SIZE];
    struct gs_slice paths[2];
    uint32_t count;
};

static bool is_named(const struct gs_trust_entry *entry, struct gs_slice region) {
    return strlen(entry->region) == region.length && memcmp(entry->region, region.bytes, region.length) == 0;
}

static bool is_ours(const struct gs_core *core, const struct gs_trust_entry *entry) {
    return memcmp(&entry->key, &core->config.keys.public_key, sizeof entry->key) == 0;
}

/* The key by which the region counts, or NULL; `*ret_known` if the region has any key. */
static const struct gs_trust_entry *find_live(const struct gs_core *core, struct gs_slice region, bool *ret_known) {
    for (uint32_t i = 0; i < core->config.trust->count; i++) {
        const struct gs_trust_entry *entry = &core->config.trust->entries[i];
        if (is_named(entry, region)) {
            *ret_known = true;
            if (!entry->revoked && !gs_closing_is_retired(core, &entry->key)) {
                return entry;
            }
        }
    }
    return NULL;
}

static int refuse(struct gs_command *command, int code, const char *field, struct gs_slice region, const char *why) {
    int length = region.length < 64 ? (int)region.length : 64;
    const char *name = (const char *)region.bytes;
    return gs_problem_set(&command->retire.problem, code, field, "\"%.*s\" %s", length, name, why);
}

static int check(const struct gs_core *core, struct gs_command *command, const struct gs_trust_entry **ret_heir) {
    struct gs_slice region = command->retire.region;
    struct gs_slice heir = command->retire.heir;
    const struct gs_trust_entry *own = gs_trust_find_key(core->config.trust, &core->config.keys.public_key);
    bool known = false;
    const struct gs_trust_entry *entry = find_live(core, region, &known);
    if (own == NULL || is_named(own, region)) {
        return refuse(command, GS_EINVAL, "region", region, "is this region: ask another one to retire it");
    }
    if (!known) {
        return refuse(command, GS_ENOTFOUND, "region", region, "is no region of the trust file");
    }
    if (entry == NULL) {
        return refuse(command, GS_ENOTFOUND, "region", region, "is retired or revoked already");
    }
    *ret_heir = heir.length == 0 ? own : find_live(core, heir, &known);
    if (*ret_heir == NULL || is_named(*ret_heir, region)) {
        return refuse(command, GS_EINVAL, "/rightsTo", heir, "is no other region that is trusted and not retired");
    }
    return 0;
}

/* Sets /heir, and /reason if there is one, of gs.member/KEY. */
static void add_change(struct retiring *retiring, const gs_public_key *key, struct gs_slice heir,
                       struct gs_slice reason) {
    uint32_t i = retiring->count++;
    sodium_bin2hex(retiring->ids[i], KEY_TEXT_SIZE, key->bytes, sizeof key->bytes);
    retiring->ops[i][0] =
        (struct gs_op){.kind = GS_OP_SET, .path = {.depth = 1, .names = &retiring->paths[0]}, .value = heir};
    retiring->ops[i][1] =
        (struct gs_op){.kind = GS_OP_SET, .path = {.depth = 1, .names = &retiring->paths[1]}, .value = reason};
    retiring->changes[i] = (struct gs_write_change){
        .aggregate_type = gs_slice_make(GS_MEMBER_TYPE, strlen(GS_MEMBER_TYPE)),
        .aggregate_id = gs_slice_make(retiring->ids[i], KEY_TEXT_SIZE - 1),
        .kind = GS_WRITE_OPS,
        .ops = retiring->ops[i],
        .op_count = reason.length > 0 ? 2 : 1,
    };
}

static int write_retirement(struct gs_core *core, const struct gs_command *command, const gs_public_key *heir) {
    static const char type[] = "gs.retire";
    struct retiring retiring = {.paths = {gs_slice_make("heir", 4), gs_slice_make("reason", 6)}};
    struct gs_buffer value = {0};
    char text[KEY_TEXT_SIZE];
    sodium_bin2hex(text, sizeof text, heir->bytes, sizeof heir->bytes);
    gs_write_str(&value, text, sizeof text - 1);
    for (uint32_t i = 0; i < core->config.trust->count && retiring.count < KEYS_MAX; i++) {
        const struct gs_trust_entry *entry = &core->config.trust->entries[i];
        if (is_named(entry, command->retire.region) && !entry->revoked && !is_ours(core, entry) &&
            !gs_closing_is_retired(core, &entry->key)) {
            add_change(&retiring, &entry->key, gs_slice_make(value.bytes, value.length), command->retire.reason);
        }
    }
    struct gs_write write = {
        .event_type = gs_slice_make(type, sizeof type - 1),
        .actor = command->retire.actor,
        .internal = true,
        .change_count = retiring.count,
        .changes = retiring.changes,
    };
    int error = value.failed != 0 ? GS_ENOMEM : gs_write_own(core, &write);
    gs_buffer_close(&value);
    return error;
}

int gs_retire_command(struct gs_core *core, struct gs_command *command, struct gs_update *update) {
    const struct gs_trust_entry *heir = NULL;
    if (core->store_away) {
        return gs_away_answer(command, update);
    }
    if (core->waiting_for_peers || core->retired) {
        command->error = core->retired ? GS_ERETIRED : GS_EBUSY;
        return gs_update_answer(update, command);
    }
    if (check(core, command, &heir) != 0) {
        return gs_update_answer(update, command); /* with the problem */
    }
    int error = write_retirement(core, command, &heir->key);
    if (error == GS_EBUSY || error == GS_EINVAL) {
        command->error = GS_EOVERLOADED;
        return gs_update_answer(update, command);
    }
    if (error != 0) {
        command->error = error;
        (void)gs_update_answer(update, command);
        return error;
    }
    gs_buffer_printf(&command->json, "{\"region\":\"%.*s\",\"state\":\"left\",\"rightsTo\":\"%s\"}",
                     (int)command->retire.region.length, (const char *)command->retire.region.bytes, heir->region);
    command->error = command->json.failed;
    return gs_group_answer(core, command, core->open.number, update);
}
