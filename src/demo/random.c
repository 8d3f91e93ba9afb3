/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random numbers without a state: Philox 4x64 with ten rounds (Salmon et al. 2011, SC'11) of
 * Random123, keyed by the seed, with the place of the number as its counter. Any number can be made
 * without the ones before it, in any order, by any thread.
 *
 * Only + - * / and sqrt are used, which IEEE 754 rounds alike everywhere; libm's log is not.
 */
#include "demo_private.h"

#include <Random123/philox.h>
#include <math.h>

static philox4x64_ctr_t words_at(const struct random_place *place)
{
    philox4x64_ctr_t counter = { { place->galaxy, place->component, place->particle, place->field } };
    philox4x64_key_t key = { { place->seed, 0 } };

    return philox4x64(counter, key);
}

void random_uniforms(const struct random_place *place, double ret_u[3])
{
    philox4x64_ctr_t words = words_at(place);

    for (int i = 0; i < 3; i++)
        ret_u[i] = (double)(words.v[i] >> 11) * 0x1p-53;
}

void random_normals(const struct random_place *place, double ret_x[3])
{
    philox4x64_ctr_t words = words_at(place);

    /* The centres of 2^52 intervals are exact in double and never 0 or 1. */
    for (int i = 0; i < 3; i++)
        ret_x[i] = normal_quantile(((double)(words.v[i] >> 12) + 0.5) * 0x1p-52);
}

/*
 * x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh s, s = (m - 1)/(m + 1), s^2 < 0.0295: the
 * twelfth term is below 1e-18 of the first.
 */
double random_log(double x)
{
    const double ln2_high = 0x1.62e42fefa0000p-1; /* 37 bits: e * ln2_high is exact */
    const double ln2_low = 0x1.cf79abc9e3b3ap-40;
    int exponent;
    double m = frexp(x, &exponent);

    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2.0;
        exponent--;
    }
    double s = (m - 1.0) / (m + 1.0);
    double s2 = s * s;
    double series = 0.0;

    for (int k = 23; k >= 3; k -= 2)
        series = series * s2 + 1.0 / k;
    series *= s2;
    return exponent * ln2_high + (exponent * ln2_low + 2.0 * (s + s * series));
}

static double polynomial(const double coefficients[8], double x)
{
    double value = coefficients[7];

    for (int k = 6; k >= 0; k--)
        value = value * x + coefficients[k];
    return value;
}

/* Algorithm AS 241, PPND16: Wichura 1988, Applied Statistics 37, 477. Relative error about 1e-16. */
double normal_quantile(double p)
{
    static const double a[8] = { 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                 1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                 3.3430575583588128105e4, 2.5090809287301226727e3 };
    static const double b[8] = { 1.0,
                                 4.2313330701600911252e1,
                                 6.8718700749205790830e2,
                                 5.3941960214247511077e3,
                                 2.1213794301586595867e4,
                                 3.9307895800092710610e4,
                                 2.8729085735721942674e4,
                                 5.2264952788528545610e3 };
    static const double c[8] = { 1.42343711074968357734e0,  4.63033784615654529590e0,
                                 5.76949722146069140550e0,  3.64784832476320460504e0,
                                 1.27045825245236838258e0,  2.41780725177450611770e-1,
                                 2.27238449892691845833e-2, 7.74545014278341407640e-4 };
    static const double d[8] = { 1.0,
                                 2.05319162663775882187e0,
                                 1.67638483018380384940e0,
                                 6.89767334985100004550e-1,
                                 1.48103976427480074590e-1,
                                 1.51986665636164571966e-2,
                                 5.47593808499534494600e-4,
                                 1.05075007164441684324e-9 };
    static const double e[8] = { 6.65790464350110377720e0,  5.46378491116411436990e0,
                                 1.78482653991729133580e0,  2.96560571828504891230e-1,
                                 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                 2.71155556874348757815e-5, 2.01033439929228813265e-7 };
    static const double f[8] = { 1.0,
                                 5.99832206555887937690e-1,
                                 1.36929880922735805310e-1,
                                 1.48753612908506148525e-2,
                                 7.86869131145613259100e-4,
                                 1.84631831751005468180e-5,
                                 1.42151175831644588870e-7,
                                 2.04426310338993978564e-15 };
    double q = p - 0.5;

    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;

        return q * polynomial(a, r) / polynomial(b, r);
    }
    double r = sqrt(-random_log(q < 0.0 ? p : 1.0 - p));
    double x = r <= 5.0 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                        : polynomial(e, r - 5.0) / polynomial(f, r - 5.0);

    return q < 0.0 ? -x : x;
}
