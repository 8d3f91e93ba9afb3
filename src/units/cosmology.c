/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * E(z)^2 = (1+z)^3 [Om + Og (1+z) (1 + R(z))] + OL, where Og is the photons' share of the critical density
 * today and R(z) the energy of the neutrinos over that of the photons. R comes from a fit, as in the
 * reference, not from the Fermi-Dirac integral.
 */
#include "polyphony/cosmology.h"
#include "polyphony/units.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_integration.h>
#include <math.h>
#include <strings.h>

/* CODATA 2018 and IAU 2015, as in astropy 5.2: they differ from units.h on purpose. */
#define GRAVITY_CGS    6.6743e-8             /* [cm^3 g^-1 s^-2] */
#define STEFAN_CGS     5.6703744191844314e-5 /* [erg s^-1 cm^-2 K^-4] */
#define BOLTZMANN_EV_K 8.617333262145179e-5  /* [eV K^-1] exact since 2019 */
#define KM_PER_MPC     3.0856775814913674e19 /* IAU 2015 B2 */

/* Temperature of the neutrinos over that of the photons: (4/11)^(1/3) */
#define NEUTRINO_TEMPERATURE 0.7137658555036082

/* R(z) for one massless species with n_eff = 1: 7/8 (4/11)^(4/3). Komatsu et al. 2011, eq. 25, 26 */
#define NEUTRINO_DENSITY 0.22710731766
#define N_NEUTRINO       3

#define QUADRATURE_RELATIVE_ERROR 1e-12
#define QUADRATURE_N_INTERVAL     200

#define REDSHIFT_ZERO_DISTANCE_MPC 1e-5 /* 10 pc */

const struct cosmology COSMOLOGY_PLANCK18 = { 67.66, 0.30966, 2.7255, 3.046, { 0, 0, 0.06 } };
const struct cosmology COSMOLOGY_PLANCK15 = { 67.74, 0.3075, 2.7255, 3.046, { 0, 0, 0.06 } };
const struct cosmology COSMOLOGY_WMAP9 = { 69.32, 0.2865, 2.725, 3.04, { 0, 0, 0 } };

const char *const COSMOLOGY_NAMES[COSMOLOGY_N_NAMES] = { "Planck18", "Planck15", "WMAP9" };
static const struct cosmology *const named[COSMOLOGY_N_NAMES] = { &COSMOLOGY_PLANCK18, &COSMOLOGY_PLANCK15,
                                                                  &COSMOLOGY_WMAP9 };

int cosmology_find(const char *name, struct cosmology *ret_cosmology, struct error *err)
{
    for (size_t i = 0; i < COSMOLOGY_N_NAMES; i++) {
        if (!strcasecmp(name, COSMOLOGY_NAMES[i])) {
            *ret_cosmology = *named[i];
            return 0;
        }
    }
    return error_set(err, POLYPHONY_USAGE, "unknown cosmology '%.100s'%s: use Planck18, Planck15 or WMAP9",
                     name, text_meant(name, COSMOLOGY_NAMES, COSMOLOGY_N_NAMES).text);
}

int cosmology_check(const struct cosmology *cosmology, struct error *err)
{
    /* Wide enough for any universe someone simulates; what lies outside is a slip of unit. */
    const struct {
        const char *name;
        double value, least, most;
    } bounds[] = {
        { "h0_km_s_mpc", cosmology->h0_km_s_mpc, 10, 1000 }, { "omega_m", cosmology->omega_m, 0, 1 },
        { "t_cmb_k", cosmology->t_cmb_k, 0, 100 },           { "n_eff", cosmology->n_eff, 0, 20 },
        { "m_nu_ev[0]", cosmology->m_nu_ev[0], 0, 100 },     { "m_nu_ev[1]", cosmology->m_nu_ev[1], 0, 100 },
        { "m_nu_ev[2]", cosmology->m_nu_ev[2], 0, 100 },
    };

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (!(bounds[i].value >= bounds[i].least && bounds[i].value <= bounds[i].most)) {
            return error_set(err, POLYPHONY_USAGE, "cosmology: %s is %.17g, outside %g to %g: correct it",
                             bounds[i].name, bounds[i].value, bounds[i].least, bounds[i].most);
        }
    }
    return 0;
}

/* What the integrand needs, worked out once. */
struct background {
    double omega_m;
    double omega_photon;
    double omega_lambda;
    double n_eff_each;             /* effective number per species */
    double mass_ratio[N_NEUTRINO]; /* m_nu c^2 / (k T_nu), today */
};

/* Energy density of the neutrinos over that of the photons. Komatsu et al. 2011, eq. 26, but p and 1/p as
 * rounded by the reference. */
static double neutrino_ratio(const struct background *background, double redshift)
{
    double sum = 0;

    for (int i = 0; i < N_NEUTRINO; i++) {
        double mass_ratio = background->mass_ratio[i] / (1 + redshift);

        sum += mass_ratio > 0 ? pow(1 + pow(0.3173 * mass_ratio, 1.83), 0.54644808743) : 1;
    }
    return NEUTRINO_DENSITY * background->n_eff_each * sum;
}

static struct background background_make(const struct cosmology *cosmology)
{
    struct background background = { .omega_m = cosmology->omega_m, .omega_lambda = 1 - cosmology->omega_m };
    double h0_s = cosmology->h0_km_s_mpc / KM_PER_MPC;
    double density_critical_cgs = 3 * h0_s * h0_s / (8 * M_PI * GRAVITY_CGS);
    double t_cmb_k = cosmology->t_cmb_k;
    double density_photon_cgs = 4 * STEFAN_CGS * t_cmb_k * t_cmb_k * t_cmb_k * t_cmb_k /
                                (UNITS_LIGHT_SPEED_CM_S * UNITS_LIGHT_SPEED_CM_S * UNITS_LIGHT_SPEED_CM_S);

    if (t_cmb_k > 0) {
        background.omega_photon = density_photon_cgs / density_critical_cgs;
        background.n_eff_each = cosmology->n_eff / N_NEUTRINO;
        for (int i = 0; i < N_NEUTRINO; i++) {
            background.mass_ratio[i] =
                cosmology->m_nu_ev[i] / (BOLTZMANN_EV_K * NEUTRINO_TEMPERATURE * t_cmb_k);
        }
        background.omega_lambda -= background.omega_photon * (1 + neutrino_ratio(&background, 0));
    }
    return background;
}

/* 1/E(z), in GSL's signature. */
static double inverse_efunc(double redshift, void *params)
{
    const struct background *background = params;
    double stretch = 1 + redshift;
    double radiation = background->omega_photon * stretch * (1 + neutrino_ratio(background, redshift));

    double matter_and_radiation = stretch * stretch * stretch * (background->omega_m + radiation);

    return 1 / sqrt(matter_and_radiation + background->omega_lambda);
}

/* GSL's handler is one for all threads, and would abort: it is off before there are any. */
__attribute__((constructor)) static void turn_handler_off(void)
{
    gsl_set_error_handler_off();
}

/* Comoving distance over the Hubble distance c/H0. */
static int integrate_distance(const struct cosmology *cosmology, double redshift, double *ret_distance,
                              struct error *err)
{
    struct background background = background_make(cosmology);
    gsl_function integrand = { inverse_efunc, &background };
    gsl_integration_workspace *workspace = mem_sure(gsl_integration_workspace_alloc(QUADRATURE_N_INTERVAL));
    double error_estimate;
    int r = 0;

    if (!workspace) {
        r = error_set(err, POLYPHONY_INTERNAL, "cosmology: no memory to integrate the distance to z = %.17g",
                      redshift);
    } else {
        int status =
            gsl_integration_qag(&integrand, 0, redshift, 0, QUADRATURE_RELATIVE_ERROR, QUADRATURE_N_INTERVAL,
                                GSL_INTEG_GAUSS61, workspace, ret_distance, &error_estimate);

        if (status || !(*ret_distance > 0)) {
            r = error_set(err, POLYPHONY_INPUT,
                          "cosmology: no distance to z = %.17g, quadrature failed (%s): check the redshift",
                          redshift, status ? gsl_strerror(status) : "it is not positive");
        }
        gsl_integration_workspace_free(workspace);
    }
    return r;
}

double cosmology_redshift(double redshift)
{
    return fabs(redshift) < COSMOLOGY_REDSHIFT_ZERO ? 0 : redshift;
}

int cosmology_distances(const struct cosmology *cosmology, double redshift, struct distances *ret_distances,
                        struct error *err)
{
    struct distances distances = { .redshift = redshift };
    int r = cosmology_check(cosmology, err);

    if (r)
        return r;
    if (!(redshift >= 0 && isfinite(redshift))) {
        return error_set(err, POLYPHONY_INPUT,
                         "redshift %.17g is not a finite number of at least 0: correct the catalogue",
                         redshift);
    }
    if (redshift > 0) {
        double distance = 0;

        r = integrate_distance(cosmology, redshift, &distance, err);
        if (r)
            return r;
        distance *= UNITS_LIGHT_SPEED_KM_S / cosmology->h0_km_s_mpc;
        distances.luminosity_distance_mpc = (1 + redshift) * distance;
        distances.angular_diameter_distance_mpc = distance / (1 + redshift);
    } else {
        distances.luminosity_distance_mpc = REDSHIFT_ZERO_DISTANCE_MPC;
        distances.angular_diameter_distance_mpc = REDSHIFT_ZERO_DISTANCE_MPC;
    }
    /* With the Mpc of units.h, not astropy's: the reference package converts so. */
    distances.luminosity_distance_cm = distances.luminosity_distance_mpc * UNITS_MPC_CM;
    distances.arcsec_per_kpc = 1 / (distances.angular_diameter_distance_mpc * 1e3 * UNITS_ARCSEC_RAD);
    *ret_distances = distances;
    return 0;
}
