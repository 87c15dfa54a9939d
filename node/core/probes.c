/* Probes through others: who is silent here may be heard elsewhere.
 *
 * A question names the number of the newest record that the asker has of the member; an answer is a newer one. The
 * member makes one when it has none (members.c), so an answer was made after the question, by the member, wherever it
 * has been on its way. A helper that knows better already answers by itself; one that has a link to the member sends
 * the question on; one that can not, or gets no answer in time, says so (Lifeguard's nack): a helper that says nothing
 * at all makes us doubt ourselves. Helpers ask nobody but the member, so that no question goes round; members that are
 * only reachable over several others come to be known by what each of these has asked for itself. */
#include "node/core/core_impl.h"

#include <string.h>

enum {
    ROUND_MS = 1000,      /* for answers to come back, and their way; then the next round begins */
    DEAD_ROUND_MS = 5000, /* … while the member is dead */
    FORWARD_MS = 700, /* a helper's wait for the member, and a round trip to it; less than a round, so that the helper's
                         word counts in it */
    FORWARD_TRIP_MAX_MS = 2000,
    NEWS_FRESH_MS = 3000, /* what a helper knows by others is passed on for so long */
    LOOK_MS = 500,
    DOUBT_LOOK_MS = 100
};

static bool is_helper(const struct gs_core *core, const struct gs_peer_state *peer,
                      const struct gs_member_entry *entry) {
    return memcmp(&peer->key, &entry->key, sizeof entry->key) != 0 && gs_detector_hears(core, peer);
}

/* Draws up to GS_PROBE_HELPERS of the peers that are heard (reservoir sampling, Vitter 1985). */
static uint32_t draw_helpers(struct gs_core *core, const struct gs_member_entry *entry,
                             gs_peer ret_helpers[GS_PROBE_HELPERS]) {
    uint32_t met = 0;
    for (uint32_t i = 0; i < core->peer_count; i++) {
        if (!is_helper(core, &core->peers[i], entry)) {
            continue;
        }
        uint64_t place = met < GS_PROBE_HELPERS ? met : gs_rng_below(&core->rng, met + 1);
        if (place < GS_PROBE_HELPERS) {
            ret_helpers[place] = core->peers[i].id;
        }
        met++;
    }
    return met < GS_PROBE_HELPERS ? met : GS_PROBE_HELPERS;
}

static int begin_round(struct gs_core *core, struct gs_member_entry *entry, struct gs_update *update) {
    struct gs_probe_round *round = &entry->round;
    struct gs_member_known target = {.key = entry->key, .number = entry->member.head.number};
    *round = (struct gs_probe_round){.begun_mono_ms = core->mono_ms, .number = target.number};
    do {
        gs_rng_bytes(&core->rng, (uint8_t *)&round->id, sizeof round->id);
    } while (round->id == 0);
    round->asked = draw_helpers(core, entry, round->helpers);
    round->open = round->asked > 0;
    core->stats.probes += round->open ? 1 : 0;
    entry->unanswered = entry->unanswered || !round->open; /* nobody to ask is no answer */
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < round->asked; i++) {
        struct gs_buffer message = {0};
        gs_message_write_probe(round->id, &target, &message);
        error = gs_update_send(update, round->helpers[i], &message);
    }
    return error;
}

static void end_round(struct gs_core *core, struct gs_member_entry *entry) {
    uint32_t missing = 0;
    entry->round.open = false;
    entry->unanswered = entry->news_mono_ms <= entry->round.begun_mono_ms;
    for (uint32_t i = 0; i < entry->round.asked; i++) {
        /* A helper whose link is gone has nothing to do with us. */
        missing += !entry->round.refused[i] && gs_peer_find(core, entry->round.helpers[i]) != NULL ? 1 : 0;
    }
    if (entry->unanswered && missing > 0) {
        gs_detector_distress(core, missing);
    }
    core->members.look_mono_ms = 0;
}

static int step_entry(struct gs_core *core, struct gs_member_entry *entry, struct gs_update *update) {
    struct gs_probe_round *round = &entry->round;
    uint64_t detour_ms = gs_detector_detour(core);
    uint64_t round_ms = gs_detector_patience(core, entry->life == GS_PEER_DEAD ? DEAD_ROUND_MS : ROUND_MS) + detour_ms;
    uint64_t wait_ms = gs_detector_patience(core, ROUND_MS) + detour_ms;
    if (round->open && core->mono_ms - round->begun_mono_ms >= wait_ms) {
        end_round(core, entry);
    }
    bool heard = gs_detector_hears(core, gs_members_link(core, &entry->key));
    if (heard || entry->life == GS_PEER_LEFT || round->open ||
        (round->id != 0 && core->mono_ms - round->begun_mono_ms < round_ms)) {
        return 0;
    }
    return begin_round(core, entry, update);
}

static int refuse(struct gs_core *core, gs_peer asker, uint64_t id, struct gs_update *update) {
    struct gs_buffer message = {0};
    if (gs_peer_find(core, asker) == NULL) {
        return 0;
    }
    gs_message_write_probe_answer(id, (struct gs_slice){0}, &message);
    return gs_update_send(update, asker, &message);
}

static int expire_forwards(struct gs_core *core, struct gs_update *update) {
    struct gs_members *members = &core->members;
    int error = 0;
    for (uint32_t i = members->forward_count; error == 0 && i-- > 0;) {
        if (core->mono_ms >= members->forwards[i].until_mono_ms) {
            struct gs_forward late = members->forwards[i];
            members->forwards[i] = members->forwards[--members->forward_count];
            error = refuse(core, late.asker, late.asker_id, update);
        }
    }
    return error;
}

int gs_probes_step(struct gs_core *core, struct gs_update *update) {
    struct gs_members *members = &core->members;
    if (core->mono_ms < members->look_mono_ms) {
        return 0;
    }
    members->look_mono_ms = core->mono_ms + LOOK_MS;
    gs_detector_examine(core);
    bool doubt = gs_detector_judge(core);
    int error = expire_forwards(core, update);
    for (uint32_t i = 0; error == 0 && i < members->count; i++) {
        error = step_entry(core, members->entries[i], update);
    }
    if (members->look_mono_ms == 0) {
        doubt = gs_detector_judge(core); /* a round has ended */
    }
    members->look_mono_ms = core->mono_ms + (doubt || members->forward_count > 0 ? DOUBT_LOOK_MS : LOOK_MS);
    return error;
}

static int send_proof(gs_peer asker, uint64_t id, const struct gs_buffer *record, struct gs_update *update) {
    struct gs_buffer message = {0};
    gs_message_write_probe_answer(id, gs_members_record(record), &message);
    return gs_update_send(update, asker, &message);
}

/* Somebody looks for us. */
static int prove_ourselves(struct gs_core *core, const struct gs_peer_state *peer,
                           const struct gs_member_message *question, struct gs_update *update) {
    int error = gs_members_renew(core, question->target.number);
    return error != 0 ? error : send_proof(peer->id, question->id, &core->members.own_record, update);
}

static bool has_room(const struct gs_core *core, gs_peer asker) {
    const struct gs_members *members = &core->members;
    uint32_t of_asker = 0;
    for (uint32_t i = 0; i < members->forward_count; i++) {
        of_asker += members->forwards[i].asker == asker ? 1 : 0;
    }
    return members->forward_count < GS_FORWARDS_MAX && of_asker < GS_FORWARDS_PEER_MAX;
}

/* True if our record is newer than the asker's, and the member is not in doubt here. */
static bool knows_better(const struct gs_core *core, const struct gs_member_entry *entry,
                         const struct gs_peer_state *link, uint64_t number) {
    if (entry == NULL || entry->life != GS_PEER_ALIVE || entry->member.head.number <= number) {
        return false;
    }
    bool vouched = entry->vouched_mono_ms != 0 && core->mono_ms - entry->vouched_mono_ms < NEWS_FRESH_MS;
    return gs_detector_hears(core, link) || (vouched && !entry->unanswered);
}

static int send_on(struct gs_core *core, const struct gs_peer_state *asker, const struct gs_peer_state *link,
                   const struct gs_member_message *question, struct gs_update *update) {
    struct gs_members *members = &core->members;
    struct gs_forward *forward = &members->forwards[members->forward_count++];
    struct gs_buffer message = {0};
    uint64_t wait_ms =
        FORWARD_MS + (link->round_trip_ms < FORWARD_TRIP_MAX_MS ? link->round_trip_ms : FORWARD_TRIP_MAX_MS);
    *forward =
        (struct gs_forward){.asker = asker->id, .asker_id = question->id, .until_mono_ms = core->mono_ms + wait_ms};
    gs_rng_bytes(&core->rng, (uint8_t *)&forward->id, sizeof forward->id);
    if (members->look_mono_ms > core->mono_ms + DOUBT_LOOK_MS) {
        members->look_mono_ms = core->mono_ms + DOUBT_LOOK_MS;
    }
    gs_message_write_probe(forward->id, &question->target, &message);
    return gs_update_send(update, link->id, &message);
}

int gs_probes_asked(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                    struct gs_update *update) {
    const struct gs_member_message *question = &message->member;
    if (memcmp(&question->target.key, &core->config.keys.public_key, sizeof question->target.key) == 0) {
        return prove_ourselves(core, peer, question, update);
    }
    const struct gs_member_entry *entry = gs_members_find(core, &question->target.key);
    const struct gs_peer_state *link = gs_members_link(core, &question->target.key);
    if (knows_better(core, entry, link, question->target.number)) {
        return send_proof(peer->id, question->id, &entry->record, update);
    }
    if (link == NULL || link == peer || !has_room(core, peer->id)) {
        return refuse(core, peer->id, question->id, update);
    }
    return send_on(core, peer, link, question, update);
}

/* An answer to what we have sent on. */
static int hand_back(struct gs_core *core, uint64_t id, struct gs_slice proof, bool *ret_found,
                     struct gs_update *update) {
    struct gs_members *members = &core->members;
    for (uint32_t i = 0; i < members->forward_count; i++) {
        if (members->forwards[i].id != id) {
            continue;
        }
        struct gs_forward forward = members->forwards[i];
        struct gs_buffer message = {0};
        members->forwards[i] = members->forwards[--members->forward_count];
        *ret_found = true;
        if (gs_peer_find(core, forward.asker) == NULL) {
            return 0;
        }
        gs_message_write_probe_answer(forward.asker_id, proof, &message);
        return gs_update_send(update, forward.asker, &message);
    }
    return 0;
}

static struct gs_member_entry *find_round(struct gs_core *core, uint64_t id, gs_peer helper, uint32_t *ret_place) {
    for (uint32_t i = 0; id != 0 && i < core->members.count; i++) {
        struct gs_member_entry *entry = core->members.entries[i];
        for (uint32_t j = 0; entry->round.id == id && j < entry->round.asked; j++) {
            if (entry->round.helpers[j] == helper) {
                *ret_place = j;
                return entry;
            }
        }
    }
    return NULL;
}

static bool all_refused(const struct gs_probe_round *round) {
    for (uint32_t i = 0; i < round->asked; i++) {
        if (!round->refused[i]) {
            return false;
        }
    }
    return true;
}

int gs_probes_answered(struct gs_core *core, struct gs_peer_state *peer, const struct gs_message *message,
                       struct gs_update *update) {
    const struct gs_member_message *said = &message->member;
    struct gs_member_head head = {.number = 0};
    bool forwarded = false;
    bool taken = false;
    uint32_t place = 0;
    int error = 0;
    if (said->proof.length > 0) {
        /* Also of what nobody here has asked: a record is a record. */
        error = gs_members_take(core, peer, said->proof, &taken, update);
        if (error != 0 || update->drop_count > 0 ||
            gs_member_read_head(said->proof, &core->config.cluster, &head) != 0) {
            return error;
        }
    }
    error = hand_back(core, said->id, said->proof, &forwarded, update);
    struct gs_member_entry *entry = forwarded ? NULL : find_round(core, said->id, peer->id, &place);
    if (error != 0 || entry == NULL) {
        return error;
    }
    /* It may have come by another way first: then it is the very record that we have. */
    bool ours = said->proof.length > 0 && gs_slice_compare(said->proof, gs_members_record(&entry->record)) == 0;
    if ((taken || ours) && memcmp(&head.key, &entry->key, sizeof head.key) == 0 && head.number > entry->round.number) {
        entry->round.open = false;
        gs_detector_vouched(core, entry, &peer->key);
    } else if (said->proof.length == 0 && !entry->round.refused[place]) {
        entry->round.refused[place] = true;
        gs_detector_confirm(entry, &peer->key);
        if (entry->round.open && all_refused(&entry->round)) {
            end_round(core, entry);
        }
    }
    return 0;
}
