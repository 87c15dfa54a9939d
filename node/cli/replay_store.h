/* `globalstate replay --from-store`: a store's whole log into a fresh store, and the proof that it makes the same
 * state, byte for byte. */
#ifndef GS_NODE_CLI_REPLAY_STORE_H
#define GS_NODE_CLI_REPLAY_STORE_H

#include <stdbool.h>

struct gs_replay_store {
    const char *from; /* URLs of stores; their nodes are stopped */
    const char *into; /* empty */
    const char *trust_file;
    bool json;
};

/* The exit status; what went wrong was said on stderr. */
int gs_replay_store(const struct gs_replay_store *replay);

#endif
