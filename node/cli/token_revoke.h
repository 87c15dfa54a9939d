/* `globalstate token revoke`, a part of `globalstate token`. */
#ifndef GS_NODE_CLI_TOKEN_REVOKE_H
#define GS_NODE_CLI_TOKEN_REVOKE_H

/* The arguments behind "revoke". The exit code. */
int gs_cli_token_revoke(int argc, char **argv);

#endif
