/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "polyphony/io.h"

#include <hdf5.h>
#include <sys/types.h>

struct io_file {
    hid_t id;
    MPI_Comm comm;      /* MPI_COMM_NULL when one process has the file to itself */
    int comm_rank;      /* 0 when one process owns the file */
    off_t size_bytes;   /* when it was opened for reading; 0 otherwise */
    char *path;         /* its name when complete */
    char *partial_path; /* its name under construction; NULL when reading or committed */
    int room_fd;        /* holds disk space back until the file is closed, or -1; see room_hold() */
};

/** Dataset id, or a negative number with `err` set. */
hid_t io_dataset_open(struct io_file *file, const char *path, struct error *err);

/** Write the Units (unless NULL) and Description attributes of an open object. */
int io_label(struct io_file *file, hid_t object, const char *path, const char *units, const char *description,
             struct error *err);

/** Property list that creates the groups on the way. */
hid_t io_link_creation(void);
