/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which reader a filter file needs is seen from its first bytes, not from its name. What cannot be a filter
 * file is refused before it is read: no device, no pipe, nothing huge.
 */
#include "polyphony/instrument.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "curve.h"

static const char *skip_blank(const struct curve_file *file)
{
    const char *text = file->bytes;

    if (!strncmp(text, "\xef\xbb\xbf", 3)) /* byte order mark of UTF-8 */
        text += 3;
    return text + strspn(text, " \t\r\n");
}

static bool begins_with(const struct curve_file *file, const char *bytes, size_t n)
{
    return file->n >= n && !memcmp(file->bytes, bytes, n);
}

static bool is_hdf5(const struct curve_file *file)
{
    return begins_with(file, "\x89HDF\r\n\x1a\n", 8);
}

static bool is_xml(const struct curve_file *file)
{
    return *skip_blank(file) == '<';
}

static bool is_any(const struct curve_file *file)
{
    (void)file;
    return true;
}

/* The first that fits reads the file. */
static const struct curve_format {
    bool (*fits)(const struct curve_file *file);
    int (*read)(const struct curve_file *file, struct curve_table *table, struct error *err);
    bool is_in_memory;
} formats[] = {
    { is_hdf5, curve_read_cache, false },
    { is_xml, curve_read_votable, true },
    { is_any, curve_read_columns, true },
};

/* Files that people have, and that hold a curve in a way that is not read, or none. */
static const struct {
    const char *bytes;
    size_t n;
    const char *what;
} strangers[] = {
    { "SIMPLE  =", 9, "a FITS file; save the curve as text" },
    { "\x1f\x8b", 2, "compressed by gzip; unpack it" },
    { "BZh", 3, "compressed by bzip2; unpack it" },
    { "\3757zXZ", 5, "compressed by xz; unpack it" },
    { "PK\x03\x04", 4, "a zip archive or a spreadsheet; save the curve as text" },
    { "%PDF-", 5, "a PDF document; a curve is needed as text" },
    { "\x89PNG", 4, "a picture; a curve is needed as text" },
    { "\xff\xd8\xff", 3, "a picture; a curve is needed as text" },
    { "\x93NUMPY", 6, "an array of numpy; save the curve as text" },
    { "\xff\xfe", 2, "text in UTF-16; save it as UTF-8" },
    { "\xfe\xff", 2, "text in UTF-16; save it as UTF-8" },
};

static int refuse_strangers(const struct curve_file *file, struct error *err)
{
    const char *text = skip_blank(file);

    for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++)
        if (begins_with(file, strangers[i].bytes, strangers[i].n))
            return error_set(err, POLYPHONY_INPUT, "filter '%s': '%s' is %s", file->code, file->path,
                             strangers[i].what);
    if (!strncasecmp(text, "<!doctype html", 14) || !strncasecmp(text, "<html", 5))
        return error_set(
            err, POLYPHONY_INPUT,
            "filter '%s': '%s' is a page of the web (HTML), not a filter curve; the download may have failed",
            file->code, file->path);
    return 0;
}

/* All of it, or what there is of `most` bytes. */
static int read_bytes(int fd, struct curve_file *file, size_t most, struct error *err)
{
    char *bytes = mem_sure(realloc(file->bytes, most + 1));

    file->bytes = bytes;
    file->n = 0;
    while (file->n < most) {
        ssize_t n = pread(fd, bytes + file->n, most - file->n, (off_t)file->n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(err, POLYPHONY_INPUT, "filter '%s': '%s': %s", file->code, file->path,
                             strerror(errno));
        if (n == 0)
            break;
        file->n += (size_t)n;
    }
    bytes[file->n] = '\0';
    return 0;
}

/* An open file whose size can be believed. O_NONBLOCK: opening a pipe that nobody writes to would wait. */
static int open_file(const struct curve_file *file, int *ret_fd, size_t *ret_size, struct error *err)
{
    struct stat st;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int why = 0;

    if (fd < 0 || fstat(fd, &st))
        why = errno;
    else if (S_ISDIR(st.st_mode))
        why = EISDIR;
    if (!why && S_ISREG(st.st_mode)) {
        *ret_fd = fd;
        *ret_size = (size_t)st.st_size;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    if (why)
        return error_set(err, POLYPHONY_INPUT, "filter '%s': '%s': %s", file->code, file->path,
                         strerror(why));
    return error_set(err, POLYPHONY_INPUT,
                     "filter '%s': '%s' is a device or a pipe, not a file; copy the curve to one", file->code,
                     file->path);
}

static int read_table(int fd, size_t size, struct curve_file *file, struct curve_table *table,
                      struct error *err)
{
    enum { HEAD = 4096 };
    const struct curve_format *format = formats;
    int r = read_bytes(fd, file, size < HEAD ? size : HEAD, err);

    if (!r)
        r = refuse_strangers(file, err);
    if (r)
        return r;
    while (!format->fits(file))
        format++;
    if (format->is_in_memory && size > CURVE_FILE_MAX)
        return error_set(err, POLYPHONY_INPUT,
                         "filter '%s': '%s' has %zu MiB; a filter curve has %zu at most", file->code,
                         file->path, size >> 20, CURVE_FILE_MAX >> 20);
    if (format->is_in_memory && size > HEAD)
        r = read_bytes(fd, file, size, err);
    return r ? r : format->read(file, table, err);
}

int filter_read(const char *path, const char *code, struct warnings *warnings, struct filter *ret_filter,
                struct error *err)
{
    struct curve_file file = { .path = path, .code = code };
    struct curve_table table = { .warnings = warnings, .place_word = "row" };
    size_t size = 0;
    int fd = -1, r;

    if (strlen(code) >= INSTRUMENT_NAME_MAX)
        return error_set(err, POLYPHONY_INPUT, "filter code '%.100s' is longer than %d bytes", code,
                         INSTRUMENT_NAME_MAX - 1);
    r = open_file(&file, &fd, &size, err);
    if (!r)
        r = read_table(fd, size, &file, &table, err);
    if (!r)
        r = curve_finish(&file, &table, ret_filter, err);
    curve_free(&table);
    free(file.bytes);
    if (fd >= 0)
        close(fd);
    return r;
}
