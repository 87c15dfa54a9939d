#include "gossip/trust.h"
#include "node/cli/command_line.h"
#include "node/cli/files.h"
#include "node/cli/options.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static int make_key(const char *path, struct gs_key_pair *ret_pair, struct gs_problem *problem) {
    uint8_t seed[GS_SEED_SIZE];
    char text[sodium_base64_ENCODED_LEN(GS_SEED_SIZE, sodium_base64_VARIANT_ORIGINAL) + 1];
    randombytes_buf(seed, sizeof seed);
    sodium_bin2base64(text, sizeof text - 1, seed, sizeof seed, sodium_base64_VARIANT_ORIGINAL);
    size_t length = strlen(text);
    text[length] = '\n';
    int error = gs_file_write_secret(path, text, length + 1, problem);
    if (error == 0) {
        gs_key_pair_from_seed(seed, ret_pair);
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(text, sizeof text);
    return error;
}

int gs_cli_keygen(int argc, char **argv) {
    const char *region = NULL;
    const char *out = NULL;
    struct gs_option options[] = {
        {"region", &region, 1, 0, "the region's name, for the trust line (required)"},
        {"out", &out, 1, 0, "the key file to make; a file that exists is never overwritten (required)"},
        {NULL, NULL, 0, 0, NULL},
    };
    uint32_t words;
    int parsed = gs_options_parse("keygen", "--region NAME --out FILE", argc, argv, options, NULL, 0, &words);
    if (parsed != 0) {
        return parsed > 0 ? 0 : 2;
    }
    if (region == NULL || out == NULL) {
        return gs_cli_usage("keygen", "--region and --out are required");
    }
    if (!gs_region_name_valid(region, strlen(region))) {
        return gs_cli_usage("keygen", "\"%s\" is not a region name (1..%d of A-Z a-z 0-9 _ . -)", region,
                            GS_REGION_NAME_MAX);
    }
    struct gs_key_pair pair;
    struct gs_problem problem = {0};
    if (make_key(out, &pair, &problem) != 0) {
        return gs_cli_fail("keygen", "%s", problem.detail);
    }
    char text[45];
    gs_public_key_text(&pair.public_key, text);
    printf("%s %s\n", region, text);
    sodium_memzero(&pair, sizeof pair);
    return 0;
}
