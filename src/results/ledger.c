/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "results_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Raw bytes, as they were written: HDF5 is not asked, so a file that is being written can be read. What was
 * never written, beyond the end of the file, reads as zeros. */
static int read_at(const char *path, int fd, uint64_t offset, void *bytes, size_t n, struct error *err)
{
    char *left = bytes;

    while (n > 0) {
        ssize_t got = pread(fd, left, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, POLYPHONY_INPUT, "'%s': the ledger cannot be read: %s", path,
                             strerror(errno));
        if (got == 0) {
            memset(left, 0, n);
            break;
        }
        left += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static int read_entries(const char *path, uint64_t ledger_offset, uint64_t id_offset, struct ledger *ledger,
                        struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    ledger->entry = mem_array(ledger->n_galaxy, sizeof(*ledger->entry));
    ledger->id = mem_array(ledger->n_galaxy, sizeof(*ledger->id));
    if (fd < 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
    else if (!ledger->entry || !ledger->id)
        r = error_set(err, POLYPHONY_INTERNAL, "'%s': no memory for the ledger", path);
    else
        r = read_at(path, fd, ledger_offset, ledger->entry, ledger->n_galaxy * sizeof(*ledger->entry), err);
    if (!r)
        r = read_at(path, fd, id_offset, ledger->id, ledger->n_galaxy * sizeof(*ledger->id), err);
    if (fd >= 0)
        close(fd);
    return r;
}

int ledger_read(const char *path, struct ledger *ret_ledger, struct error *err)
{
    struct ledger ledger = { 0 };
    struct io_file *file = NULL;
    struct io_info info = { 0 };
    uint64_t ledger_offset = 0, id_offset = 0;
    int r = io_file_open(path, &file, err);

    if (!r && !io_has(file, LEDGER_PATH))
        r = error_set(err, POLYPHONY_INPUT, "'%s' is not a results file: it has no '%s'", path, LEDGER_PATH);
    if (!r)
        r = io_dataset_info(file, LEDGER_PATH, &info, err);
    if (!r && (info.rank != 1 || info.type_bytes != sizeof(struct ledger_entry)))
        r = error_set(err, POLYPHONY_INPUT, "'%s': '%s' is not a ledger of this version of the program", path,
                      LEDGER_PATH);
    if (!r)
        r = io_dataset_expect(file, "Galaxies/ID", 1, info.dims, NULL, err);
    if (!r)
        r = io_dataset_offset(file, LEDGER_PATH, &ledger_offset, err);
    if (!r)
        r = io_dataset_offset(file, "Galaxies/ID", &id_offset, err);
    io_file_close(file);
    ledger.n_galaxy = info.n;
    if (!r)
        r = read_entries(path, ledger_offset, id_offset, &ledger, err);
    for (size_t i = 0; !r && i < ledger.n_galaxy; i++) {
        ledger.entry[i].stage[sizeof(ledger.entry[i].stage) - 1] = '\0';
        ledger.entry[i].reason[sizeof(ledger.entry[i].reason) - 1] = '\0';
        ledger.n_done += ledger.entry[i].status == ROW_DONE;
        ledger.n_set_aside += ledger.entry[i].status == ROW_SET_ASIDE;
    }
    if (r) {
        ledger_free(&ledger);
        return r;
    }
    *ret_ledger = ledger;
    return 0;
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->entry);
    free(ledger->id);
    *ledger = (struct ledger) { 0 };
}
