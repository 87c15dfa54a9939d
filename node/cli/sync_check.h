/* Checks a region's signed word for its digest, as GET /cluster/digest and syncs show it, with the trust file alone. */
#ifndef GS_NODE_CLI_SYNC_CHECK_H
#define GS_NODE_CLI_SYNC_CHECK_H

/* `path`: a file with the answer of GET /cluster/digest, or with a `statement`. 0: the signature holds, and who signed
 * what was said on stdout; 1 otherwise, said on stderr. */
int gs_cli_sync_check(const char *path, const char *trust_path);

#endif
