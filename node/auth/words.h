/* Small text files of words: a record a line, blanks between its words, "#" before a remark. Pure. */
#ifndef GS_NODE_AUTH_WORDS_H
#define GS_NODE_AUTH_WORDS_H

#include <globalstate/error.h>
#include <globalstate/memory.h>

#include <stdbool.h>

enum { GS_WORDS_MAX = 3 };

/* Zero-initialise first. */
struct gs_words {
    struct gs_slice words[GS_WORDS_MAX]; /* borrowed from the text */
    uint32_t count;                      /* may be more than GS_WORDS_MAX: those are counted only. 0: an empty line */
    uint32_t line;                       /* from 1 */
};

/* Cuts the next line off `rest` and into words. False at the end. */
bool gs_words_next(struct gs_slice *rest, struct gs_words *words);
bool gs_word_is(struct gs_slice word, const char *text);
/* GS_EINVAL with "line N: WHAT". */
int gs_words_refuse(const struct gs_words *words, const char *what, struct gs_problem *problem);

#endif
