/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One cache line, and the widest vector register of x86-64. */
#define ARENA_ALIGN     ((size_t)64)
#define ARENA_BLOCK_MIN ((size_t)1 << 18)

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    /* The bytes follow at the next multiple of ARENA_ALIGN. */
};

#define ARENA_HEADER ((sizeof(struct arena_block) + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN)

void *mem_array(size_t n, size_t size)
{
    return calloc(n ? n : 1, size ? size : 1);
}

void *mem_touched(size_t n, size_t size)
{
    void *array = mem_array(n, size);

    /* mem_array() gives pages that are not there before they are written to. */
    if (array)
        memset(array, 0, n * size);
    return array;
}

/* _exit(): what is registered to run at the end, HDF5's part above all, would want memory too. */
void *mem_sure(void *block)
{
    if (block)
        return block;
    fputs("polyphony: out of memory\n", stderr);
    _exit(-POLYPHONY_INTERNAL);
}

void *mem_small(size_t n, size_t size)
{
    return mem_sure(mem_array(n, size));
}

char *mem_text(const char *text)
{
    return mem_sure(strdup(text));
}

void *mem_grow(void *list, size_t n, size_t *n_room, size_t size)
{
    if (n < *n_room)
        return list;
    *n_room = *n_room ? 2 * *n_room : 16;
    return mem_sure(reallocarray(list, *n_room, size));
}

int mem_short(struct error *err, const char *format, ...)
{
    char what[200];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return error_set(err, POLYPHONY_INTERNAL, "no memory %s", what);
}

static int arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = bytes > ARENA_BLOCK_MIN ? bytes : ARENA_BLOCK_MIN;
    struct arena_block *block = aligned_alloc(ARENA_ALIGN, ARENA_HEADER + size);

    if (!block)
        return -1;
    *block = (struct arena_block) { .next = arena->blocks, .size = size };
    arena->blocks = block;
    arena->block_bytes += size;
    return 0;
}

void *arena_array(struct arena *arena, size_t n, size_t size)
{
    size_t bytes;
    unsigned char *piece;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + ARENA_ALIGN) / ARENA_ALIGN * ARENA_ALIGN;
    if (!arena->blocks || arena->blocks->size - arena->blocks->used < bytes)
        if (arena_grow(arena, bytes))
            return NULL;
    piece = (unsigned char *)arena->blocks + ARENA_HEADER + arena->blocks->used;
    arena->blocks->used += bytes;
    arena->used_bytes += bytes;
    if (arena->used_bytes > arena->peak_bytes)
        arena->peak_bytes = arena->used_bytes;
    return piece;
}

void *arena_zeros(struct arena *arena, size_t n, size_t size)
{
    void *piece = arena_array(arena, n, size);

    if (piece)
        memset(piece, 0, n * size);
    return piece;
}

static void arena_drop_until(struct arena *arena, const struct arena_block *last)
{
    while (arena->blocks && arena->blocks != last) {
        struct arena_block *next = arena->blocks->next;

        arena->block_bytes -= arena->blocks->size;
        free(arena->blocks);
        arena->blocks = next;
    }
}

void arena_reset(struct arena *arena)
{
    arena->used_bytes = 0;
    if (arena->blocks && arena->blocks->next) {
        size_t peak = arena->peak_bytes;

        arena_drop_until(arena, NULL);
        /* Without memory for the merged block the next arena_array() tries again and reports. */
        (void)arena_grow(arena, peak);
    }
    if (arena->blocks)
        arena->blocks->used = 0;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark) { .block = arena->blocks,
                                 .block_used = arena->blocks ? arena->blocks->used : 0,
                                 .used_bytes = arena->used_bytes };
}

void arena_release(struct arena *arena, struct arena_mark mark)
{
    size_t n_newer = 0, newer_bytes = 0;

    /* Blocks newer than the mark become one, so that what was taken once finds room again: only the newest
     * block is looked into. Pointers from before the mark stay valid. */
    for (struct arena_block *block = arena->blocks; block && block != mark.block; block = block->next) {
        newer_bytes += block->size;
        n_newer++;
    }
    if (n_newer > 1) {
        arena_drop_until(arena, mark.block);
        (void)arena_grow(arena, newer_bytes); /* without memory the next arena_array() reports it */
    }
    if (arena->blocks == mark.block && arena->blocks)
        arena->blocks->used = mark.block_used;
    else if (arena->blocks)
        arena->blocks->used = 0;
    arena->used_bytes = mark.used_bytes;
}

void arena_free(struct arena *arena)
{
    arena_drop_until(arena, NULL);
    *arena = (struct arena) { 0 };
}
