/* Runs of processes. A run that meets a peer states its name; statements go round once. Two runs that live at once with
 * one key learn of each other that way: the earlier one answers with a statement that names the later one, which could
 * not have been made before that one began; the later one stops on reading it. A peer that makes things up can stop
 * nobody: the statement is signed with our own key and names our own run.
 *
 * The clocks of the two may differ: "earlier" is by the clock and then by name, the same for both, so one of them stops
 * and not the other. */
#include "node/core/core_impl.h"

#include <string.h>

enum {
    RIVAL_ALIVE_MS = PEER_SILENCE_MS, /* a run whose link was taken over counts as alive for this long */
    NEWS_PER_KEY_MS = 250,            /* a key's statements go round at most this often */
    COUNTER_MS = 500                  /* a rival is answered at most this often */
};

void gs_instances_open(struct gs_core *core) {
    struct gs_statement *statement = &core->statement;
    *statement = (struct gs_statement){.key = core->config.keys.public_key, .started_ms = core->config.now_ms};
    gs_rng_bytes(&core->rng, statement->instance.bytes, GS_INSTANCE_SIZE);
    gs_statement_sign(statement, &core->config.cluster, &core->config.keys);
}

static int send_statement(const struct gs_statement *statement, gs_peer peer, struct gs_update *update) {
    struct gs_buffer message = {0};
    gs_message_write_statement(statement, &message);
    return gs_update_send(update, peer, &message);
}

int gs_instances_tell(struct gs_core *core, struct gs_peer_state *peer, struct gs_update *update) {
    return send_statement(&core->statement, peer->id, update);
}

static bool same_key(const gs_public_key *a, const gs_public_key *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

static struct gs_instance_seen *find(struct gs_core *core, const struct gs_statement *statement) {
    for (uint32_t i = 0; i < core->instance_count; i++) {
        struct gs_instance_seen *seen = &core->instances[i];
        if (same_key(&seen->statement.key, &statement->key) &&
            gs_instance_equal(&seen->statement.instance, &statement->instance)) {
            return seen;
        }
    }
    return NULL;
}

/* Room for another run: the last free place, or the run without a link that has been silent for longest. */
static struct gs_instance_seen *make_room(struct gs_core *core) {
    if (core->instance_count < INSTANCES_MAX) {
        return &core->instances[core->instance_count++];
    }
    struct gs_instance_seen *oldest = NULL;
    for (uint32_t i = 0; i < INSTANCES_MAX; i++) {
        struct gs_instance_seen *seen = &core->instances[i];
        if (seen->link == 0 && (oldest == NULL || seen->news_mono_ms < oldest->news_mono_ms)) {
            oldest = seen;
        }
    }
    return oldest; /* there are fewer links than places */
}

static bool told_lately(const struct gs_core *core, const gs_public_key *key) {
    for (uint32_t i = 0; i < core->instance_count; i++) {
        const struct gs_instance_seen *seen = &core->instances[i];
        if (same_key(&seen->statement.key, key) && seen->news_mono_ms != 0 &&
            core->mono_ms - seen->news_mono_ms < NEWS_PER_KEY_MS) {
            return true;
        }
    }
    return false;
}

/* News goes to everybody but who brought it; in a large mesh to some of them, who do the same: n nodes that each told
 * all would say a thing n² times. */
static int pass_on(struct gs_core *core, const struct gs_statement *statement, gs_peer source,
                   struct gs_update *update) {
    uint32_t step = core->peer_count / TELL_PEERS_MAX > 0 ? core->peer_count / TELL_PEERS_MAX : 1;
    uint32_t first = step > 1 ? (uint32_t)gs_rng_below(&core->rng, step) : 0;
    for (uint32_t i = first; i < core->peer_count; i += step) {
        if (core->peers[i].id != source) {
            int error = send_statement(statement, core->peers[i].id, update);
            if (error != 0) {
                return error;
            }
        }
    }
    return 0;
}

/* A statement with our own key that is not ours: somebody else runs with it, or we did, before. */
static int meet_rival(struct gs_core *core, const struct gs_statement *statement, struct gs_update *update) {
    const struct gs_statement *ours = &core->statement;
    if (gs_instance_equal(&statement->instance, &ours->instance)) {
        return 0;
    }
    bool earlier = gs_statement_compare(statement, ours) < 0;
    if (earlier && gs_instance_equal(&statement->rival, &ours->instance)) {
        struct gs_buffer proof = {0};
        gs_message_write_statement(statement, &proof);
        core->halted = true;
        return gs_update_note(update, GS_NOTE_RIVAL, &proof);
    }
    bool lately = core->counter_mono_ms != 0 && core->mono_ms - core->counter_mono_ms < COUNTER_MS;
    if (earlier || lately) {
        return 0;
    }
    core->counter_mono_ms = core->mono_ms;
    struct gs_statement counter = *ours;
    counter.rival = statement->instance;
    gs_statement_sign(&counter, &core->config.cluster, &core->config.keys);
    return pass_on(core, &counter, 0, update);
}

/* What is known of other runs of a key goes to the run that has just linked. */
static int tell_of_rivals(struct gs_core *core, const struct gs_peer_state *peer, const struct gs_statement *statement,
                          struct gs_update *update) {
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < core->instance_count; i++) {
        const struct gs_statement *other = &core->instances[i].statement;
        if (same_key(&other->key, &statement->key) && !gs_instance_equal(&other->instance, &statement->instance)) {
            error = send_statement(other, peer->id, update);
        }
    }
    return error;
}

/* Remembers a statement; `*ret_news` if it says something new. NULL if it is not to be kept. */
static struct gs_instance_seen *remember(struct gs_core *core, const struct gs_statement *statement, bool from_itself,
                                         bool *ret_news) {
    static const gs_instance nobody;
    struct gs_instance_seen *seen = find(core, statement);
    bool names = !gs_instance_equal(&statement->rival, &nobody);
    *ret_news = seen == NULL || (names && !gs_instance_equal(&statement->rival, &seen->statement.rival));
    if (!*ret_news) {
        return seen;
    }
    if (!from_itself && told_lately(core, &statement->key)) {
        *ret_news = false;
        return seen;
    }
    if (seen == NULL) {
        seen = make_room(core);
        if (seen == NULL) {
            return NULL;
        }
        *seen = (struct gs_instance_seen){.statement = *statement};
    }
    seen->statement = *statement;
    seen->news_mono_ms = core->mono_ms;
    return seen;
}

/* It has come before, byte for byte, and was verified then: in a mesh it comes once a link. */
static bool heard_before(struct gs_core *core, const struct gs_statement *statement) {
    const struct gs_instance_seen *seen = find(core, statement);
    return seen != NULL && gs_statement_equal(&seen->statement, statement);
}

int gs_instances_statement(struct gs_core *core, struct gs_peer_state *peer, const struct gs_statement *statement,
                           struct gs_update *update) {
    const struct gs_trust_entry *trusted = gs_trust_find_key(core->config.trust, &statement->key);
    if (trusted == NULL || trusted->revoked) {
        return 0; /* our trust file and the peer's may differ for a while */
    }
    if (!heard_before(core, statement) && gs_statement_verify(statement, &core->config.cluster) != 0) {
        core->stats.batches_refused++;
        return gs_update_drop(update, peer->id);
    }
    if (same_key(&statement->key, &core->config.keys.public_key)) {
        return meet_rival(core, statement, update);
    }
    static const gs_instance nobody;
    bool from_itself = same_key(&statement->key, &peer->key) && gs_instance_equal(&statement->rival, &nobody);
    bool news = false;
    struct gs_instance_seen *seen = remember(core, statement, from_itself, &news);
    int error = news ? pass_on(core, statement, peer->id, update) : 0;
    if (error == 0 && from_itself) {
        if (seen != NULL) {
            seen->link = peer->id;
            seen->replaced_mono_ms = 0;
        }
        error = tell_of_rivals(core, peer, statement, update);
        error = error != 0 ? error : gs_start_answer(core, peer, &statement->instance, update);
    }
    return error;
}

void gs_instances_link_down(struct gs_core *core, gs_peer link, bool replaced) {
    for (uint32_t i = 0; i < core->instance_count; i++) {
        if (core->instances[i].link == link) {
            core->instances[i].link = 0;
            core->instances[i].replaced_mono_ms = replaced ? core->mono_ms : 0;
        }
    }
}

bool gs_instances_rival_alive(const struct gs_core *core, const gs_public_key *key, const gs_instance *asker) {
    for (uint32_t i = 0; i < core->instance_count; i++) {
        const struct gs_instance_seen *seen = &core->instances[i];
        bool other = same_key(&seen->statement.key, key) && !gs_instance_equal(&seen->statement.instance, asker);
        bool replaced = seen->replaced_mono_ms != 0 && core->mono_ms - seen->replaced_mono_ms < RIVAL_ALIVE_MS;
        if (other && (seen->link != 0 || replaced)) {
            return true;
        }
    }
    return false;
}
