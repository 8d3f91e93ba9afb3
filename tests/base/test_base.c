/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors, memory, hashes, words. Nothing here computes: all comparisons are exact. */
#include "polyphony/base.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../files.h"

/* ---- errors ------------------------------------------------------------------------------------ */

static void a_failure_keeps_its_code_and_text(void **state)
{
    struct error err = { "old" };

    (void)state;
    assert_int_equal(error_set(&err, POLYPHONY_INPUT, "grid '%s': index %d", "g.hdf5", 7), POLYPHONY_INPUT);
    assert_string_equal(err.text, "grid 'g.hdf5': index 7");
    assert_int_equal(error_set(NULL, POLYPHONY_OUTPUT, "nobody listens"), POLYPHONY_OUTPUT);
}

static void a_warning_is_kept_once_and_the_last_ones_are_left_out(void **state)
{
    struct warnings warnings = { 0 }, all = { 0 };

    (void)state;
    warnings_add(NULL, "nobody listens");
    for (int i = 0; i < 2 * (WARNINGS_MAX + 3); i++)
        warnings_add(&warnings, "star %d is %s", i / 2, "dark");
    assert_int_equal(warnings.n, WARNINGS_MAX);
    assert_string_equal(warnings.text[1], "star 1 is dark");
    warnings_add(&all, "star 1 is dark");
    warnings_gather(&all, &warnings);
    assert_int_equal(all.n, WARNINGS_MAX);
    assert_string_equal(all.text[1], "star 0 is dark");
    assert_string_equal(all.text[2], "star 2 is dark");
}

static void context_goes_before_what_was_said(void **state)
{
    struct error err = { "value is -1" };

    (void)state;
    assert_int_equal(error_prefix(&err, POLYPHONY_INPUT, "'%s'", "a"), POLYPHONY_INPUT);
    assert_string_equal(err.text, "'a': value is -1");
    assert_int_equal(error_prefix(NULL, POLYPHONY_USAGE, "nobody listens"), POLYPHONY_USAGE);
}

static void long_texts_are_cut_inside_the_buffer(void **state)
{
    struct {
        struct error err;
        char guard[16];
    } box = { .guard = "untouched" };
    char x[3000];

    (void)state;
    memset(x, 'x', sizeof(x));
    x[sizeof(x) - 1] = '\0';
    error_set(&box.err, -1, "begin %s", x);
    assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
    assert_memory_equal(box.err.text, "begin x", 7);
    error_prefix(&box.err, -1, "short");
    assert_true(strlen(box.err.text) < sizeof(box.err.text));
    assert_memory_equal(box.err.text, "short: begin x", 14);
    /* every length of context around the end of the buffer */
    for (int n = (int)sizeof(box.err.text) - 6; n < (int)sizeof(box.err.text) + 6; n++) {
        error_set(&box.err, -1, "tail");
        error_prefix(&box.err, -1, "%.*s", n, x);
        assert_true(strlen(box.err.text) < sizeof(box.err.text));
        assert_int_equal(box.err.text[0], 'x');
    }
    assert_string_equal(box.guard, "untouched");
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* The address sanitizer ends programs that ask for too much; here asking is the test. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void arrays_are_zeroed_and_refuse_sizes_that_overflow(void **state)
{
    unsigned char *array = mem_array(100, 3);
    void *empty = mem_array(0, 8);
    volatile size_t huge = SIZE_MAX / 2;
    char *copy = mem_text("word");

    (void)state;
    assert_non_null(array);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(array[i], 0);
    assert_non_null(empty);
    assert_null(mem_array(huge, 4));
    assert_string_equal(copy, "word");
    free(array);
    free(empty);
    free(copy);
}

static void without_a_small_block_the_program_ends(void **state)
{
    volatile size_t huge = SIZE_MAX / 2;
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        fclose(stderr);
        free(mem_small(huge, 4));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), -POLYPHONY_INTERNAL);
}

static void a_list_that_grows_keeps_what_it_has(void **state)
{
    size_t n_room = 0, *list = NULL;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        list = mem_grow(list, i, &n_room, sizeof(*list));
        assert_true(n_room > i);
        list[i] = i;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(list[i], i);
    assert_in_range(n_room, 1000, 2000);
    free(list);
}

static void pieces_of_an_arena_are_aligned_and_apart(void **state)
{
    struct arena arena = { 0 };
    unsigned char *piece[40];

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        piece[i] = arena_array(&arena, i * 37, 1);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 64, 0);
        memset(piece[i], (int)i, i * 37);
    }
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < i * 37; j++)
            assert_int_equal(piece[i][j], i);
    assert_true(arena.used_bytes >= 37 * 39 * 40 / 2);
    arena_free(&arena);
    assert_null(arena.blocks);
}

static void zeros_are_zero_also_in_used_memory(void **state)
{
    struct arena arena = { 0 };
    unsigned char *piece = arena_array(&arena, 1000, 1);

    (void)state;
    memset(piece, 255, 1000);
    arena_reset(&arena);
    piece = arena_zeros(&arena, 1000, 1);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(piece[i], 0);
    arena_free(&arena);
}

static void a_size_that_overflows_gives_no_piece(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    assert_null(arena_array(&arena, SIZE_MAX, 2));
    assert_null(arena_array(&arena, SIZE_MAX, 1));
    assert_null(arena_zeros(&arena, SIZE_MAX / 8 + 1, 8));
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_array(&arena, 1, 1)); /* still usable */
    arena_free(&arena);
}

static void release_takes_back_what_came_after_the_mark(void **state)
{
    struct arena arena = { 0 };
    double *kept = arena_array(&arena, 10, sizeof(*kept)), *first, *again;
    struct arena_mark mark = arena_mark(&arena);
    size_t used = arena.used_bytes;

    (void)state;
    kept[9] = 3.5;
    first = arena_array(&arena, 10, sizeof(*first));
    first[0] = -1.0;
    arena_release(&arena, mark);
    assert_int_equal(arena.used_bytes, used);
    again = arena_array(&arena, 10, sizeof(*again));
    assert_ptr_equal(again, first);
    assert_true(kept[9] == 3.5);
    arena_free(&arena);
}

/* Releases across blocks: what was handed out before the mark stays as it is. */
static void release_over_new_blocks_keeps_what_came_before(void **state)
{
    struct arena arena = { 0 };
    const size_t n = 1 << 18; /* as much as a block, so that each piece needs a new one */
    unsigned char *kept = arena_array(&arena, n, 1), *inner;
    struct arena_mark outer_mark = arena_mark(&arena), inner_mark;

    (void)state;
    memset(kept, 1, n);
    for (int round = 0; round < 3; round++) {
        inner = arena_array(&arena, n, 1);
        memset(inner, 2, n);
        inner_mark = arena_mark(&arena);
        memset(arena_array(&arena, 2 * n, 1), 3, 2 * n);
        memset(arena_array(&arena, 3 * n, 1), 4, 3 * n);
        arena_release(&arena, inner_mark);
        memset(arena_array(&arena, n, 1), 5, n);
        for (size_t i = 0; i < n; i++)
            assert_true(inner[i] == 2 && kept[i] == 1);
        arena_release(&arena, outer_mark);
    }
    memset(arena_array(&arena, n, 1), 6, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(kept[i], 1);
    arena_free(&arena);
}

/* What was taken once finds room again: not a block more, however often. */
static void releases_hold_no_more_memory_than_was_taken_at_once(void **state)
{
    struct arena arena = { 0 };
    const size_t n = 1 << 18;
    size_t held = 0;

    (void)state;
    assert_non_null(arena_array(&arena, n, 1));
    for (int round = 0; round < 50; round++) {
        struct arena_mark mark = arena_mark(&arena);

        for (size_t i = 1; i <= 4; i++)
            assert_non_null(arena_array(&arena, i * n, 1));
        arena_release(&arena, mark);
        if (round == 1)
            held = arena.block_bytes;
    }
    assert_int_equal(arena.block_bytes, held);
    assert_true(held < 11 * n + n / 8);
    arena_free(&arena);
    assert_int_equal(arena.block_bytes, 0);
}

static void mark_of_an_empty_arena_can_be_released(void **state)
{
    struct arena arena = { 0 };
    struct arena_mark mark = arena_mark(&arena);

    (void)state;
    arena_release(&arena, mark);
    assert_non_null(arena_array(&arena, 100, 1));
    arena_release(&arena, mark);
    assert_int_equal(arena.used_bytes, 0);
    assert_non_null(arena_array(&arena, 100, 1));
    arena_free(&arena);
}

/* The pattern of one galaxy: kept pieces, a stage with scratch of its own, more kept pieces. */
static void use_like_a_galaxy(struct arena *arena, size_t scale)
{
    struct arena_mark mark;

    for (size_t i = 0; i < 10; i++) {
        assert_non_null(arena_array(arena, scale * (i + 1), 8));
        mark = arena_mark(arena);
        assert_non_null(arena_array(arena, scale * 7, 8));
        arena_release(arena, mark);
    }
}

static void reset_merges_blocks_so_that_later_galaxies_allocate_nothing(void **state)
{
    struct arena arena = { 0 };
    struct arena_block *block;
    size_t before;

    (void)state;
    use_like_a_galaxy(&arena, 5000); /* the largest comes first: several blocks */
    arena_reset(&arena);
    assert_int_equal(arena.used_bytes, 0);
    block = arena.blocks;
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (size_t scale = 5000; scale > 100; scale -= 700) {
        use_like_a_galaxy(&arena, scale);
        assert_ptr_equal(arena.blocks, block); /* a new block would be the first of the list */
        arena_reset(&arena);
        assert_ptr_equal(arena.blocks, block);
    }
    assert_int_equal(mallinfo2().uordblks + mallinfo2().hblkhd, before);
    arena_free(&arena);
}

/* ---- hashes ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const void *bytes, size_t n, long offset)
{
    FILE *file = fopen(path, offset ? "r+b" : "wb");

    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static uint64_t hash_of(const char *path)
{
    struct error err = { "" };
    uint64_t hash = 0;

    EXPECT_OK(hash_file(path, &hash, &err), err);
    return hash;
}

static void pieces_hash_like_the_whole(void **state)
{
    struct hash hash;

    (void)state;
    /* XXH3_64bits of nothing with seed 0, from the sanity checks of the xxHash repository */
    assert_true(hash_bytes("", 0) == UINT64_C(0x2D06800538D394C2));
    hash_begin(&hash);
    hash_add(&hash, "poly", 4);
    hash_add(&hash, "phony", 5);
    assert_true(hash_value(&hash) == hash_bytes("polyphony", 9));
    hash_begin(&hash);
    hash_add(&hash, "x", 1);
    assert_true(hash_value(&hash) == hash_bytes("x", 1));
}

static void every_byte_of_a_small_file_counts(void **state)
{
    const char *path = temp_path("small");
    char bytes[200000];
    uint64_t before;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    write_file(path, bytes, sizeof(bytes), 0);
    before = hash_of(path);
    assert_true(hash_of(path) == before);
    write_file(path, "b", 1, 123456);
    assert_true(hash_of(path) != before);
    write_file(path, "a", 1, 123456);
    assert_true(hash_of(path) == before);
    write_file(path, bytes, sizeof(bytes) - 1, 0);
    assert_true(hash_of(path) != before);
    write_file(path, bytes, 0, 0);
    assert_true(hash_of(path) != before);
}

static void a_large_file_is_sampled_at_both_ends_and_between(void **state)
{
    const char *path = temp_path("large");
    const long mebibyte = 1 << 20, size = 300 * mebibyte + 12345; /* sparse: costs no disk */
    const long changed[] = { 1,       mebibyte - 1, size / 257 + 5, 128 * (size / 257) + 100, size - mebibyte,
                             size - 1 };
    uint64_t before;
    int64_t begin;

    (void)state;
    write_file(path, "", 0, 0);
    assert_int_equal(truncate(path, size), 0);
    begin = clock_ns();
    before = hash_of(path);
    /* 18 MiB are read of 300: a second is far more than that takes, and far less than 10 GB would. */
    assert_true(clock_ns() - begin < 1000000000);
    for (size_t i = 0; i < sizeof(changed) / sizeof(*changed); i++) {
        write_file(path, "z", 1, changed[i]);
        assert_true(hash_of(path) != before);
        write_file(path, "", 1, changed[i]);
        assert_true(hash_of(path) == before);
    }
    assert_int_equal(truncate(path, size + 1), 0);
    assert_true(hash_of(path) != before);
    unlink(path);
}

static void a_file_that_cannot_be_hashed_is_named(void **state)
{
    struct error err = { "" };
    uint64_t hash = 77;

    (void)state;
    assert_int_equal(hash_file("/nowhere/x", &hash, &err), POLYPHONY_INPUT);
    EXPECT_PARTS(err.text, "/nowhere/x", "No such file");
    assert_int_equal(hash_file("/tmp", &hash, &err),
                     POLYPHONY_INPUT); /* a directory opens, but does not read */
    EXPECT_PARTS(err.text, "/tmp");
    assert_int_equal(hash, 77);
}

/* ---- clocks and words -------------------------------------------------------------------------- */

static void clocks_and_memory_go_the_right_way(void **state)
{
    int64_t begin = clock_ns();

    (void)state;
    usleep(2000);
    assert_true(clock_ns() - begin >= 2000000);
    assert_true(memory_peak_rss_bytes() > 100000); /* no program with a C library is smaller */
}

static void the_nearest_word_is_one_that_could_be_meant(void **state)
{
    static const char *const names[] = { "pacman", "incident", "intrinsic", "transmitted" };
    char endless[1000];

    (void)state;
    assert_string_equal(text_nearest("pacmam", names, 4), "pacman");
    assert_string_equal(text_nearest("incidnet", names, 4), "incident");
    assert_string_equal(text_nearest("transmited", names, 4), "transmitted");
    assert_string_equal(text_nearest("intrinsic", names, 4), "intrinsic");
    assert_null(text_nearest("qqqqqqqqqqqqqqqqqq", names, 4));
    assert_null(text_nearest("pacman", names, 0));
    memset(endless, 'p', sizeof(endless));
    endless[sizeof(endless) - 1] = '\0';
    assert_null(text_nearest(endless, names, 4));
}

static void formatting_says_whether_it_fits(void **state)
{
    char text[6];

    (void)state;
    assert_true(text_format(text, sizeof(text), "%d", 12345));
    assert_string_equal(text, "12345");
    assert_false(text_format(text, sizeof(text), "%d", 123456));
    assert_string_equal(text, "12345");
}

static void only_whole_finite_numbers_are_numbers(void **state)
{
    static const char *const good[] = { "1", "-2.5", "1e3", ".5", "+7" };
    static const double value[] = { 1, -2.5, 1000, 0.5, 7 };
    static const char *const bad[] = {
        "1x", "inf", "", "nan", "1e999", "-", "e5", "1 ", "1,5", "los", "-inf"
    };
    double number;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_true(text_to_double(good[i], &number));
        assert_true(number == value[i]);
    }
    number = 4;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (text_to_double(bad[i], &number))
            fail_msg("'%s' was taken for the number %g", bad[i], number);
    assert_true(number == 4); /* untouched */
}

static void only_integers_that_fit_are_integers(void **state)
{
    static const char *const bad[] = { "",   "1.5", "9223372036854775808", "-9223372036854775809", "0x",
                                       "7a", "1e3" };
    int64_t number = 4;

    (void)state;
    assert_true(text_to_int64("9223372036854775807", &number));
    assert_true(number == INT64_MAX);
    assert_true(text_to_int64("-9223372036854775808", &number));
    assert_true(number == INT64_MIN);
    number = 4;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(text_to_int64(bad[i], &number));
    assert_int_equal(number, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_keeps_its_code_and_text),
        cmocka_unit_test(a_warning_is_kept_once_and_the_last_ones_are_left_out),
        cmocka_unit_test(context_goes_before_what_was_said),
        cmocka_unit_test(long_texts_are_cut_inside_the_buffer),
        cmocka_unit_test(arrays_are_zeroed_and_refuse_sizes_that_overflow),
        cmocka_unit_test(without_a_small_block_the_program_ends),
        cmocka_unit_test(a_list_that_grows_keeps_what_it_has),
        cmocka_unit_test(pieces_of_an_arena_are_aligned_and_apart),
        cmocka_unit_test(zeros_are_zero_also_in_used_memory),
        cmocka_unit_test(a_size_that_overflows_gives_no_piece),
        cmocka_unit_test(release_takes_back_what_came_after_the_mark),
        cmocka_unit_test(release_over_new_blocks_keeps_what_came_before),
        cmocka_unit_test(releases_hold_no_more_memory_than_was_taken_at_once),
        cmocka_unit_test(mark_of_an_empty_arena_can_be_released),
        cmocka_unit_test(reset_merges_blocks_so_that_later_galaxies_allocate_nothing),
        cmocka_unit_test(pieces_hash_like_the_whole),
        cmocka_unit_test(every_byte_of_a_small_file_counts),
        cmocka_unit_test(a_large_file_is_sampled_at_both_ends_and_between),
        cmocka_unit_test(a_file_that_cannot_be_hashed_is_named),
        cmocka_unit_test(clocks_and_memory_go_the_right_way),
        cmocka_unit_test(the_nearest_word_is_one_that_could_be_meant),
        cmocka_unit_test(formatting_says_whether_it_fits),
        cmocka_unit_test(only_whole_finite_numbers_are_numbers),
        cmocka_unit_test(only_integers_that_fit_are_integers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
