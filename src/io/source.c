/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the bytes of a dataset really are, and whether they are there.
 *
 * HDF5 reads fill values, without a word, for chunks that were never written, for raw files that are too
 * short, and for sources of views that it cannot open. So each dataset is looked at once, before it is read:
 * the files and datasets that its bytes come from are followed to their end. What was found is kept with the
 * file: the list of all other files (they are hashed for the results), and from which of them each row comes,
 * because such a file may also change later, while it is read.
 */
#include "io_private.h"

/* Files of links on the way. HDF5 has opened the dataset, so that this fails only where they were changed. */
static int remember_way(struct io_look *look, const char *path, struct error *err)
{
    hid_t again = H5I_INVALID_HID;
    int r = io_follow(look->file->id, path, io_look_remember, look, &again, err);

    if (!r)
        H5Dclose(again);
    return r;
}

int io_know(struct io_file *file, const char *path, hid_t dataset, struct error *err)
{
    struct io_look look;
    int r;

    if (io_known_has(file, path))
        return 0;
    look = io_known_begin(file, path);
    r = remember_way(&look, path, err);
    if (!r)
        r = io_look_at(&look, dataset, NULL, NULL, err);
    if (r) {
        io_known_forget(file->known);
        return error_prefix(err, r, "'%s': dataset '%s'", file->path, path);
    }
    return 0;
}
