/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From names to objects, as HDF5 goes, but step by step: HDF5 only says that a dataset cannot be opened, or
 * reads fill values where the source of a view cannot. So links are followed one at a time, and files are
 * looked for where HDF5 looks for them (H5Pset_elink_prefix, H5Pset_virtual_prefix in its reference manual):
 *
 *     an absolute name as it is; if nothing can be opened there its last part, and any other name,
 *     in the directories of HDF5_EXT_PREFIX (links) or HDF5_VDS_PREFIX (views), separated by colons;
 *     beside the file that has the link; in the working directory; beside what that file is a symbolic link
 * to
 */
#include "io_private.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define N_HOP_MAX       16 /* links that lead on from one another: HDF5's own bound */
#define LINK_VALUE_MAX  65536
#define N_CANDIDATE_MAX 32
#define ORIGIN          "${ORIGIN}"

/* ---- files --------------------------------------------------------------------------------------- */

struct candidates {
    size_t n;
    char *path[N_CANDIDATE_MAX];
};

static void candidates_free(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->n; i++)
        free(candidates->path[i]);
    candidates->n = 0;
}

static void add_candidate(struct candidates *candidates, const char *directory, size_t n, const char *name)
{
    size_t size = n + strlen(name) + 2;
    char *path;

    if (candidates->n == N_CANDIDATE_MAX)
        return;
    path = mem_small(size, 1);
    text_format(path, size, "%.*s%s%s", (int)n, directory, n && directory[n - 1] != '/' ? "/" : "", name);
    candidates->path[candidates->n++] = path;
}

/* Bytes of the directory before a file's name, its slash included. */
static size_t directory_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

static void add_prefixes(struct candidates *candidates, const char *list, const char *name)
{
    while (list && *list) {
        size_t n = strcspn(list, ":");

        if (n)
            add_candidate(candidates, list, n, name);
        list += n + (list[n] == ':');
    }
}

/* The prefix of views is also taken whole, and may begin with the directory of their file. */
static void add_view_prefix(struct candidates *candidates, const char *prefix, const char *parent,
                            const char *name)
{
    char directory[PATH_MAX];

    if (!prefix || !*prefix || !strcmp(prefix, "."))
        return;
    if (!strncmp(prefix, ORIGIN, strlen(ORIGIN)) &&
        text_format(directory, sizeof(directory), "%.*s.%s", (int)directory_bytes(parent), parent,
                    prefix + strlen(ORIGIN)))
        add_candidate(candidates, directory, strlen(directory), name);
    else
        add_candidate(candidates, prefix, strlen(prefix), name);
}

static void find_candidates(hid_t file, const char *name, enum io_prefix prefix, struct candidates *ret)
{
    const char *last = strrchr(name, '/'),
               *list = getenv(prefix == IO_PREFIX_VIEW ? "HDF5_VDS_PREFIX" : "HDF5_EXT_PREFIX");
    char parent[PATH_MAX] = "", actual[PATH_MAX] = "";

    *ret = (struct candidates) { 0 };
    if (H5Fget_name(file, parent, sizeof(parent)) >= (ssize_t)sizeof(parent))
        return;
    if (*name == '/') {
        add_candidate(ret, "", 0, name);
        name = last + 1;
    }
    add_prefixes(ret, list, name);
    if (prefix == IO_PREFIX_VIEW)
        add_view_prefix(ret, list, parent, name);
    add_candidate(ret, parent, directory_bytes(parent), name);
    if (directory_bytes(parent))
        add_candidate(ret, "", 0, name);
    if (realpath(parent, actual))
        add_candidate(ret, actual, directory_bytes(actual), name);
}

static bool is_there(const char *path)
{
    struct stat st;

    return !stat(path, &st);
}

bool io_can_find_file(hid_t file, const char *name, enum io_prefix prefix)
{
    struct candidates candidates;
    bool answer = false;

    find_candidates(file, name, prefix, &candidates);
    for (size_t i = 0; i < candidates.n; i++)
        answer |= is_there(candidates.path[i]);
    candidates_free(&candidates);
    return answer;
}

int io_find_file(hid_t file, const char *name, enum io_prefix prefix, hid_t *ret_id, char **ret_path,
                 struct error *err)
{
    struct candidates candidates;
    struct error first = { "" }, other;
    int r = POLYPHONY_INPUT;

    find_candidates(file, name, prefix, &candidates);
    for (size_t i = 0; r && i < candidates.n; i++) {
        if (!is_there(candidates.path[i]))
            continue;
        r = io_hdf5_open(candidates.path[i], ret_id, NULL, *first.text ? &other : &first);
        if (!r) {
            *ret_path = candidates.path[i];
            candidates.path[i] = NULL;
        }
    }
    candidates_free(&candidates);
    if (!r)
        return 0;
    if (*first.text)
        return error_set(err, r, "%s", first.text);
    return error_set(
        err, r, "'%s' is not there: neither beside the file that names it nor in the working directory%s",
        name,
        prefix == IO_PREFIX_VIEW ? " (HDF5_VDS_PREFIX may say where else)"
                                 : " (HDF5_EXT_PREFIX may say where else)");
}

/* ---- links --------------------------------------------------------------------------------------- */

struct way {
    hid_t file; /* where it has come to */
    char *path; /* what is left to be opened there */
    bool owns_file;
};

/* `value` and what is left of the path behind the link that ended at `end`. */
static void go_on_with(struct way *way, const char *directory, size_t n_directory, const char *value,
                       const char *rest)
{
    size_t size = n_directory + strlen(value) + strlen(rest) + 3;
    char *path = mem_small(size, 1);

    text_format(path, size, "%.*s/%s%s%s", (int)n_directory, directory, value, *rest ? "/" : "", rest);
    free(way->path);
    way->path = path;
}

static int go_to_file(struct way *way, const char *link, const char *name, const char *object,
                      io_visit_file visit, void *context, struct error *err)
{
    hid_t id = H5I_INVALID_HID;
    char *path = NULL;
    int r = io_find_file(way->file, name, IO_PREFIX_LINK, &id, &path, err);

    if (r)
        return error_prefix(err, r, "'%s' is a link to '%s' of '%s'", link, object, name);
    if (visit)
        r = visit(context, path, err);
    free(path);
    if (way->owns_file)
        H5Fclose(way->file);
    way->file = id;
    way->owns_file = true;
    return r;
}

/* The first link on the way that is no plain one leads elsewhere. *ret_is_done: there is none. */
static int hop(struct way *way, io_visit_file visit, void *context, bool *ret_is_done, struct error *err)
{
    char *path = way->path, *value = NULL;
    size_t n = strlen(path), before = 0;
    int r = 0;

    *ret_is_done = false;
    for (size_t i = 0, end; i < n; i = end) {
        H5L_info_t info;
        const char *object = NULL, *name = NULL;

        i += strspn(path + i, "/");
        end = i + strcspn(path + i, "/");
        if (end == i || (end == i + 1 && path[i] == '.'))
            continue;
        char kept = path[end];
        path[end] = '\0';
        if (H5Lget_info(way->file, path, &info, H5P_DEFAULT) < 0)
            return error_set(err, POLYPHONY_INPUT, "'%s' is not there", path);
        if (info.type == H5L_TYPE_HARD) {
            path[end] = kept;
            before = end;
            continue;
        }
        value = info.u.val_size < LINK_VALUE_MAX ? mem_small(info.u.val_size + 1, 1) : NULL;
        if (!value || H5Lget_val(way->file, path, value, info.u.val_size + 1, H5P_DEFAULT) < 0)
            r = error_set(err, POLYPHONY_INPUT, "'%s' is a link that cannot be read", path);
        else if (info.type == H5L_TYPE_SOFT)
            go_on_with(way, path, *value == '/' ? 0 : before, value + (*value == '/'),
                       kept ? path + end + 1 : "");
        else if (info.type == H5L_TYPE_EXTERNAL &&
                 H5Lunpack_elink_val(value, info.u.val_size, NULL, &name, &object) >= 0) {
            r = go_to_file(way, path, name, object, visit, context, err);
            if (!r)
                go_on_with(way, "", 0, object + (*object == '/'), kept ? path + end + 1 : "");
        } else
            r = error_set(err, POLYPHONY_INPUT, "'%s' is a link of a kind that is not understood", path);
        free(value);
        return r;
    }
    *ret_is_done = true;
    return 0;
}

/* Behind a link into another file: which one. */
static int say_where(const struct way *way, int r, struct error *err)
{
    char name[PATH_MAX] = "";

    if (!r || !way->owns_file || H5Fget_name(way->file, name, sizeof(name)) <= 0)
        return r;
    return error_prefix(err, r, "'%s'", name);
}

int io_follow(hid_t file, const char *path, io_visit_file visit, void *context, hid_t *ret_dataset,
              struct error *err)
{
    struct way way = { .file = file, .path = mem_text(path) };
    bool is_done = false;
    int r = 0;

    for (int i = 0; !r && !is_done; i++)
        r = i > N_HOP_MAX ? error_set(err, POLYPHONY_INPUT,
                                      "more than %d links lead on from one another (in a circle?)", N_HOP_MAX)
                          : hop(&way, visit, context, &is_done, err);
    if (!r) {
        hid_t id = H5Oopen(way.file, way.path, H5P_DEFAULT);

        if (id >= 0 && H5Iget_type(id) == H5I_DATASET)
            *ret_dataset = id;
        else
            r = error_set(err, POLYPHONY_INPUT,
                          id < 0 ? "'%s' cannot be opened (damaged file?)"
                                 : "'%s' is no dataset but a group, or a type",
                          way.path);
        if (r && id >= 0)
            H5Oclose(id);
    }
    r = say_where(&way, r, err);
    if (way.owns_file)
        H5Fclose(way.file);
    free(way.path);
    return r;
}
