/* How far the answer to a pull may run ahead of the disk of who asked. A vector that wants grants GS_CREDIT_PARTS
 * parts; each part that is stored grants another one. So history streams over a long link without a round trip a part,
 * and who takes it in holds no more of it than that; what waits in the sender's queue is as bounded. A node whose disk
 * or processor is busy with fresh writes grants later: catching up gives way to them by itself. */
#include "node/core/core_impl.h"

void gs_credit_begin(struct gs_peer_state *peer) {
    peer->credit = GS_CREDIT_PARTS;
    peer->out_of_credit = false;
}

bool gs_credit_spend(struct gs_peer_state *peer) {
    peer->credit -= peer->credit > 0 ? 1 : 0;
    peer->out_of_credit = peer->credit == 0;
    return !peer->out_of_credit;
}

bool gs_credit_granted(struct gs_peer_state *peer, uint32_t parts) {
    uint32_t room = GS_CREDIT_PARTS - peer->credit;
    bool waited = peer->out_of_credit && parts > 0;
    peer->credit += parts < room ? parts : room; /* nobody can make us run further ahead */
    peer->out_of_credit = peer->out_of_credit && !waited;
    return waited;
}

int gs_credit_pay(struct gs_core *core, struct gs_update *update) {
    int error = 0;
    if (gs_sync_is_paced(core)) {
        return 0; /* it stays owed */
    }
    for (uint32_t i = 0; error == 0 && i < core->peer_count; i++) {
        struct gs_peer_state *peer = &core->peers[i];
        if (peer->owed > 0) {
            struct gs_buffer message = {0};
            gs_message_write_credit(peer->owed, &message);
            peer->owed = 0;
            peer->pull_mono_ms = core->mono_ms;
            error = gs_update_send(update, peer->id, &message);
        }
    }
    return error;
}

int gs_credit_tick(struct gs_core *core, struct gs_update *update) {
    bool stored = gs_group_is_empty(core) && !core->in_flight;
    return stored ? gs_credit_pay(core, update) : 0;
}
