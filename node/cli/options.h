/* Flags of the short commands: `--name VALUE`, `--name` alone for switches, and words without dashes. */
#ifndef GS_NODE_CLI_OPTIONS_H
#define GS_NODE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct gs_option {
    const char *name;    /* without the dashes */
    const char **values; /* where values go, in order; NULL for a switch */
    uint32_t max;        /* how many there may be */
    uint32_t count;      /* how many there were */
    const char *help;
};

/* Parses the arguments. 0; 1 after --help was printed; -1 after what is wrong was said on stderr. Words without dashes
 * go to `words`
 * (`*word_count` of them, at most `word_max`). The last option has a NULL name. */
int gs_options_parse(const char *command, const char *synopsis, int argc, char **argv, struct gs_option *options,
                     const char **words, uint32_t word_max, uint32_t *word_count);

/* A whole number from `least` to `most`; false after saying what is wrong on stderr. */
bool gs_option_number(const char *command, const char *name, const char *text, uint64_t least, uint64_t most,
                      uint64_t *ret_number);

#endif
