#include "node/cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 30, REDRAW_MS = 200, PLAIN_STEP_PERCENT = 10 };

uint64_t gs_monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void gs_progress_start(struct gs_progress *progress, const char *what, const char *unit, uint64_t total, bool json) {
    *progress = (struct gs_progress){
        .what = what,
        .unit = unit,
        .total = total,
        .json = json,
        .terminal = isatty(STDERR_FILENO) == 1 && !json,
        .started_ms = gs_monotonic_ms(),
        .shown_percent = -PLAIN_STEP_PERCENT,
    };
}

static void draw(struct gs_progress *progress, uint64_t done, int percent, uint64_t now) {
    uint64_t elapsed = now - progress->started_ms;
    unsigned long long rate = elapsed > 0 ? done * 1000 / elapsed : 0;
    if (progress->json) {
        fprintf(stderr, "{\"stage\":\"%s\",\"done\":%llu,\"total\":%llu,\"percent\":%d,\"perSecond\":%llu}\n",
                progress->what, (unsigned long long)done, (unsigned long long)progress->total, percent, rate);
        return;
    }
    if (!progress->terminal) {
        fprintf(stderr, "%s: %3d%%  %llu of %llu %s, %llu/s\n", progress->what, percent, (unsigned long long)done,
                (unsigned long long)progress->total, progress->unit, rate);
        return;
    }
    char bar[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++) {
        bar[i] = i * 100 < percent * WIDTH ? '#' : '.';
    }
    bar[WIDTH] = '\0';
    uint64_t left = rate > 0 && progress->total > done ? (progress->total - done) / rate : 0;
    fprintf(stderr, "\r%s [%s] %3d%%  %llu/%llu %s  %llu/s  %llus left \033[K", progress->what, bar, percent,
            (unsigned long long)done, (unsigned long long)progress->total, progress->unit, rate,
            (unsigned long long)left);
}

static int percent_of(const struct gs_progress *progress, uint64_t done) {
    return progress->total > 0 ? (int)(done * 100 / progress->total) : 0;
}

void gs_progress_update(struct gs_progress *progress, uint64_t done) {
    uint64_t now = gs_monotonic_ms();
    int percent = percent_of(progress, done);
    bool due = progress->terminal ? now - progress->shown_ms >= REDRAW_MS
                                  : percent >= progress->shown_percent + PLAIN_STEP_PERCENT;
    if (due) {
        draw(progress, done, percent, now);
        progress->shown_ms = now;
        progress->shown_percent = percent - percent % PLAIN_STEP_PERCENT;
    }
}

void gs_progress_finish(struct gs_progress *progress, uint64_t done) {
    int percent = percent_of(progress, done);
    if (progress->terminal || percent != progress->shown_percent) {
        draw(progress, done, percent, gs_monotonic_ms());
    }
    if (progress->terminal) {
        fputc('\n', stderr);
    }
}
