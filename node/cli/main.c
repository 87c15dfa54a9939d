#include "node/cli/command_line.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", gs_cli_serve, "run the node of one region (serve --help lists all settings)"},
    {"keygen", gs_cli_keygen, "make a region's key; prints its line for the trust file"},
    {"trust", gs_cli_trust, "list, add, revoke or rotate keys in the trust file"},
    {"token", gs_cli_token, "mint a JWT for clients"},
    {"status", gs_cli_status, "show regions: vectors, lag, whether they agree"},
    {"retire", gs_cli_retire, "retire a region for good: the others close what it wrote, and go on without it"},
    {"sync", gs_cli_sync, "compare regions, down to the field that differs; exchange, repair"},
    {"replay", gs_cli_replay,
     "send a recorded trace to running regions, or a store's log into a fresh store; and compare"},
    {"events", gs_cli_events, "show the history of an aggregate, or a region's feed"},
    {"forks", gs_cli_forks, "show regions that have signed two histories; decide which one is kept"},
    {"export", gs_cli_export, "everything that a region has written down about one subject"},
    {"erase", gs_cli_erase, "take the data of one actor's events out of regions' logs; the chains stay whole"},
    {"salvage", gs_cli_salvage, "give up what nobody can heal in a stopped node's log; shows it first"},
    {"verify", gs_cli_verify, "walk a stopped node's whole log and all that is kept beside it; name what is damaged"},
};

static void report(const char *command, const char *format, va_list arguments) {
    fprintf(stderr, "globalstate %s: ", command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int gs_cli_usage(const char *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(command, format, arguments);
    va_end(arguments);
    return 2;
}

int gs_cli_fail(const char *command, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(command, format, arguments);
    va_end(arguments);
    return 1;
}

static void print_help(FILE *to) {
    fprintf(to, "usage: globalstate COMMAND [--help] …\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
    }
}

int main(int argc, char **argv) {
    if (sodium_init() < 0) {
        fprintf(stderr, "globalstate: libsodium could not be initialised\n");
        return 1;
    }
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("globalstate %s\n", GS_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "globalstate: there is no command \"%s\"; globalstate --help lists them\n", argv[1]);
    return 2;
}
