/* Member records: our own, and the newest of everybody else. */
#include "node/core/core_impl.h"

#include <stdlib.h>
#include <string.h>

enum {
    TELL_MAX = 8,         /* news goes to so many peers at once; the exchange brings it to the rest */
    EXCHANGE_MS = 5000,   /* numbers are compared with a random peer about this often */
    NOTE_DELAY_MS = 1000, /* members come in crowds: they are written down together */
    REFUTE_MS = 100,      /* our record is signed anew at most this often for those who ask */
    NOTE_BYTES_MAX = (GS_MEMBERS_MAX + 1) * (GS_MEMBER_BYTES_MAX + 3) + 8
};

struct gs_slice gs_members_record(const struct gs_buffer *record) {
    return gs_slice_make(record->bytes, record->length);
}

static bool is_own(const struct gs_core *core, const gs_public_key *key) {
    return memcmp(key, &core->config.keys.public_key, sizeof *key) == 0;
}

/* A key that may be a member: trusted, not revoked, not ours. */
static bool is_welcome(const struct gs_core *core, const gs_public_key *key) {
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, key);
    return trusted != NULL && !trusted->revoked && !is_own(core, key);
}

/* The place of the key, or where it would stand. */
static uint32_t place_of(const struct gs_members *members, const gs_public_key *key) {
    uint32_t low = 0;
    uint32_t high = members->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(&members->entries[middle]->key, key, sizeof *key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct gs_member_entry *gs_members_find(const struct gs_core *core, const gs_public_key *key) {
    uint32_t place = place_of(&core->members, key);
    bool there = place < core->members.count && memcmp(&core->members.entries[place]->key, key, sizeof *key) == 0;
    return there ? core->members.entries[place] : NULL;
}

struct gs_peer_state *gs_members_link(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (memcmp(&core->peers[i].key, key, sizeof *key) == 0) {
            return (struct gs_peer_state *)&core->peers[i];
        }
    }
    return NULL;
}

static void remove_at(struct gs_members *members, uint32_t place) {
    struct gs_member_entry *entry = members->entries[place];
    gs_buffer_close(&entry->record);
    free(entry);
    members->count--;
    memmove(&members->entries[place], &members->entries[place + 1],
            (members->count - place) * sizeof members->entries[0]);
}

/* Finds or adds. NULL: out of memory, or there are too many. */
static struct gs_member_entry *get(struct gs_core *core, const gs_public_key *key) {
    struct gs_members *members = &core->members;
    uint32_t place = place_of(members, key);
    if (place < members->count && memcmp(&members->entries[place]->key, key, sizeof *key) == 0) {
        return members->entries[place];
    }
    struct gs_member_entry *entry = members->count < GS_MEMBERS_MAX ? calloc(1, sizeof *entry) : NULL;
    if (entry == NULL) {
        return NULL;
    }
    entry->key = *key;
    entry->life = GS_PEER_SUSPECT; /* until it gives a sign of life */
    entry->since_mono_ms = core->mono_ms;
    memmove(&members->entries[place + 1], &members->entries[place],
            (members->count - place) * sizeof members->entries[0]);
    members->entries[place] = entry;
    members->count++;
    members->look_mono_ms = 0;
    return entry;
}

static void note_later(struct gs_core *core) {
    if (!core->members.note_due) {
        core->members.note_due = true;
        core->members.note_mono_ms = core->mono_ms + NOTE_DELAY_MS;
    }
}

/* Signs our record under a new number. */
static int sign_own(struct gs_core *core, uint64_t number) {
    struct gs_members *members = &core->members;
    struct gs_buffer record = {0};
    members->own.head.number = number < GS_MEMBER_NUMBER_MAX ? number : GS_MEMBER_NUMBER_MAX;
    int error = gs_member_write(&members->own, &core->config.cluster, &core->config.keys, &record);
    if (error != 0) {
        gs_buffer_close(&record);
        return error;
    }
    gs_buffer_close(&members->own_record);
    members->own_record = record;
    members->number_seen = members->own.head.number;
    return 0;
}

int gs_members_renew(struct gs_core *core, uint64_t number) {
    struct gs_members *members = &core->members;
    bool lately = members->refuted_mono_ms != 0 && core->mono_ms - members->refuted_mono_ms < REFUTE_MS;
    /* A greater number than we have ever used is nothing that we have said. */
    if (members->own.head.number > number || number > members->number_seen || lately) {
        return 0;
    }
    members->refuted_mono_ms = core->mono_ms;
    core->stats.refutations++;
    return sign_own(core, members->number_seen + 1);
}

int gs_members_start(struct gs_core *core) {
    struct gs_members *members = &core->members;
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &core->config.keys.public_key);
    if (trusted == NULL) {
        return GS_EUNTRUSTED;
    }
    members->own.head.key = core->config.keys.public_key;
    members->own.head.intent = GS_MEMBER_ALIVE;
    memcpy(members->own.region, trusted->region, sizeof members->own.region);
    members->own.address_count = core->config.address_count;
    memcpy(members->own.addresses, core->config.addresses, sizeof members->own.addresses);
    for (uint32_t i = 0; i < members->count; i++) {
        members->entries[i]->since_mono_ms = core->mono_ms;
    }
    members->exchange_mono_ms = core->mono_ms + EXCHANGE_MS;
    note_later(core);
    uint64_t next = members->number_seen + 1;
    return sign_own(core, core->now_ms > next ? core->now_ms : next);
}

/* Sends one record to peers, but not to `source`: to all of few, to some of many. */
static int tell(struct gs_core *core, struct gs_slice record, gs_peer source, bool all, struct gs_update *update) {
    uint32_t left = all || core->peer_count <= TELL_MAX ? core->peer_count : TELL_MAX;
    uint32_t first = core->peer_count > 0 ? (uint32_t)gs_rng_below(&core->rng, core->peer_count) : 0;
    uint32_t step = left == core->peer_count ? 1 : core->peer_count / left;
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < left; i++) {
        const struct gs_peer_state *peer = &core->peers[(first + i * step) % core->peer_count];
        if (peer->id != source) {
            struct gs_buffer message = {0};
            gs_message_write_members(&record, 1, NULL, 0, &message);
            error = gs_update_send(update, peer->id, &message);
        }
    }
    return error;
}

/* Somebody holds a record of ours that we know nothing of, or that another life of ours has made: ours is newer now. */
static int refute(struct gs_core *core, struct gs_peer_state *peer, struct gs_slice bytes, uint64_t number,
                  struct gs_update *update) {
    struct gs_members *members = &core->members;
    struct gs_member said;
    bool ours =
        bytes.length == members->own_record.length && memcmp(bytes.bytes, members->own_record.bytes, bytes.length) == 0;
    if (number < members->own.head.number || ours) {
        return 0;
    }
    if (gs_member_read(bytes, &core->config.cluster, &said) != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    members->number_seen = number > members->number_seen ? number : members->number_seen;
    int error = gs_members_renew(core, number);
    return error != 0 ? error : tell(core, gs_members_record(&members->own_record), 0, false, update);
}

/* Puts a record that was verified in the place of the older one. `*ret_news`: it says something else. */
static int put(struct gs_core *core, const struct gs_member *member, struct gs_slice bytes, bool *ret_news) {
    struct gs_member_entry *entry = get(core, &member->head.key);
    struct gs_buffer record = {0};
    gs_buffer_append(&record, bytes.bytes, bytes.length);
    if (entry == NULL || record.failed != 0) {
        gs_buffer_close(&record);
        return entry == NULL && core->members.count == GS_MEMBERS_MAX ? 0 : GS_ENOMEM; /* too many: not taken */
    }
    bool known = entry->record.length > 0;
    *ret_news = !known || !gs_member_same(&entry->member, member);
    entry->dial_due = entry->dial_due || *ret_news;
    gs_buffer_close(&entry->record);
    entry->record = record;
    entry->member = *member;
    if (member->head.intent == GS_MEMBER_LEAVING) {
        entry->left_mono_ms = core->mono_ms;
    }
    gs_detector_renewed(core, entry);
    if (*ret_news) {
        note_later(core);
    }
    return 0;
}

int gs_members_take(struct gs_core *core, struct gs_peer_state *peer, struct gs_slice bytes, bool *ret_taken,
                    struct gs_update *update) {
    struct gs_member_head head;
    struct gs_member member;
    int error = gs_member_read_head(bytes, &core->config.cluster, &head);
    if (error == GS_EVERSION) {
        return 0; /* of a newer program */
    }
    if (error == 0 && is_own(core, &head.key)) {
        return refute(core, peer, bytes, head.number, update);
    }
    if (error == 0) {
        const struct gs_member_entry *entry = gs_members_find(core, &head.key);
        bool old = entry != NULL && entry->record.length > 0 && head.number <= entry->member.head.number;
        if (old || !is_welcome(core, &head.key)) {
            return 0; /* trust files may differ for a while */
        }
        error = gs_member_read(bytes, &core->config.cluster, &member);
    }
    if (error != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    bool news = false;
    error = put(core, &member, bytes, &news);
    if (ret_taken != NULL) {
        *ret_taken = error == 0;
    }
    return error == 0 && news ? tell(core, bytes, peer->id, false, update) : error;
}

/* What we know, by numbers, our own record included; sorted by key. */
static uint32_t list_known(const struct gs_core *core, struct gs_member_known known[GS_MEMBERS_MAX + 1]) {
    const struct gs_members *members = &core->members;
    uint32_t own = place_of(members, &core->config.keys.public_key);
    uint32_t count = 0;
    for (uint32_t i = 0; i <= members->count; i++) {
        if (i == own) {
            known[count++] = (struct gs_member_known){members->own.head.key, members->own.head.number};
        }
        if (i < members->count && members->entries[i]->record.length > 0) {
            known[count++] =
                (struct gs_member_known){members->entries[i]->key, members->entries[i]->member.head.number};
        }
    }
    return count;
}

/* Our own record, and the question for what we lack. */
static int ask(struct gs_core *core, const struct gs_peer_state *peer, struct gs_update *update) {
    struct gs_member_known known[GS_MEMBERS_MAX + 1];
    struct gs_slice own = gs_members_record(&core->members.own_record);
    struct gs_buffer message = {0};
    uint32_t count = list_known(core, known);
    gs_message_write_members(&own, 1, known, count, &message);
    return gs_update_send(update, peer->id, &message);
}

static uint64_t number_in(const struct gs_member_message *message, const gs_public_key *key) {
    uint32_t low = 0;
    uint32_t high = message->known_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(&message->known[middle].key, key, sizeof *key);
        if (order == 0) {
            return message->known[middle].number;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return 0;
}

/* The records that the peer lacks, as it says. */
static int answer(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_member_message *asked,
                  struct gs_update *update) {
    const struct gs_members *members = &core->members;
    struct gs_slice records[GS_MEMBERS_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct gs_member_entry *entry = members->entries[i];
        if (entry->record.length > 0 && entry->member.head.number > number_in(asked, &entry->key)) {
            records[count++] = gs_members_record(&entry->record);
        }
    }
    if (members->own.head.number > number_in(asked, &members->own.head.key)) {
        records[count++] = gs_members_record(&members->own_record);
    }
    if (count == 0) {
        return 0;
    }
    struct gs_buffer message = {0};
    gs_message_write_members(records, count, NULL, 0, &message);
    return gs_update_send(update, peer->id, &message);
}

int gs_members_peer_up(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    struct gs_member_entry *entry = get(core, &peer->key);
    if (entry == NULL && core->members.count < GS_MEMBERS_MAX) {
        return GS_ENOMEM;
    }
    if (entry != NULL) {
        entry->news_mono_ms = core->mono_ms > 0 ? core->mono_ms : 1;
    }
    core->members.look_mono_ms = 0;
    return ask(core, peer, update);
}

int gs_members_message(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                       struct gs_update *update) {
    const struct gs_member_message *said = &message->member;
    int error = 0;
    for (uint32_t i = 0; error == 0 && update->drop_count == 0 && i < said->record_count; i++) {
        error = gs_members_take(core, peer, said->records[i], NULL, update);
    }
    return error == 0 && update->drop_count == 0 && said->asks ? answer(core, peer, said, update) : error;
}

/* Keys that are no longer trusted are members no more. */
static int prune(struct gs_core *core, struct gs_update *update) {
    struct gs_members *members = &core->members;
    int error = 0;
    for (uint32_t i = members->count; error == 0 && i-- > 0;) {
        if (!is_welcome(core, &members->entries[i]->key)) {
            struct gs_core_dial nowhere = {.key = members->entries[i]->key};
            error = gs_update_dial(update, &nowhere);
            remove_at(members, i);
            note_later(core);
        }
    }
    members->trust_changed = false;
    return error;
}

static int hand_out_addresses(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->members.count; i++) {
        struct gs_member_entry *entry = core->members.entries[i];
        if (entry->dial_due) {
            struct gs_core_dial dial = {.key = entry->key, .count = entry->member.address_count};
            memcpy(dial.addresses, entry->member.addresses, sizeof dial.addresses);
            entry->dial_due = false;
            error = gs_update_dial(update, &dial);
        }
    }
    return error;
}

/* [record, …], our own first. */
static int write_note(struct gs_core *core, struct gs_update *update) {
    const struct gs_members *members = &core->members;
    struct gs_buffer bytes = {0};
    uint32_t count = 1;
    for (uint32_t i = 0; i < members->count; i++) {
        count += members->entries[i]->record.length > 0 ? 1 : 0;
    }
    gs_write_array(&bytes, count);
    gs_write_bin(&bytes, members->own_record.bytes, members->own_record.length);
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->entries[i]->record.length > 0) {
            gs_write_bin(&bytes, members->entries[i]->record.bytes, members->entries[i]->record.length);
        }
    }
    core->members.note_due = false;
    return gs_update_note(update, GS_NOTE_MEMBERS, &bytes);
}

/* A note is what a disk says: it is checked as if a peer had said it, and what is not right is left out. */
int gs_members_note(struct gs_core *core, struct gs_slice bytes) {
    struct gs_reader reader;
    int error = 0;
    if (bytes.length > NOTE_BYTES_MAX) {
        return 0;
    }
    gs_reader_init(&reader, bytes.bytes, bytes.length);
    uint32_t count = gs_read_array(&reader, GS_MEMBERS_MAX + 1);
    for (uint32_t i = 0; error == 0 && i < count && reader.error == 0; i++) {
        struct gs_slice record = gs_read_bin(&reader, GS_MEMBER_BYTES_MAX);
        struct gs_member member;
        bool news = false;
        if (reader.error != 0 || gs_member_read(record, &core->config.cluster, &member) != 0) {
            continue;
        }
        if (is_own(core, &member.head.key)) {
            core->members.number_seen = member.head.number;
        } else if (is_welcome(core, &member.head.key)) {
            error = put(core, &member, record, &news);
        }
    }
    return error;
}

int gs_members_leave(struct gs_core *core, struct gs_update *update) {
    struct gs_members *members = &core->members;
    if (core->halted || core->recovering) {
        return 0; /* another run of this key lives on */
    }
    members->own.head.intent = GS_MEMBER_LEAVING;
    int error = sign_own(core, members->number_seen + 1);
    error = error != 0 ? error : tell(core, gs_members_record(&members->own_record), 0, true, update);
    return error != 0 ? error : write_note(core, update);
}

int gs_members_step(struct gs_core *core, struct gs_update *update) {
    struct gs_members *members = &core->members;
    int error = members->trust_changed ? prune(core, update) : 0;
    error = error != 0 ? error : gs_probes_step(core, update);
    error = error != 0 ? error : hand_out_addresses(core, update);
    if (error == 0 && core->mono_ms >= members->exchange_mono_ms) {
        members->exchange_mono_ms = core->mono_ms + EXCHANGE_MS / 2 + gs_rng_below(&core->rng, EXCHANGE_MS);
        error = core->peer_count > 0 ? ask(core, &core->peers[gs_rng_below(&core->rng, core->peer_count)], update) : 0;
    }
    return error == 0 && members->note_due && core->mono_ms >= members->note_mono_ms ? write_note(core, update) : error;
}

uint64_t gs_members_deadline(const struct gs_core *core) {
    const struct gs_members *members = &core->members;
    uint64_t next = members->count > 0 ? members->look_mono_ms : UINT64_MAX;
    if (core->peer_count > 0 && members->exchange_mono_ms < next) {
        next = members->exchange_mono_ms;
    }
    return members->note_due && members->note_mono_ms < next ? members->note_mono_ms : next;
}

void gs_members_count(const struct gs_core *core, struct gs_core_stats *stats) {
    uint32_t lives[GS_PEER_LEFT + 1] = {0};
    for (uint32_t i = 0; i < core->members.count; i++) {
        lives[core->members.entries[i]->life]++;
    }
    stats->members = core->members.count;
    stats->members_alive = lives[GS_PEER_ALIVE];
    stats->members_suspect = lives[GS_PEER_SUSPECT];
    stats->members_dead = lives[GS_PEER_DEAD];
    stats->members_left = lives[GS_PEER_LEFT];
    stats->distress = core->members.distress;
}

void gs_members_close(struct gs_core *core) {
    while (core->members.count > 0) {
        remove_at(&core->members, core->members.count - 1);
    }
    gs_buffer_close(&core->members.own_record);
}
