/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lock file: page 0 says what it is, page 1 + rank what that rank has in hand.
 *
 * A slot is written by its rank alone, and by that rank's signal handlers, which may interrupt (or on another
 * thread meet) hands_take() and hands_put(): of what is computed a handler writes only state and signal, 8
 * bytes, and the order in hands_take() makes sure that a request to stop is not forgotten. What is read is
 * evidence only of a crash, so that the handler alone writes it. Nothing here waits.
 */
#include "polyphony/hands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES                                                                                           \
    4096 /* of memory here and elsewhere; less is shared between ranks where pages are larger */
#define SLOT_BYTES    512
#define MAGIC         "polyphony hands 2"
#define ANY_MAGIC     "polyphony hands" /* of any version */
#define N_RANK_MAX    (1 << 24)
#define N_LOCK_TRY    8
#define BOOT_ID_BYTES 40

enum hand_state { HAND_IDLE = 0, HAND_TAKEN, HAND_STOPPING, HAND_CRASHED };

struct slot {
    char magic[24];
    int32_t state, signal; /* side by side: what handlers write */
    int32_t rank;
    int32_t pid;
    char host[HANDS_HOST_MAX];
    uint64_t n_row; /* 0: none */
    uint64_t row[HANDS_ROW_MAX];
    char unused[SLOT_BYTES - 24 - 16 - HANDS_HOST_MAX - 8 - 8 * HANDS_ROW_MAX];
};

struct head {
    char magic[24];
    int32_t n_rank;
    char boot_id[BOOT_ID_BYTES]; /* of rank 0's machine */
};

/* Which slot of a rank. */
enum hand { COMPUTED, READ, N_HAND };

struct hands {
    char path[PATH_BYTES_MAX];
    int fd, output_fd; /* output_fd: holds the lock of results with several names, or -1 */
    bool has_lock;
    int no_lock_errno; /* why there is none, and we go on all the same; 0: there is one */
    enum hands_end last_end;
    int n_rank;
    struct slot slot, read;         /* this rank's */
    volatile sig_atomic_t is_taken; /* read by handlers */
    volatile sig_atomic_t asked;    /* signal that asked to stop, 0: none */
};

_Static_assert(sizeof(struct slot) == SLOT_BYTES, "a slot is one sector");

/* Of this thread, for handlers on it. */
static _Thread_local volatile sig_atomic_t is_reading;

static off_t slot_offset(int rank, enum hand hand)
{
    return (off_t)PAGE_BYTES * (1 + (off_t)rank) + (off_t)hand * SLOT_BYTES;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int hands_new(const char *output, struct hands **ret_hands, struct error *err)
{
    struct hands *hands = mem_small(1, sizeof(*hands));

    hands->fd = hands->output_fd = -1;
    if (!text_format(hands->path, sizeof(hands->path), "%s.lock", output)) {
        free(hands);
        return error_set(err, POLYPHONY_USAGE, "'%s': path too long", output);
    }
    *ret_hands = hands;
    return 0;
}

/* Another one each time the machine starts; "": it cannot say. */
static void read_boot_id(char ret_id[BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret_id, BOOT_ID_BYTES - 1) : 0;

    ret_id[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* From what the last run left of its lock. */
static enum hands_end find_last_end(const struct hands *hands)
{
    char boot_id[BOOT_ID_BYTES] = "";
    struct head head;

    if (pread(hands->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head.magic, MAGIC, sizeof(MAGIC)))
        return HANDS_END_ORDERLY;
    read_boot_id(boot_id);
    return strncmp(head.boot_id, boot_id, sizeof(boot_id)) ? HANDS_END_OTHER_BOOT : HANDS_END_KILLED;
}

enum hands_end hands_last_end(const struct hands *hands)
{
    return hands->last_end;
}

static void slot_init(struct hands *hands, int rank)
{
    hands->slot = (struct slot) { .magic = MAGIC, .rank = rank, .pid = (int32_t)getpid() };
    if (gethostname(hands->slot.host, sizeof(hands->slot.host) - 1))
        hands->slot.host[0] = '\0';
    hands->read = hands->slot;
}

/* The run before may have deleted the file between our open() and flock(): then the lock is one of a file
 * that nobody else will find. */
static bool is_still_there(const struct hands *hands)
{
    struct stat mine, named;

    return !fstat(hands->fd, &mine) && !lstat(hands->path, &named) && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

/* Nothing that somebody else put at this name is written to: no link is followed, and what is no lock file of
 * ours stays as it is. A lock that a run was killed in making, or that a machine lost, is empty, or zeros. */
static bool is_ours(int fd)
{
    static const char zeros[PAGE_BYTES];
    char head[PAGE_BYTES];
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return false;
    n = pread(fd, head, sizeof(head), 0);
    return n >= 0 && (!memcmp(head, zeros, (size_t)n) ||
                      ((size_t)n >= strlen(ANY_MAGIC) && !memcmp(head, ANY_MAGIC, strlen(ANY_MAGIC))));
}

static int lock_open(struct hands *hands, const char *output, int flags, struct error *err)
{
    hands->fd = open(hands->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0644);
    if (hands->fd < 0)
        return error_set(err, POLYPHONY_OUTPUT, "'%s' cannot be written: '%s': %s", output, hands->path,
                         errno == ELOOP ? "is a symbolic link; remove it" : failure_text(errno));
    if (!is_ours(hands->fd))
        return error_set(
            err, POLYPHONY_OUTPUT,
            "'%s' cannot be written: '%s' is there and is no lock file of ours; give it another name, or the results",
            output, hands->path);
    return 0;
}

/* A lock is named after its results. Where they have more than one name (hard links), the file itself is
 * locked too: by a range that nothing lies in, so that readers are not kept out. */
static bool lock_other_names(struct hands *hands, const char *output)
{
    struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = INT64_MAX / 2, .l_len = 1 };
    struct stat st;

    hands->output_fd = open(output, O_RDWR | O_CLOEXEC);
    if (hands->output_fd < 0 || fstat(hands->output_fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink < 2)
        return true;
    return !fcntl(hands->output_fd, F_OFD_SETLK, &range) || (errno != EAGAIN && errno != EACCES);
}

int hands_lock(const char *output, struct hands **ret_hands, struct error *err)
{
    struct hands *hands = NULL;
    int r = hands_new(output, &hands, err);

    for (int i = 0; !r && i < N_LOCK_TRY && !hands->has_lock; i++) {
        if (hands->fd >= 0)
            close(hands->fd);
        r = lock_open(hands, output, O_CREAT, err);
        if (r)
            break;
        hands->no_lock_errno = flock(hands->fd, LOCK_EX | LOCK_NB) ? errno : 0;
        if (hands->no_lock_errno == EWOULDBLOCK)
            break;
        hands->has_lock = is_still_there(hands);
    }
    if (!r && !hands->has_lock)
        r = error_set(err, POLYPHONY_OUTPUT, "'%s' is being written by another run (it holds '%s')", output,
                      hands->path);
    if (!r && !lock_other_names(hands, output))
        r = error_set(err, POLYPHONY_OUTPUT, "'%s' is being written by another run, under another name",
                      output);
    if (r) {
        hands_close(hands);
        return r;
    }
    slot_init(hands, 0);
    hands->last_end = find_last_end(hands);
    *ret_hands = hands;
    return 0;
}

const char *hands_no_lock(const struct hands *hands)
{
    return hands->no_lock_errno ? strerror(hands->no_lock_errno) : NULL;
}

int hands_begin(struct hands *hands, int n_rank, struct error *err)
{
    struct head head = { .magic = MAGIC, .n_rank = n_rank };

    read_boot_id(head.boot_id);
    if (ftruncate(hands->fd, 0) || pwrite(hands->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        ftruncate(hands->fd, slot_offset(n_rank, COMPUTED)))
        return error_set(err, POLYPHONY_OUTPUT, "'%s' cannot be written: %s", hands->path,
                         failure_text(errno));
    hands->n_rank = n_rank;
    return 0;
}

int hands_open(const char *output, int rank, struct hands **ret_hands, struct error *err)
{
    struct hands *hands = NULL;
    int r = hands_new(output, &hands, err);

    if (r)
        return r;
    slot_init(hands, rank);
    r = lock_open(hands, output, 0, err);
    if (r) {
        hands_close(hands);
        return r;
    }
    *ret_hands = hands;
    return 0;
}

/* ---- what a rank has in hand ---------------------------------------------------------------------- */

/* A failure is not the run's business: what was to be noted is how it ends. */
static void slot_write(struct hands *hands, enum hand hand, const void *bytes, size_t n, size_t offset)
{
    ssize_t written = pwrite(hands->fd, bytes, n, slot_offset(hands->slot.rank, hand) + (off_t)offset);

    (void)written;
}

/* Async-signal-safe. */
static void state_write(struct hands *hands, enum hand_state state, int number)
{
    const int32_t both[2] = { (int32_t)state, number };

    slot_write(hands, COMPUTED, both, sizeof(both), offsetof(struct slot, state));
}

void hands_take(struct hands *hands, size_t n, const uint64_t *rows)
{
    if (!hands)
        return;
    hands->slot.n_row = n;
    memcpy(hands->slot.row, rows, n * sizeof(*rows));
    hands->slot.state = HAND_TAKEN;
    hands->is_taken = 1;
    slot_write(hands, COMPUTED, &hands->slot, sizeof(hands->slot), 0);
    /* After the write: a request that came during it was overwritten by it, or came before. */
    if (hands->asked)
        state_write(hands, HAND_STOPPING, hands->asked);
}

void hands_put(struct hands *hands)
{
    if (!hands)
        return;
    hands->is_taken = 0;
    hands->slot.n_row = 0;
    hands->slot.state = HAND_IDLE;
    slot_write(hands, COMPUTED, &hands->slot, sizeof(hands->slot), 0);
}

void hands_read(struct hands *hands, size_t n, const uint64_t *rows)
{
    if (!hands)
        return;
    is_reading = 0;
    hands->read.n_row = n;
    if (n == 0)
        return;
    memcpy(hands->read.row, rows, n * sizeof(*rows));
    is_reading = 1;
}

void hands_note_signal(struct hands *hands, int number)
{
    int kept_errno = errno;

    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGABRT) {
        if (is_reading) {
            hands->read.state = HAND_CRASHED;
            hands->read.signal = number;
            slot_write(hands, READ, &hands->read, sizeof(hands->read), 0);
        } else if (hands->is_taken)
            state_write(hands, HAND_CRASHED, number);
    } else {
        hands->asked = number;
        if (hands->is_taken)
            state_write(hands, HAND_STOPPING, number);
    }
    errno = kept_errno;
}

/* ---- judging ----------------------------------------------------------------------------------- */

/* false where nothing was written, or not by us. */
static bool slot_read(const struct hands *hands, int rank, enum hand hand, struct slot *ret_slot)
{
    struct slot slot;

    if (pread(hands->fd, &slot, sizeof(slot), slot_offset(rank, hand)) != (ssize_t)sizeof(slot) ||
        memcmp(slot.magic, MAGIC, sizeof(MAGIC)) || slot.rank != rank || slot.n_row == 0 ||
        slot.n_row > HANDS_ROW_MAX || slot.state < HAND_IDLE || slot.state > HAND_CRASHED)
        return false;
    slot.host[sizeof(slot.host) - 1] = '\0';
    *ret_slot = slot;
    return true;
}

/* What ended a rank: the thread that crashed, or what was computed when it vanished. false: nothing. */
static bool slot_find(const struct hands *hands, int rank, struct slot *ret_slot)
{
    struct slot slot[N_HAND];
    bool is_there[N_HAND];

    for (int hand = 0; hand < N_HAND; hand++) {
        is_there[hand] = slot_read(hands, rank, (enum hand)hand, &slot[hand]);
        if (is_there[hand] && slot[hand].state == HAND_CRASHED) {
            *ret_slot = slot[hand];
            return true;
        }
    }
    if (!is_there[COMPUTED] || slot[COMPUTED].state != HAND_TAKEN)
        return false;
    *ret_slot = slot[COMPUTED];
    return true;
}

static struct hands_blame blame_of(const struct slot *slot)
{
    bool is_crash = slot->state == HAND_CRASHED;
    struct hands_blame blame = { .n_row = slot->n_row,
                                 .is_crash = is_crash,
                                 .signal = is_crash ? slot->signal : 0,
                                 .rank = slot->rank,
                                 .pid = slot->pid };

    memcpy(blame.row, slot->row, sizeof(blame.row));
    memcpy(blame.host, slot->host, sizeof(blame.host));
    return blame;
}

/* Ranks of the run that wrote the file, 0 if none did. Of a short file only the slots that are there count. */
static int read_n_rank(const struct hands *hands)
{
    struct head head;
    struct stat st;

    if (pread(hands->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        memcmp(head.magic, MAGIC, sizeof(MAGIC)) || head.n_rank < 1 || head.n_rank > N_RANK_MAX ||
        fstat(hands->fd, &st))
        return 0;
    return st.st_size / PAGE_BYTES < head.n_rank ? (int)(st.st_size / PAGE_BYTES) : head.n_rank;
}

int hands_judge(struct hands *hands, hands_visit visit, void *context, struct error *err)
{
    int n_rank = read_n_rank(hands), n_crashed = 0, n_vanished = 0, r = 0;
    struct hands_blame blame, vanished;
    struct slot slot;

    for (int rank = 0; !r && rank < n_rank; rank++) {
        if (!slot_find(hands, rank, &slot))
            continue;
        blame = blame_of(&slot);
        if (blame.is_crash) {
            n_crashed++;
            r = visit(context, &blame, err);
        } else {
            n_vanished++;
            vanished = blame;
        }
    }
    return !r && n_crashed == 0 && n_vanished == 1 ? visit(context, &vanished, err) : r;
}

bool hands_judge_lost(struct hands *hands, int rank, struct hands_blame *ret_blame)
{
    static const struct slot empty[N_HAND];
    struct slot slot;

    if (rank < 0 || rank >= hands->n_rank || !slot_find(hands, rank, &slot) ||
        pwrite(hands->fd, empty, sizeof(empty), slot_offset(rank, COMPUTED)) != (ssize_t)sizeof(empty))
        return false;
    *ret_blame = blame_of(&slot);
    return true;
}

/* ---- closing ----------------------------------------------------------------------------------- */

static bool has_evidence(const struct hands *hands)
{
    int n_rank = read_n_rank(hands);
    struct slot slot;

    for (int rank = 0; rank < n_rank; rank++)
        if (slot_find(hands, rank, &slot))
            return true;
    return false;
}

void hands_close(struct hands *hands)
{
    if (!hands)
        return;
    if (hands->is_taken) /* an orderly end, of a run that failed */
        hands_put(hands);
    if (hands->has_lock && !has_evidence(hands) && is_still_there(hands))
        unlink(hands->path);
    if (hands->fd >= 0)
        close(hands->fd);
    if (hands->output_fd >= 0)
        close(hands->output_fd);
    free(hands);
}
