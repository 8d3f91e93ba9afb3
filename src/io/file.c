/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "polyphony/ranks.h"

/* Open MPI 4.1 copies the name of a file of all ranks, with an ending of its own, into 256 bytes unchecked. */
#define MPI_PATH_MAX 230

/* Far more than the headers of all datasets of a job. */
#define ROOM_BYTES ((off_t)8 << 20)

/* May a file under the temporary name go? What a killed run leaves is empty, begins with zeros that were
 * never filled, or is HDF5; of a link only the link goes. */
static bool is_leftover(const char *partial_path)
{
    static const char zeros[8], signature[8] = { '\211', 'H', 'D', 'F', '\r', '\n', '\032', '\n' };
    char head[8];
    int fd = open(partial_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT || errno == ELOOP;
    n = read(fd, head, sizeof(head));
    close(fd);
    return n <= 0 || !memcmp(head, zeros, (size_t)n) ||
           (n == sizeof(head) && !memcmp(head, signature, (size_t)n));
}

/*
 * HDF5 1.10 cannot close a file whose headers find no room on the disk, and crashes when the program ends. So
 * room is held back, by a file without a name, until the file is closed. One process does it for all.
 */
static int room_hold(struct io_file *file, struct error *err)
{
    int status;

    if (!is_leftover(file->partial_path)) {
        status =
            error_set(err, POLYPHONY_OUTPUT, "'%s': '%s' is there and is not of ours; give it another name",
                      file->path, file->partial_path);
        free(file->partial_path); /* it stays */
        file->partial_path = NULL;
        return status;
    }
    unlink(file->partial_path);
    file->room_fd = open(file->partial_path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->room_fd < 0)
        return error_set(err, POLYPHONY_OUTPUT, "'%s': '%s' cannot be created: %s", file->path,
                         file->partial_path, failure_text(errno));
    status = posix_fallocate(file->room_fd, 0, ROOM_BYTES);
    unlink(file->partial_path);
    if (status == ENOSPC || status == EDQUOT || status == EFBIG)
        return error_set(err, POLYPHONY_OUTPUT, "'%s': %s; %d MiB are needed to begin", file->path,
                         failure_text(status), (int)(ROOM_BYTES >> 20));
    return 0;
}

int io_promise(struct io_file *file, const char *path, uint64_t n_byte)
{
    int number = 0;

    if (__builtin_add_overflow(file->promised_bytes, n_byte, &file->promised_bytes) ||
        file->promised_bytes > INT64_MAX - (uint64_t)ROOM_BYTES)
        number = EFBIG;
    else if (file->room_fd >= 0 && ftruncate(file->room_fd, ROOM_BYTES + (off_t)file->promised_bytes))
        number = errno;
    if (file->comm != MPI_COMM_NULL)
        MPI_Bcast(&number, 1, MPI_INT, 0, file->comm);
    return number == EFBIG
               ? error_set(&file->failure, POLYPHONY_OUTPUT, "'%s': %s; with '%s' it would take %.3g MB",
                           file->path, failure_text(number), path, (double)file->promised_bytes * 1e-6)
               : 0;
}

int io_written(struct io_file *file, int r, struct error *err)
{
    if (!file->status)
        file->status = r;
    if (file->status && err)
        *err = file->failure;
    return file->status;
}

int io_file_status(struct io_file *file, struct error *err)
{
    return io_written(file, 0, err);
}

const char *io_why_not_written(struct io_file *file)
{
    struct rlimit limit;
    hsize_t bytes = 0;

    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
        H5Fget_filesize(file->id, &bytes) >= 0 && bytes > limit.rlim_cur)
        return failure_text(EFBIG);
    return "disk full?";
}

static void room_release(struct io_file *file)
{
    if (file->room_fd >= 0)
        close(file->room_fd);
    file->room_fd = -1;
    if (file->comm != MPI_COMM_NULL)
        MPI_Barrier(file->comm); /* any rank may write headers */
}

static struct io_file *file_new(const char *path, bool is_partial)
{
    struct io_file *file = mem_small(1, sizeof(*file));

    io_hdf5_begin();
    file->id = H5I_INVALID_HID;
    file->comm = MPI_COMM_NULL;
    file->room_fd = file->lock_fd = -1;
    file->path = mem_text(path);
    if (is_partial) {
        size_t size = strlen(path) + sizeof(".partial");

        file->partial_path = mem_small(size, 1);
        text_format(file->partial_path, size, "%s.partial", path);
    }
    return file;
}

static int file_create(const char *path, MPI_Comm comm, struct io_file **ret_file, struct error *err)
{
    char *place = path_follow(path, err); /* a link stays one: the file is made where it leads */
    struct io_file *file = place ? file_new(place, true) : NULL;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    int r = 0;

    /* Not every file system can; who writes a file of ours is settled elsewhere. */
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && H5_VERS_MINOR == 10)
    if (access >= 0)
        H5Pset_file_locking(access, false, true);
#endif

    if (!place) {
        r = POLYPHONY_OUTPUT;
        goto out;
    }
    if (comm != MPI_COMM_NULL && strlen(place) > MPI_PATH_MAX) {
        r = error_set(
            err, POLYPHONY_OUTPUT,
            "'%s': more than %d characters are too many for Open MPI; give a shorter path, such as a relative one",
            path, MPI_PATH_MAX);
        goto out;
    }
    if (comm != MPI_COMM_NULL) {
        file->comm = comm;
        MPI_Comm_rank(comm, &file->comm_rank);
        H5Pset_fapl_mpio(access, comm, MPI_INFO_NULL);
    }
    if (file->comm_rank == 0)
        r = room_hold(file, err);
    if (comm != MPI_COMM_NULL)
        MPI_Bcast(&r, 1, MPI_INT, 0, comm);
    if (r)
        goto out;
    file->id = H5Fcreate(file->partial_path, H5F_ACC_EXCL, H5P_DEFAULT, access);
    if (file->id < 0) {
        r = error_set(
            err, POLYPHONY_OUTPUT,
            "'%s': cannot be created (does the directory exist, may you write there, is there room?)", path);
        goto out;
    }
    *ret_file = file;
    file = NULL;
out:
    if (access >= 0)
        H5Pclose(access);
    io_file_close(file);
    free(place);
    return r;
}

int io_file_create(const char *path, struct io_file **ret_file, struct error *err)
{
    return file_create(path, MPI_COMM_NULL, ret_file, err);
}

/* A rank alone needs no MPI-IO, which takes its time to begin. */
int io_layout_create(const char *path, MPI_Comm comm, struct io_file **ret_file, struct error *err)
{
    int n_rank = 1;

    MPI_Comm_size(comm, &n_rank);
    return file_create(path, n_rank > 1 ? comm : MPI_COMM_NULL, ret_file, err);
}

/* Give the finished file its name; one process does it. */
static int file_rename(struct io_file *file, bool is_on_disk_first, struct error *err)
{
    int fd = open(file->partial_path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && (!is_on_disk_first || fsync(fd) == 0);

    if (fd >= 0)
        close(fd);
    if (!ok || rename(file->partial_path, file->path))
        return error_set(err, POLYPHONY_OUTPUT, "'%s': %s", file->path, strerror(errno));
    return 0;
}

static int file_commit(struct io_file *file, bool is_on_disk_first, struct error *err)
{
    int r = io_file_status(file, err);
    herr_t status;

    /* Nothing is flushed where the disk is full and the room for headers still held: HDF5 1.10 would crash. */
    if (file->comm != MPI_COMM_NULL)
        r = ranks_agree(file->comm, r);
    if (r)
        return r;
    status = H5Fflush(file->id, H5F_SCOPE_GLOBAL);
    room_release(file);
    if (H5Fclose(file->id) < 0 || status < 0)
        r = error_set(err, POLYPHONY_OUTPUT, "'%s': could not be written completely (disk full?)",
                      file->path);
    file->id = H5I_INVALID_HID;
    if (file->comm != MPI_COMM_NULL)
        MPI_Allreduce(MPI_IN_PLACE, &r, 1, MPI_INT, MPI_MIN, file->comm);
    if (!r && file->comm_rank == 0)
        r = file_rename(file, is_on_disk_first, err);
    if (file->comm != MPI_COMM_NULL)
        MPI_Bcast(&r, 1, MPI_INT, 0, file->comm);
    if (!r) {
        free(file->partial_path);
        file->partial_path = NULL;
    }
    return r;
}

int io_file_commit(struct io_file *file, struct error *err)
{
    return file_commit(file, true, err);
}

int io_layout_commit(struct io_file *file, struct error *err)
{
    return file_commit(file, false, err);
}

void io_file_close(struct io_file *file)
{
    if (!file)
        return;
    if (file->id >= 0) {
        room_release(file);
        H5Fclose(file->id);
    }
    if (file->room_fd >= 0)
        close(file->room_fd);
    if (file->lock_fd >= 0)
        close(file->lock_fd);
    io_known_free(file->known);
    if (file->partial_path && file->comm_rank == 0)
        unlink(file->partial_path);
    free(file->partial_path);
    free(file->path);
    free(file);
}

int io_file_open(const char *path, struct io_file **ret_file, struct error *err)
{
    struct io_file *file = file_new(path, false);
    struct stat st;
    int r = io_hdf5_open(path, &file->id, &file->lock_fd, err);

    if (!r && !fstat(file->lock_fd, &st))
        file->size_bytes = st.st_size;
    if (r) {
        io_file_close(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

const char *io_file_path(const struct io_file *file)
{
    return file->path;
}

bool io_has(struct io_file *file, const char *path)
{
    char prefix[IO_NAME_MAX * 2];
    size_t n = strlen(path), n_before = 0;
    htri_t exists;

    if (n >= sizeof(prefix))
        return false;
    /* H5Lexists fails, rather than answering no, when a group on the way is missing. */
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        exists = H5Lexists(file->id, prefix, H5P_DEFAULT);
        if (exists < 0) { /* nothing can be looked for in the one before: it leads nowhere, or is no group */
            prefix[n_before] = '\0';
            return n_before && H5Oexists_by_name(file->id, prefix, H5P_DEFAULT) <= 0;
        }
        if (exists == 0)
            return false;
        n_before = i;
    }
    return n > 0;
}

struct name_list {
    char (*names)[IO_NAME_MAX];
    size_t n, capacity;
};

static herr_t list_add(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    struct name_list *list = data;

    (void)group;
    (void)info;
    list->names = mem_grow(list->names, list->n, &list->capacity, sizeof(*list->names));
    text_format(list->names[list->n++], IO_NAME_MAX, "%s", name);
    return 0;
}

int io_list(struct io_file *file, const char *group, char (**ret_names)[IO_NAME_MAX], size_t *ret_n,
            struct error *err)
{
    struct name_list list = { 0 };
    hid_t id = H5Gopen2(file->id, group, H5P_DEFAULT);
    int r = 0;

    if (id < 0)
        return error_set(err, POLYPHONY_INPUT, "'%s': no group '%s'", file->path, group);
    if (H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, NULL, list_add, &list) < 0)
        r = error_set(err, POLYPHONY_INPUT, "'%s': group '%s' cannot be listed", file->path, group);
    H5Gclose(id);
    if (r) {
        free(list.names);
        return r;
    }
    *ret_names = list.names;
    *ret_n = list.n;
    return 0;
}

void io_versions(char *ret_hdf5, char *ret_mpi, size_t size)
{
    unsigned major = 0, minor = 0, release = 0;
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int n = 0;

    H5get_libversion(&major, &minor, &release);
    text_format(ret_hdf5, size, "%u.%u.%u", major, minor, release);
    MPI_Get_library_version(text, &n);
    text[strcspn(text, ",\n")] = '\0'; /* what follows is who packaged it */
    if (!text_format(ret_mpi, size, "%s", text))
        ret_mpi[size - 1] = '\0';
}
