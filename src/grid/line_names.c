/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people call lines, to the ids of a grid (Cloudy's, "O 3 5006.84A"): Halpha, [OIII]5007, CIV1549,
 * 158um. Wavelengths of the names are vacuum ones, of the NIST Atomic Spectra Database, rounded to 0.01
 * angstrom.
 */
#include "grid_private.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct known_line {
    const char *name; /* lower case, without blanks and brackets */
    const char *ion;
    double lambda_vacuum_angstrom;
};

/* Lines with names of their own, and of each ion the one that is meant where no wavelength is given. */
static const struct known_line known_lines[] = {
    { "lyalpha", "H 1", 1215.67 },
    { "lya", "H 1", 1215.67 },
    { "lymanalpha", "H 1", 1215.67 },
    { "lybeta", "H 1", 1025.72 },
    { "lyb", "H 1", 1025.72 },
    { "lymanbeta", "H 1", 1025.72 },
    { "halpha", "H 1", 6564.61 },
    { "ha", "H 1", 6564.61 },
    { "balmeralpha", "H 1", 6564.61 },
    { "hbeta", "H 1", 4862.68 },
    { "hb", "H 1", 4862.68 },
    { "balmerbeta", "H 1", 4862.68 },
    { "hgamma", "H 1", 4341.68 },
    { "hg", "H 1", 4341.68 },
    { "hdelta", "H 1", 4102.89 },
    { "hd", "H 1", 4102.89 },
    { "hepsilon", "H 1", 3971.20 },
    { "paalpha", "H 1", 18756.10 },
    { "paschenalpha", "H 1", 18756.10 },
    { "paa", "H 1", 18756.10 },
    { "pabeta", "H 1", 12821.60 },
    { "paschenbeta", "H 1", 12821.60 },
    { "pab", "H 1", 12821.60 },
    { "pagamma", "H 1", 10941.10 },
    { "padelta", "H 1", 10052.10 },
    { "bralpha", "H 1", 40522.60 },
    { "brackettalpha", "H 1", 40522.60 },
    { "brbeta", "H 1", 26258.70 },
    { "brgamma", "H 1", 21661.20 },
    { "brackettgamma", "H 1", 21661.20 },
    { "hei", "He 1", 5877.25 },
    { "heii", "He 2", 1640.42 },
    { "cii", "C 2", 1577409.0 },
    { "ciii", "C 3", 1908.73 },
    { "civ", "C 4", 1548.19 },
    { "nii", "N 2", 6585.27 },
    { "niii", "N 3", 1749.67 },
    { "niv", "N 4", 1486.50 },
    { "nv", "N 5", 1238.82 },
    { "oi", "O 1", 6302.05 },
    { "oii", "O 2", 3727.09 },
    { "oiii", "O 3", 5008.24 },
    { "neiii", "Ne 3", 3869.86 },
    { "neiv", "Ne 4", 2422.51 },
    { "nev", "Ne 5", 3426.85 },
    { "mgii", "Mg 2", 2796.35 },
    { "siiv", "Si 4", 1393.76 },
    { "sii", "S 2", 6718.29 },
    { "siii", "S 3", 9533.20 },
    { "ariii", "Ar 3", 7137.77 },
    { "feii", "Fe 2", 12570.2 },
};

#define N_KNOWN (sizeof(known_lines) / sizeof(*known_lines))

double grid_air_wavelength(double vacuum_angstrom)
{
    double l2 = vacuum_angstrom * vacuum_angstrom;

    /* Morton 1991 (ApJS 77, 119), as the IAU has it; ultraviolet lines are named by their vacuum wavelength. */
    return vacuum_angstrom < 2000.0
               ? vacuum_angstrom
               : vacuum_angstrom / (1.0 + 2.735182e-4 + 131.4182 / l2 + 2.76249e8 / (l2 * l2));
}

/* ---- reading a name ---------------------------------------------------------------------------- */

/* Lower case without blanks, brackets and lambdas; Greek letters as words. */
static void simplify(const char *word, char *ret_text, size_t size)
{
    static const char *const greek[][2] = { { "\u03b1", "alpha" },   { "\u03b2", "beta" },
                                            { "\u03b3", "gamma" },   { "\u03b4", "delta" },
                                            { "\u03b5", "epsilon" }, { "\u03bb", "" },
                                            { "\u00b5", "u" },       { "\u03bc", "u" },
                                            { "\u00c5", "a" } };
    size_t n = 0;

    while (*word && n + 8 < size) {
        size_t i = 0;

        while (i < 9 && strncmp(word, greek[i][0], 2))
            i++;
        if (i < 9) {
            memcpy(ret_text + n, greek[i][1], strlen(greek[i][1]));
            n += strlen(greek[i][1]);
            word += 2;
            continue;
        }
        if (isalnum((unsigned char)*word) || *word == '.')
            ret_text[n++] = (char)tolower((unsigned char)*word);
        word++;
    }
    ret_text[n] = '\0';
}

/* "i" to "x" to 1 to 10; 0 otherwise. */
static int roman(const char *text, size_t n)
{
    static const char *const numerals[] = { "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x" };

    for (int i = 0; i < 10; i++)
        if (strlen(numerals[i]) == n && !strncmp(text, numerals[i], n))
            return i + 1;
    return 0;
}

/* "oiii" or "o3" to "O 3", at the beginning of a text; its length there, or 0. */
static size_t read_ion(const char *text, char *ret_ion, size_t size)
{
    static const char *const elements[] = { "he", "ne", "na", "mg", "al", "si", "cl", "ar",
                                            "ca", "fe", "h",  "c",  "n",  "o",  "s" };
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");

    for (size_t i = 0; i < sizeof(elements) / sizeof(*elements); i++) {
        size_t n_element = strlen(elements[i]);
        bool has_digit = n == n_element && text[n] >= '1' && text[n] <= '9';
        int charge = n > n_element ? roman(text + n_element, n - n_element) : 0;

        if (strncmp(text, elements[i], n_element) || n < n_element || (!charge && !has_digit))
            continue;
        text_format(ret_ion, size, "%c%s %d", toupper((unsigned char)elements[i][0]), elements[i] + 1,
                    charge ? charge : text[n] - '0');
        return charge ? n : n + 1;
    }
    return 0;
}

/* "5007", "5006.84a", "158um", "88.3m" to angstrom; 0 where it is none of them. */
static double read_wavelength(const char *text)
{
    char *end = NULL;
    double value = isdigit((unsigned char)*text) ? strtod(text, &end) : 0.0;

    if (!(value > 0) || !isfinite(value))
        return 0.0;
    if (!strcmp(end, "um") || !strcmp(end, "micron") || !strcmp(end, "m"))
        return value * 1e4;
    if (*end && strcmp(end, "a") && strcmp(end, "aa") && strcmp(end, "angstrom"))
        return 0.0;
    return !*end && value < 300.0 ? value * 1e4 : value; /* "[CII]158" is in micron */
}

static bool is_ion(const char *text)
{
    char ion[8];
    size_t n = read_ion(text, ion, sizeof(ion));

    return n && !text[n];
}

static void mean(const struct known_line *line, struct line_meant *meant)
{
    text_format(meant->ion, sizeof(meant->ion), "%s", line->ion);
    meant->lambda_angstrom = line->lambda_vacuum_angstrom;
}

/* "halpha", "oiii" */
static bool read_known(const char *text, struct line_meant *meant)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (!strcmp(text, known_lines[i].name)) {
            mean(&known_lines[i], meant);
            meant->is_any_of_ion = is_ion(text);
            meant->is_known = !meant->is_any_of_ion;
            return true;
        }
    return false;
}

/* "oiii5007", "ha6563". Of "sii" both silicon and sulphur can be read: the one with a line of its own is
 * meant. */
static bool read_known_with_wavelength(const char *text, struct line_meant *meant)
{
    for (size_t i = 0; i < N_KNOWN; i++) {
        size_t n = strlen(known_lines[i].name);
        double lambda = strncmp(text, known_lines[i].name, n) ? 0.0 : read_wavelength(text + n);

        if (!(lambda > 0))
            continue;
        mean(&known_lines[i], meant);
        meant->lambda_angstrom = lambda;
        return true;
    }
    return false;
}

bool grid_read_line_name(const char *word, struct line_meant *ret_meant)
{
    char text[64];
    size_t n;

    simplify(word, text, sizeof(text));
    *ret_meant = (struct line_meant) { 0 };
    if (read_known(text, ret_meant) || read_known_with_wavelength(text, ret_meant))
        return true;
    n = read_ion(text, ret_meant->ion, sizeof(ret_meant->ion));
    ret_meant->lambda_angstrom = read_wavelength(text + n);
    ret_meant->is_any_of_ion = n && !text[n];
    for (size_t i = 0; ret_meant->is_any_of_ion && i < N_KNOWN; i++)
        if (is_ion(known_lines[i].name) && !strcmp(known_lines[i].ion, ret_meant->ion))
            ret_meant->lambda_angstrom = known_lines[i].lambda_vacuum_angstrom;
    return ret_meant->lambda_angstrom > 0 || ret_meant->is_any_of_ion;
}

/* ---- finding it in a grid ---------------------------------------------------------------------- */

static bool is_of_ion(const char *id, const char *ion)
{
    size_t n = strlen(ion);

    return n && !strncasecmp(id, ion, n) && !isdigit((unsigned char)id[n]);
}

/* How far a line is from what is meant: relative in wavelength; another ion's is further. */
static double distance(const struct grid *grid, size_t i, const struct line_meant *meant)
{
    double far = fabs(log(grid->line_lambda_rest_angstrom[i] / meant->lambda_angstrom));

    if (!*meant->ion || is_of_ion(grid->line_id[i], meant->ion))
        return far;
    return far + (meant->is_any_of_ion ? 100.0 : 0.01);
}

static size_t add_nearest(const struct grid *grid, const struct line_meant *meant, size_t n_max,
                          size_t *ret_line)
{
    size_t n = 0, n_of_ion = 0;

    for (size_t i = 0; i < grid->n_line; i++) {
        double far = distance(grid, i, meant);
        size_t at = n;

        for (; at > 0 && distance(grid, ret_line[at - 1], meant) > far; at--)
            if (at < n_max)
                ret_line[at] = ret_line[at - 1];
        if (at < n_max)
            ret_line[at] = i;
        n += n < n_max;
        n_of_ion += is_of_ion(grid->line_id[i], meant->ion);
    }
    /* Where an ion was named, and has lines, no others are meant. */
    return meant->is_any_of_ion && n_of_ion && n_of_ion < n ? n_of_ion : n;
}

static size_t add_nearest_spelling(const struct grid *grid, const char *word, size_t *ret_line)
{
    const char *nearest = NULL;

    for (size_t i = 0; i < grid->n_line; i++) {
        const char *pair[] = { nearest ? nearest : grid->line_id[i], grid->line_id[i] };
        const char *nearer = text_nearest(word, pair, 2);

        if (nearer && nearer != nearest)
            *ret_line = i;
        nearest = nearer ? nearer : nearest;
    }
    return nearest ? 1 : 0;
}

size_t grid_find_lines(const struct grid *grid, const char *word, size_t n_max, size_t *ret_line)
{
    struct line_meant meant;
    char wanted[GRID_NAME_MAX], id[GRID_NAME_MAX];
    size_t n = 0;

    simplify(word, wanted, sizeof(wanted));
    for (size_t i = 0; i < grid->n_line && n < n_max; i++)
        if (!strcmp(grid->line_id[i], word))
            ret_line[n++] = i;
    if (n)
        return n;
    if (grid_read_line_name(word, &meant) && meant.lambda_angstrom > 0)
        return add_nearest(grid, &meant, n_max, ret_line);
    for (size_t i = 0; i < grid->n_line && n < n_max; i++) {
        simplify(grid->line_id[i], id, sizeof(id));
        if (is_of_ion(grid->line_id[i], meant.ion) || (*wanted && strstr(id, wanted)))
            ret_line[n++] = i;
    }
    return n || n_max == 0 ? n : add_nearest_spelling(grid, word, ret_line);
}
