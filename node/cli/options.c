#include "node/cli/options.h"

#include "node/cli/command_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const char *command, const char *synopsis, const struct gs_option *options) {
    printf("usage: globalstate %s %s\n\n", command, synopsis);
    for (const struct gs_option *option = options; option->name != NULL; option++) {
        printf("  --%-14s %s\n", option->name, option->help);
    }
}

static struct gs_option *find(struct gs_option *options, const char *name) {
    for (struct gs_option *option = options; option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

int gs_options_parse(const char *command, const char *synopsis, int argc, char **argv, struct gs_option *options,
                     const char **words, uint32_t word_max, uint32_t *word_count) {
    *word_count = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command, synopsis, options);
            return 1;
        }
        if (strncmp(argv[i], "--", 2) != 0) {
            if (*word_count == word_max) {
                gs_cli_usage(command, "\"%s\" is one argument too many", argv[i]);
                return -1;
            }
            words[(*word_count)++] = argv[i];
            continue;
        }
        struct gs_option *option = find(options, argv[i] + 2);
        if (option == NULL || option->count == option->max) {
            gs_cli_usage(command, option == NULL ? "there is no flag %s; --help lists them" : "%s is given too often",
                         argv[i]);
            return -1;
        }
        if (option->values != NULL) {
            if (i + 1 == argc) {
                gs_cli_usage(command, "%s needs a value", argv[i]);
                return -1;
            }
            option->values[option->count] = argv[++i];
        }
        option->count++;
    }
    return 0;
}

bool gs_option_number(const char *command, const char *name, const char *text, uint64_t least, uint64_t most,
                      uint64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most) {
        gs_cli_usage(command, "--%s: \"%s\" is not a number from %llu to %llu", name, text, (unsigned long long)least,
                     (unsigned long long)most);
        return false;
    }
    *ret_number = number;
    return true;
}
