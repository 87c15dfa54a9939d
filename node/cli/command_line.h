/* The commands of the program, one file each. A command gets the arguments after its name and returns the exit status:
 * 0 done, 1 it failed or the answer is no, 2 it was called the wrong way. What went wrong is one line on stderr. */
#ifndef GS_NODE_CLI_COMMAND_LINE_H
#define GS_NODE_CLI_COMMAND_LINE_H

int gs_cli_serve(int argc, char **argv);
int gs_cli_keygen(int argc, char **argv);
int gs_cli_trust(int argc, char **argv);
int gs_cli_token(int argc, char **argv);
int gs_cli_retire(int argc, char **argv);
int gs_cli_status(int argc, char **argv);
int gs_cli_forks(int argc, char **argv);
int gs_cli_sync(int argc, char **argv);
int gs_cli_replay(int argc, char **argv);
int gs_cli_events(int argc, char **argv);
int gs_cli_verify(int argc, char **argv);
int gs_cli_salvage(int argc, char **argv);
int gs_cli_erase(int argc, char **argv);
int gs_cli_export(int argc, char **argv);

/* "globalstate COMMAND: …" on stderr; returns 2 or 1, for `return gs_cli_usage(…)`. */
int gs_cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
int gs_cli_fail(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
