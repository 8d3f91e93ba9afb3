/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request at a time: RESTING -> ASKED -> READING -> READY -> RESTING. The pipeline asks and takes, the
 * thread reads; all members are theirs under the lock, but for the arenas and `read` while READING, which are
 * the thread's. Without a thread the pipeline reads when it takes.
 *
 * What is around the stars (gas, black holes) has buffers of its own, as it stays while tiles of stars come
 * and go.
 */
#include "reader.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum reader_state { RESTING, ASKED, READING, READY };

struct buffer {
    struct arena arena[2];
    unsigned in_hand; /* which of them */
    unsigned to;      /* where the request goes */
};

struct reader {
    struct catalogue *catalogue;
    void (*tell)(void *context, size_t n, const uint64_t *row); /* settings.reads */
    void *context;
    bool has_thread, is_ending;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked, ready;

    enum reader_state state;
    struct reader_piece piece;
    struct buffer stars, around;
    struct galaxy galaxy; /* in hand */
    struct {
        struct galaxy galaxy[PLAN_GROUP_MAX];
        int result[PLAN_GROUP_MAX];
        struct error err[PLAN_GROUP_MAX];
    } read; /* what came of the request; of a galaxy alone, the first */
    size_t bytes;
};

static void read_rows(struct reader *reader)
{
    const struct reader_piece *piece = &reader->piece;
    struct arena *stars = &reader->stars.arena[reader->stars.to];
    struct arena *around = piece->with_around ? &reader->around.arena[reader->around.to] : NULL;

    arena_reset(stars);
    if (around)
        arena_reset(around);
    if (piece->n_group) {
        catalogue_read_many(reader->catalogue, piece->n_group, piece->group, stars, reader->read.galaxy,
                            reader->read.result, reader->read.err);
        return;
    }
    reader->read.err[0].text[0] = '\0';
    reader->read.result[0] =
        catalogue_read_tile(reader->catalogue, piece->row, piece->component, piece->first, piece->n, around,
                            stars, &reader->read.galaxy[0], &reader->read.err[0]);
}

/* Carry out the request. */
static void read_piece(struct reader *reader)
{
    const struct reader_piece *piece = &reader->piece;

    if (reader->tell)
        reader->tell(reader->context, piece->n_group ? piece->n_group : 1,
                     piece->n_group ? piece->group : &piece->row);
    read_rows(reader);
    if (reader->tell)
        reader->tell(reader->context, 0, NULL);
}

static void *run_reader(void *data)
{
    struct reader *reader = data;

    pthread_mutex_lock(&reader->lock);
    for (;;) {
        while (reader->state != ASKED && !reader->is_ending)
            pthread_cond_wait(&reader->asked, &reader->lock);
        if (reader->is_ending)
            break;
        reader->state = READING;
        pthread_mutex_unlock(&reader->lock);
        read_piece(reader);
        pthread_mutex_lock(&reader->lock);
        reader->state = READY;
        pthread_cond_signal(&reader->ready);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

/* Signals are for the thread that computes: it is the one that can act on them. But those of a crash come to
 * the thread that crashes, and would end the process without a word where they are blocked. */
static int start_thread(struct reader *reader)
{
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    sigset_t blocked, before;
    int status;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
        sigdelset(&blocked, crashes[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    status = pthread_create(&reader->thread, NULL, run_reader, reader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

int reader_open(struct catalogue *catalogue, const struct pipeline_settings *settings,
                struct reader **ret_reader, struct error *err)
{
    struct reader *reader = mem_array(1, sizeof(*reader));
    int status;

    if (!reader)
        return error_set(err, POLYPHONY_INTERNAL, "no memory to read galaxies");
    reader->catalogue = catalogue;
    reader->tell = settings->reads;
    reader->context = settings->reads_context;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->asked, NULL);
    pthread_cond_init(&reader->ready, NULL);
    status = settings->reads_ahead ? start_thread(reader) : 0;
    reader->has_thread = settings->reads_ahead && !status;
    if (status) {
        reader_close(reader);
        return error_set(err, POLYPHONY_INTERNAL, "the thread that reads ahead cannot be started: %s",
                         strerror(status));
    }
    *ret_reader = reader;
    return 0;
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    if (reader->has_thread) {
        pthread_mutex_lock(&reader->lock);
        reader->is_ending = true;
        pthread_cond_signal(&reader->asked);
        pthread_mutex_unlock(&reader->lock);
        pthread_join(reader->thread, NULL);
    }
    for (size_t i = 0; i < 2; i++) {
        arena_free(&reader->stars.arena[i]);
        arena_free(&reader->around.arena[i]);
    }
    pthread_cond_destroy(&reader->asked);
    pthread_cond_destroy(&reader->ready);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}

/* Into the buffers in hand (their content is lost), or into the others. */
static void ask(struct reader *reader, const struct reader_piece *piece, bool into_hand)
{
    reader->piece = *piece;
    reader->stars.to = into_hand ? reader->stars.in_hand : !reader->stars.in_hand;
    reader->around.to = into_hand ? reader->around.in_hand : !reader->around.in_hand;
    reader->read.galaxy[0] = reader->galaxy; /* keeps what is around the stars, where that is not read */
    reader->state = ASKED;
    pthread_cond_signal(&reader->asked);
}

void reader_begin(struct reader *reader, const struct reader_piece *piece)
{
    pthread_mutex_lock(&reader->lock);
    if (reader->has_thread && reader->state == RESTING)
        ask(reader, piece, false);
    pthread_mutex_unlock(&reader->lock);
}

/* Under the lock: until the thread does not read. What it has not begun yet is not asked for any more. */
static void wait_for_thread(struct reader *reader)
{
    if (reader->state == ASKED)
        reader->state = RESTING;
    while (reader->state == READING)
        pthread_cond_wait(&reader->ready, &reader->lock);
}

static bool is_same(const struct reader_piece *a, const struct reader_piece *b)
{
    if (a->n_group || b->n_group)
        return a->n_group == b->n_group && !memcmp(a->group, b->group, a->n_group * sizeof(*a->group));
    return a->row == b->row && a->component == b->component && a->first == b->first && a->n == b->n &&
           a->with_around == b->with_around;
}

/* Under the lock: the piece is in hand afterwards. */
static void take(struct reader *reader, const struct reader_piece *piece)
{
    if (reader->state == RESTING || !is_same(&reader->piece, piece)) {
        wait_for_thread(reader);
        ask(reader, piece, true);
    }
    if (!reader->has_thread) {
        read_piece(reader);
        reader->state = READY;
    }
    while (reader->state != READY)
        pthread_cond_wait(&reader->ready, &reader->lock);
    reader->state = RESTING;
    reader->stars.in_hand = reader->stars.to;
    if (piece->with_around)
        reader->around.in_hand = reader->around.to;
    reader->bytes = 0;
    for (size_t i = 0; i < 2; i++)
        reader->bytes += reader->stars.arena[i].peak_bytes + reader->around.arena[i].peak_bytes;
}

int reader_take(struct reader *reader, const struct reader_piece *piece, struct galaxy *ret_galaxy,
                struct error *err)
{
    int r;

    pthread_mutex_lock(&reader->lock);
    take(reader, piece);
    *ret_galaxy = reader->galaxy = reader->read.galaxy[0];
    r = reader->read.result[0];
    if (r)
        error_set(err, r, "%s", reader->read.err[0].text);
    pthread_mutex_unlock(&reader->lock);
    return r;
}

void reader_take_group(struct reader *reader, const struct reader_piece *piece, struct galaxy *ret_galaxy,
                       int *ret_status, struct error *ret_error)
{
    pthread_mutex_lock(&reader->lock);
    take(reader, piece);
    memcpy(ret_galaxy, reader->read.galaxy, piece->n_group * sizeof(*ret_galaxy));
    memcpy(ret_status, reader->read.result, piece->n_group * sizeof(*ret_status));
    for (size_t i = 0; i < piece->n_group; i++)
        if (ret_status[i])
            ret_error[i] = reader->read.err[i];
    pthread_mutex_unlock(&reader->lock);
}

void reader_drop(struct reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    wait_for_thread(reader);
    reader->state = RESTING;
    pthread_mutex_unlock(&reader->lock);
}

bool reader_has(struct reader *reader, const struct reader_piece *piece)
{
    bool has;

    pthread_mutex_lock(&reader->lock);
    has = reader->state != RESTING && is_same(&reader->piece, piece);
    pthread_mutex_unlock(&reader->lock);
    return has;
}

size_t reader_bytes(const struct reader *reader)
{
    return reader->bytes;
}

void reader_trim(struct reader *reader)
{
    pthread_mutex_lock(&reader->lock);
    arena_free(&reader->stars.arena[reader->stars.in_hand]);
    arena_free(&reader->around.arena[reader->around.in_hand]);
    if (reader->state == RESTING) {
        arena_free(&reader->stars.arena[!reader->stars.in_hand]);
        arena_free(&reader->around.arena[!reader->around.in_hand]);
    }
    pthread_mutex_unlock(&reader->lock);
}
