/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ledger, read in pieces: 10^7 galaxies have 2.5 GB of it.
 *
 * An entry is written in one piece, but where it lies across two pages of memory a killed process can have
 * written the first part only. What no run writes whole is therefore taken as a row that is left: it is
 * computed again.
 */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More often than anything happens to one galaxy. */
#define BLAME_MAX 1000000

_Static_assert(sizeof(struct ledger_entry) == 256, "entries of the ledger are 256 bytes in every file");

int ledger_reader_open(const char *path, struct io_file *file, struct ledger_reader *ret_reader,
                       struct error *err)
{
    struct ledger_reader reader = { .path = path, .fd = -1 };
    struct io_info info = { 0 };
    int r = io_dataset_info(file, LEDGER_PATH, &info, err);

    if (!r && (info.rank != 1 || info.type_bytes != sizeof(struct ledger_entry)))
        r = error_set(err, POLYPHONY_INPUT, "'%s': '%s' is not a ledger of this version of the program", path,
                      LEDGER_PATH);
    reader.n_galaxy = info.n;
    if (!r)
        r = io_dataset_expect(file, ID_PATH, 1, info.dims, NULL, err);
    if (!r)
        r = io_dataset_offset(file, LEDGER_PATH, &reader.ledger_offset, err);
    if (!r)
        r = io_dataset_offset(file, ID_PATH, &reader.id_offset, err);
    if (r)
        return r;
    reader.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader.fd < 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    *ret_reader = reader;
    return 0;
}

void ledger_reader_close(struct ledger_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

int ledger_read_piece(const struct ledger_reader *reader, uint64_t first, size_t n,
                      struct ledger_entry *ret_entry, int64_t *ret_id, struct error *err)
{
    int r = results_read_at(reader->path, reader->fd, reader->ledger_offset + first * sizeof(*ret_entry),
                            ret_entry, n * sizeof(*ret_entry), LEDGER_PATH, err);

    return r ? r
             : results_read_at(reader->path, reader->fd, reader->id_offset + first * sizeof(*ret_id), ret_id,
                               n * sizeof(*ret_id), ID_PATH, err);
}

static bool is_count(int32_t n)
{
    return n >= 0 && n <= BLAME_MAX;
}

bool ledger_entry_is_whole(const struct ledger_entry *entry)
{
    bool is_quiet = !entry->stage[0] && !entry->reason[0];

    if (entry->rank < 0 || !isfinite(entry->seconds) || entry->seconds < 0.0 || !is_count(entry->n_crash) ||
        !is_count(entry->n_vanish) || entry->n_rounded < 0 || entry->is_on_disk < 0 ||
        entry->is_on_disk > 1 || entry->stage[sizeof(entry->stage) - 1] ||
        entry->reason[sizeof(entry->reason) - 1])
        return false;
    switch (entry->status) {
    case ROW_LEFT:
        return is_quiet; /* a checksum is a fault that `polyphony verify` names, and harmless */
    case ROW_DONE:
        return is_quiet && entry->checksum != 0; /* XXH3 gives 0 once in 2^64 rows */
    case ROW_SET_ASIDE:
        return entry->checksum == 0;
    default:
        return false;
    }
}

bool ledger_entry_is_blamed(const struct ledger_entry *entry)
{
    return entry->n_crash > 0 || entry->n_vanish > 0;
}

void ledger_count(struct ledger_counts *counts, const struct ledger_entry *entry)
{
    counts->n_galaxy++;
    if (!ledger_entry_is_whole(entry)) {
        counts->n_damaged++;
        return;
    }
    counts->n_done += entry->status == ROW_DONE;
    counts->n_set_aside += entry->status == ROW_SET_ASIDE;
    counts->n_unsynced += entry->status != ROW_LEFT && !entry->is_on_disk;
    counts->n_blamed += entry->status == ROW_LEFT && ledger_entry_is_blamed(entry);
    counts->n_rounded_galaxy += entry->n_rounded > 0;
    counts->n_rounded += (uint64_t)entry->n_rounded;
    counts->seconds += entry->seconds;
}

struct piece {
    struct ledger_entry entry[LEDGER_N_PIECE];
    int64_t id[LEDGER_N_PIECE];
};

static int scan(const struct ledger_reader *reader, struct piece *piece, ledger_visit visit, void *context,
                struct ledger_counts *counts, struct error *err)
{
    static const struct ledger_entry left = { .status = ROW_LEFT, .rank = -1 };
    int r = 0;

    for (uint64_t first = 0; !r && first < reader->n_galaxy; first += LEDGER_N_PIECE) {
        uint64_t rest = reader->n_galaxy - first;
        size_t n = rest < LEDGER_N_PIECE ? (size_t)rest : LEDGER_N_PIECE;

        r = ledger_read_piece(reader, first, n, piece->entry, piece->id, err);
        for (size_t i = 0; !r && i < n; i++) {
            const struct ledger_entry *entry = &piece->entry[i];

            ledger_count(counts, entry);
            if (visit)
                r = visit(context, first + i, piece->id[i], ledger_entry_is_whole(entry) ? entry : &left,
                          err);
        }
    }
    return r;
}

int ledger_scan(const char *path, ledger_visit visit, void *context, struct ledger_counts *ret_counts,
                struct error *err)
{
    struct ledger_reader reader = { .fd = -1 };
    struct ledger_counts counts = { 0 };
    struct io_file *file = NULL;
    struct piece *piece = mem_small(1, sizeof(*piece));
    int r = results_file_open(path, &file, err);

    if (!r)
        r = ledger_reader_open(path, file, &reader, err);
    io_file_close(file);
    if (!r)
        r = scan(&reader, piece, visit, context, &counts, err);
    ledger_reader_close(&reader);
    free(piece);
    if (!r)
        *ret_counts = counts;
    return r;
}
