/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tables kept from galaxy to galaxy, in a list with the last used first. One lock is for the list; each entry
 * has its own, which is held while its tables are made and filled. Rows are filled while other threads read
 * rows of the same table: those of cells that were filled before.
 */
#include "photometry.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* What tables depend on; compared as bytes. */
struct key {
    const struct emission_program *program; /* with its dust curves */
    size_t i_set;
    double redshift;
    double parameter[PARAMETER_MAX]; /* of the whole galaxy, where it is used; otherwise 0 */
    double tau[EMISSION_CHANNEL_MAX];
};

struct entry {
    struct entry *next;
    struct key key;
    size_t n_taken;
    const struct observe_tables *made; /* NULL: not yet */
    uint64_t bytes;
    omp_lock_t lock; /* of what follows */
    struct observe_tables *tables;
    struct arena arena;
};

struct observe_cache {
    uint64_t max_bytes;
    struct entry *first;
    omp_lock_t lock;
};

int observe_cache_open(uint64_t max_bytes, struct observe_cache **ret_cache, struct error *err)
{
    struct observe_cache *cache = mem_array(1, sizeof(*cache));

    if (!cache)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for tables of bands");
    cache->max_bytes = max_bytes;
    omp_init_lock(&cache->lock);
    *ret_cache = cache;
    return 0;
}

/* Take the entry that *at points to out of the list. */
static struct entry *unlink_entry(struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    return entry;
}

static void free_entry(struct entry *entry)
{
    if (!entry)
        return;
    omp_destroy_lock(&entry->lock);
    arena_free(&entry->arena);
    free(entry);
}

void observe_cache_close(struct observe_cache *cache)
{
    if (!cache)
        return;
    while (cache->first)
        free_entry(unlink_entry(&cache->first));
    omp_destroy_lock(&cache->lock);
    free(cache);
}

static uint64_t bytes_of(const struct observe_cache *cache)
{
    uint64_t bytes = 0;

    for (const struct entry *entry = cache->first; entry; entry = entry->next)
        bytes += entry->bytes;
    return bytes;
}

uint64_t observe_cache_bytes(struct observe_cache *cache)
{
    uint64_t bytes;

    omp_set_lock(&cache->lock);
    bytes = bytes_of(cache);
    omp_unset_lock(&cache->lock);
    return bytes;
}

/* Forget those that no galaxy needs, the longest unused first, until the others fit; the last one of them, to
 * be used again or freed, or NULL. */
static struct entry *make_room(struct observe_cache *cache, uint64_t max_bytes)
{
    uint64_t bytes = bytes_of(cache);
    struct entry *spare = NULL;

    while (bytes > max_bytes) {
        struct entry **oldest = NULL;

        for (struct entry **at = &cache->first; *at; at = &(*at)->next)
            if ((*at)->n_taken == 0)
                oldest = at;
        if (!oldest)
            break;
        bytes -= (*oldest)->bytes;
        free_entry(spare);
        spare = unlink_entry(oldest);
    }
    return spare;
}

void observe_cache_trim(struct observe_cache *cache)
{
    omp_set_lock(&cache->lock);
    free_entry(make_room(cache, 0));
    omp_unset_lock(&cache->lock);
}

static struct key key_of(size_t i_set, double redshift, const struct stellar_light *light)
{
    const struct emission_program *program = light->program;
    struct key key;

    memset(&key, 0, sizeof(key));
    key.program = program;
    key.i_set = i_set;
    key.redshift = redshift;
    for (size_t l = 0; l < program->n_label; l++)
        for (size_t t = 0; t < program->label[l].n_term; t++) {
            const struct emission_factors *galaxy = &program->label[l].term[t].galaxy;

            for (size_t f = 0; f < galaxy->n; f++)
                key.parameter[galaxy->factor[f].i_parameter] =
                    light->parameter[galaxy->factor[f].i_parameter].value;
        }
    for (size_t c = 0; c < program->n_channel; c++)
        if (program->channel[c].is_attenuated)
            key.tau[c] = observe_tables_tau(light->tau_max[c]);
    return key;
}

/* The entry of a key, brought to the front; NULL if there is none. */
static struct entry *find(struct observe_cache *cache, const struct key *key)
{
    for (struct entry **at = &cache->first; *at; at = &(*at)->next) {
        struct entry *entry = *at;

        if (memcmp(&entry->key, key, sizeof(*key)) != 0)
            continue;
        *at = entry->next;
        entry->next = cache->first;
        cache->first = entry;
        return entry;
    }
    return NULL;
}

/* An entry without tables: a forgotten one with its memory, if there is no room for another. */
static struct entry *new_entry(struct observe_cache *cache)
{
    struct entry *entry = make_room(cache, cache->max_bytes);

    if (entry) {
        entry->made = entry->tables = NULL;
        entry->bytes = 0;
        return entry;
    }
    entry = mem_array(1, sizeof(*entry));
    if (entry)
        omp_init_lock(&entry->lock);
    return entry;
}

/* The entry of a key, taken; a new one if there is none. NULL without memory. */
static struct entry *take_entry(struct observe_cache *cache, const struct key *key)
{
    struct entry *entry = find(cache, key);

    if (!entry) {
        entry = new_entry(cache);
        if (!entry)
            return NULL;
        entry->key = *key;
        entry->next = cache->first;
        cache->first = entry;
    }
    entry->n_taken++;
    return entry;
}

int observe_cache_take(struct observe_cache *cache, size_t i_set, double redshift,
                       const struct stellar_light *light, const struct observe_columns *columns,
                       size_t n_request, const struct observe_request *request,
                       const struct observe_tables **ret_tables, struct error *err)
{
    const struct key key = key_of(i_set, redshift, light);
    struct entry *entry;
    uint64_t bytes;
    int r = 0;

    omp_set_lock(&cache->lock);
    entry = take_entry(cache, &key);
    omp_unset_lock(&cache->lock);
    if (!entry)
        return error_set(err, POLYPHONY_INTERNAL, "no memory for tables of bands");
    omp_set_lock(&entry->lock);
    if (!entry->tables) {
        arena_reset(&entry->arena); /* of one that failed, or was forgotten */
        r = observe_tables_make(light, columns, n_request, request, &entry->tables, &entry->arena, err);
    }
    if (!r)
        observe_tables_fill(entry->tables, light);
    bytes = entry->arena.used_bytes;
    *ret_tables = entry->tables;
    omp_unset_lock(&entry->lock);
    omp_set_lock(&cache->lock);
    if (!r) { /* else another thread may have made them meanwhile */
        entry->bytes = bytes;
        entry->made = *ret_tables;
    }
    entry->n_taken -= r != 0;
    omp_unset_lock(&cache->lock);
    return r;
}

void observe_cache_return(struct observe_cache *cache, const struct observe_tables *tables)
{
    if (!tables)
        return;
    omp_set_lock(&cache->lock);
    for (struct entry *entry = cache->first; entry; entry = entry->next)
        if (entry->made == tables)
            entry->n_taken--;
    omp_unset_lock(&cache->lock);
}
