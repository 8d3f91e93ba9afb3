/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/units.h"

#include <stdio.h>
#include <string.h>

/* With their article, for messages; in the order of the enum. */
static const char *const kind_names[] = {
    [UNITS_DIMENSIONLESS] = "a pure number",
    [UNITS_LENGTH] = "a length",
    [UNITS_MASS] = "a mass",
    [UNITS_TIME] = "a time",
    [UNITS_VELOCITY] = "a velocity",
    [UNITS_MASS_RATE] = "a mass per time",
    [UNITS_WAVELENGTH] = "a wavelength",
    [UNITS_FREQUENCY] = "a frequency",
    [UNITS_ENERGY_RATE] = "an energy per time",
    [UNITS_LNU] = "an energy per time and frequency",
    [UNITS_FLUX] = "an energy per time and area",
    [UNITS_FNU] = "a flux density",
    [UNITS_ANGLE] = "an angle",
};

struct unit {
    const char *name;
    enum units_kind kind;
    double factor; /* internal unit per unit */
};

/* The internal unit of a kind comes first: it is what a message should offer first. */
static const struct unit units[] = {
    { "dimensionless", UNITS_DIMENSIONLESS, 1 },

    { "kpc", UNITS_LENGTH, 1 },
    { "pc", UNITS_LENGTH, 1e-3 },
    { "Mpc", UNITS_LENGTH, 1e3 },
    { "Gpc", UNITS_LENGTH, 1e6 },
    { "cm", UNITS_LENGTH, 1 / UNITS_KPC_CM },
    { "m", UNITS_LENGTH, 1e2 / UNITS_KPC_CM },
    { "km", UNITS_LENGTH, 1e5 / UNITS_KPC_CM },

    { "Msun", UNITS_MASS, 1 },
    { "solMass", UNITS_MASS, 1 },
    { "g", UNITS_MASS, 1 / UNITS_MSUN_G },
    { "kg", UNITS_MASS, 1e3 / UNITS_MSUN_G },

    { "yr", UNITS_TIME, 1 },
    { "kyr", UNITS_TIME, 1e3 },
    { "Myr", UNITS_TIME, 1e6 },
    { "Gyr", UNITS_TIME, 1e9 },
    { "s", UNITS_TIME, 1 / UNITS_YEAR_S },

    { "km/s", UNITS_VELOCITY, 1 },
    { "m/s", UNITS_VELOCITY, 1e-3 },
    { "cm/s", UNITS_VELOCITY, 1e-5 },

    { "Msun/yr", UNITS_MASS_RATE, 1 },
    { "Msun/Myr", UNITS_MASS_RATE, 1e-6 },
    { "Msun/Gyr", UNITS_MASS_RATE, 1e-9 },
    { "g/s", UNITS_MASS_RATE, UNITS_YEAR_S / UNITS_MSUN_G },

    { "angstrom", UNITS_WAVELENGTH, 1 },
    { "Angstrom", UNITS_WAVELENGTH, 1 },
    { "AA", UNITS_WAVELENGTH, 1 },
    { "\u00c5", UNITS_WAVELENGTH, 1 }, /* the letter */
    { "\u212b", UNITS_WAVELENGTH, 1 }, /* the sign */
    { "nm", UNITS_WAVELENGTH, 1e1 },
    { "um", UNITS_WAVELENGTH, 1e4 },
    { "\u00b5m", UNITS_WAVELENGTH, 1e4 }, /* the micro sign */
    { "\u03bcm", UNITS_WAVELENGTH, 1e4 }, /* the Greek letter */
    { "micron", UNITS_WAVELENGTH, 1e4 },
    { "mm", UNITS_WAVELENGTH, 1e7 },
    { "cm", UNITS_WAVELENGTH, 1e8 },
    { "m", UNITS_WAVELENGTH, 1e10 },

    { "Hz", UNITS_FREQUENCY, 1 },
    { "GHz", UNITS_FREQUENCY, 1e9 },

    { "erg/s", UNITS_ENERGY_RATE, 1 },
    { "W", UNITS_ENERGY_RATE, 1e7 },
    { "Lsun", UNITS_ENERGY_RATE, UNITS_LSUN_ERG_S },

    { "erg/s/Hz", UNITS_LNU, 1 },
    { "erg/Hz/s", UNITS_LNU, 1 },
    { "erg/(Hz*s)", UNITS_LNU, 1 },
    { "erg/(s*Hz)", UNITS_LNU, 1 },
    { "W/Hz", UNITS_LNU, 1e7 },

    { "erg/s/cm**2", UNITS_FLUX, 1 },
    { "erg/s/cm^2", UNITS_FLUX, 1 },
    { "erg/(cm**2*s)", UNITS_FLUX, 1 },
    { "erg/(s*cm**2)", UNITS_FLUX, 1 },

    { "nJy", UNITS_FNU, 1 },
    { "uJy", UNITS_FNU, 1e3 },
    { "mJy", UNITS_FNU, 1e6 },
    { "Jy", UNITS_FNU, 1e9 },

    { "arcsec", UNITS_ANGLE, 1 },
    { "mas", UNITS_ANGLE, 1e-3 },
    { "arcmin", UNITS_ANGLE, 60 },
    { "degree", UNITS_ANGLE, 3600 },
    { "deg", UNITS_ANGLE, 3600 },
    { "rad", UNITS_ANGLE, 1 / UNITS_ARCSEC_RAD },
};
static const size_t n_units = sizeof(units) / sizeof(units[0]);

/* "kpc, pc, Mpc …" of one kind. `size` holds the longest list; a test reads each of them to its end. */
static void list_units(enum units_kind kind, char *ret_list, size_t size)
{
    size_t used = 0;

    ret_list[0] = '\0';
    for (size_t i = 0; i < n_units && used < size; i++) {
        if (units[i].kind == kind)
            used += (size_t)snprintf(ret_list + used, size - used, "%s%s", used ? ", " : "", units[i].name);
    }
}

int units_factor(const char *unit, enum units_kind kind, double *ret_factor, struct error *err)
{
    const struct unit *other = NULL;
    char known[256];

    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(unit, units[i].name))
            continue;
        if (units[i].kind == kind) {
            *ret_factor = units[i].factor;
            return 0;
        }
        other = &units[i];
    }
    list_units(kind, known, sizeof(known));
    if (other) {
        return error_set(err, POLYPHONY_INPUT, "unit '%s' is %s, expected %s: use one of %s", unit,
                         kind_names[other->kind], kind_names[kind], known);
    }
    return error_set(err, POLYPHONY_INPUT, "unknown unit '%.100s', expected %s: use one of %s", unit,
                     kind_names[kind], known);
}
