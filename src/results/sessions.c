/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who wrote into the file: one entry a run. Their places are laid out with the file, so that adding one is
 * one pwrite(), and whatever happens meanwhile spoils nothing but that entry, which its checksum tells.
 */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(struct results_session) == 1024, "entries of runs are 1024 bytes in every file");

#define NUMBER(field)                                                                                        \
    {                                                                                                        \
#field, IO_I32, offsetof(struct results_session, field), 0                                           \
    }
#define TEXT(field)                                                                                          \
    {                                                                                                        \
#field, IO_I32, offsetof(struct results_session, field),                                             \
            sizeof(((struct results_session *)0)->field)                                                     \
    }

int results_layout_sessions(struct layout *layout, struct error *err)
{
    static const struct io_member members[] = {
        { "checksum", IO_U64, offsetof(struct results_session, checksum), 0 },
        NUMBER(n_run),
        NUMBER(n_rank),
        NUMBER(n_thread),
        TEXT(date_utc),
        TEXT(host),
        TEXT(version),
        TEXT(commit),
        TEXT(source_hash),
        TEXT(compiler),
        TEXT(flags),
        TEXT(command),
    };
    const struct io_shape shape = { .type = IO_RECORD,
                                    .rank = 1,
                                    .dims = { RESULTS_SESSION_MAX },
                                    .record_bytes = sizeof(struct results_session),
                                    .member = members,
                                    .n_member = sizeof(members) / sizeof(*members) };

    return layout_dataset(
        layout, SESSIONS_PATH, &shape, NULL,
        "The runs that wrote into this file; checksum 0: none; an entry with n_run > 1 stands for n_run - 1 earlier ones, too",
        err);
}

static uint64_t checksum_of(const struct results_session *session)
{
    return hash_bytes((const char *)session + sizeof(session->checksum),
                      sizeof(*session) - sizeof(session->checksum));
}

/* Entries up to the first that no run has written whole. */
static int read_entries(const char *path, int fd, uint64_t offset,
                        struct results_session ret_session[RESULTS_SESSION_MAX], size_t *ret_n,
                        struct error *err)
{
    int r = results_read_at(path, fd, offset, ret_session, RESULTS_SESSION_MAX * sizeof(*ret_session),
                            SESSIONS_PATH, err);
    size_t n = 0;

    while (!r && n < RESULTS_SESSION_MAX && ret_session[n].checksum &&
           ret_session[n].checksum == checksum_of(&ret_session[n]))
        n++;
    *ret_n = n;
    return r;
}

/* As much as fits, with the end cut off visibly. */
static void copy_text(char *ret_text, size_t size, const char *text)
{
    if (!text_format(ret_text, size, "%s", text))
        memcpy(ret_text + size - 4, "...", 4);
}

static bool is_same_build(const struct results_session *a, const struct results_session *b)
{
    return !memcmp(a->source_hash, b->source_hash, sizeof(a->source_hash)) &&
           !memcmp(a->compiler, b->compiler, sizeof(a->compiler)) &&
           !memcmp(a->flags, b->flags, sizeof(a->flags));
}

/* All places are taken: the last one that can go without a build being forgotten. */
static size_t choose_place(const struct results_session all[RESULTS_SESSION_MAX],
                           const struct results_session *session)
{
    for (size_t i = RESULTS_SESSION_MAX; i-- > 1;) {
        bool is_known = is_same_build(&all[i], session);

        for (size_t j = 0; j < RESULTS_SESSION_MAX && !is_known; j++)
            is_known = j != i && is_same_build(&all[i], &all[j]);
        if (is_known)
            return i;
    }
    return RESULTS_SESSION_MAX - 1;
}

int results_note_session(struct results *results, const struct provenance *provenance, struct error *err)
{
    struct results_session *all = mem_small(RESULTS_SESSION_MAX, sizeof(*all));
    struct results_session session = { .n_run = 1,
                                       .n_rank = provenance->n_rank,
                                       .n_thread = provenance->n_thread };
    size_t n = 0;
    int r = read_entries(results->path, results->fd, results->sessions_offset, all, &n, err);

    copy_text(session.date_utc, sizeof(session.date_utc), provenance->date_utc);
    copy_text(session.host, sizeof(session.host), provenance->host);
    copy_text(session.version, sizeof(session.version), provenance->program_version);
    copy_text(session.commit, sizeof(session.commit), provenance->commit);
    copy_text(session.source_hash, sizeof(session.source_hash), provenance->source_hash);
    copy_text(session.compiler, sizeof(session.compiler), provenance->compiler);
    copy_text(session.flags, sizeof(session.flags), provenance->flags);
    copy_text(session.command, sizeof(session.command), provenance->command);
    if (!r && n == RESULTS_SESSION_MAX) {
        n = choose_place(all, &session);
        session.n_run = all[n].n_run + 1;
    }
    session.checksum = checksum_of(&session);
    if (!r)
        r = results_write_at(results, results->sessions_offset + n * sizeof(session), &session,
                             sizeof(session), err);
    free(all);
    return r;
}

int results_read_sessions(const char *path, struct results_session ret_session[RESULTS_SESSION_MAX],
                          size_t *ret_n, struct error *err)
{
    struct io_file *file = NULL;
    uint64_t offset = 0;
    int fd = -1, r = results_file_open(path, &file, err);

    *ret_n = 0;
    if (!r)
        r = io_dataset_offset(file, SESSIONS_PATH, &offset, err);
    io_file_close(file);
    if (!r) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno))
                   : read_entries(path, fd, offset, ret_session, ret_n, err);
    }
    if (fd >= 0)
        close(fd);
    return r;
}
