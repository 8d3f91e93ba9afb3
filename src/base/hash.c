/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
/* For the size of a state. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= sizeof(struct hash), "xxHash's state fits");

#define MEBIBYTE         ((off_t)1 << 20)
#define HASH_WHOLE_BYTES (64 * MEBIBYTE)
#define HASH_PIECE_BYTES ((off_t)1 << 16)
#define HASH_N_PIECE     256

void hash_begin(struct hash *hash)
{
    XXH3_64bits_reset((XXH3_state_t *)hash->state);
}

void hash_add(struct hash *hash, const void *bytes, size_t n)
{
    XXH3_64bits_update((XXH3_state_t *)hash->state, bytes, n);
}

uint64_t hash_value(const struct hash *hash)
{
    return XXH3_64bits_digest((const XXH3_state_t *)hash->state);
}

uint64_t hash_bytes(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

/* Add file bytes [begin, end) to the hash; false on a read error or an early end. */
static bool hash_add_range(struct hash *hash, FILE *file, off_t begin, off_t end, unsigned char *buffer)
{
    if (fseeko(file, begin, SEEK_SET))
        return false;
    while (begin < end) {
        size_t want = (size_t)(end - begin < HASH_PIECE_BYTES ? end - begin : HASH_PIECE_BYTES);

        if (fread(buffer, 1, want, file) != want)
            return false;
        hash_add(hash, buffer, want);
        begin += (off_t)want;
    }
    return true;
}

static bool hash_add_file(struct hash *hash, FILE *file, off_t size, unsigned char *buffer)
{
    bool ok = true;

    hash_add(hash, &size, sizeof(size));
    if (size <= HASH_WHOLE_BYTES)
        return hash_add_range(hash, file, 0, size, buffer);
    ok = hash_add_range(hash, file, 0, MEBIBYTE, buffer);
    for (off_t i = 1; ok && i <= HASH_N_PIECE; i++) {
        off_t begin = size / (HASH_N_PIECE + 1) * i;

        ok = hash_add_range(hash, file, begin, begin + HASH_PIECE_BYTES, buffer);
    }
    return ok && hash_add_range(hash, file, size - MEBIBYTE, size, buffer);
}

int hash_file(const char *path, uint64_t *ret_hash, struct error *err)
{
    struct hash hash;
    struct stat st;
    unsigned char *buffer = mem_small((size_t)HASH_PIECE_BYTES, 1);
    FILE *file = fopen(path, "rb");
    int r = 0;

    if (!file || fstat(fileno(file), &st)) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': %s", path, strerror(errno));
        goto out;
    }
    hash_begin(&hash);
    if (!hash_add_file(&hash, file, st.st_size, buffer)) {
        r = error_set(err, POLYPHONY_INPUT, "'%s': cannot be read to its end", path);
        goto out;
    }
    *ret_hash = hash_value(&hash);
out:
    free(buffer);
    if (file)
        fclose(file);
    return r;
}
