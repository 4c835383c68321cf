/* The limit: Lotka-Volterra by adaptive Tsit5 in C, with its discrete adjoint.
 *
 * The algorithm of the library, written for this one model: PI step control, automatic first step, first stage
 * taken over from the step before, dense output at given times. Gradient of sum(y^2) over all outputs by the exact
 * discrete adjoint, step sizes held constant. The tableau comes from the library as macros in TABLEAU_H:
 * A(i,j), C(i), E(i) and D(i,k), the coefficient of theta^k in the weight of stage i of the dense output, i and j
 * from 1, and the controller's constants.
 */
#include <math.h>
#include <stdint.h>
#include TABLEAU_H

#define ROW (2 + 2 + 14)                  /* a record row: t, h, y[2], stages[7][2] */
#define EACH for (int c = 0; c < 2; c++)

static inline void model(const double *y, const double *p, double *dy) {
    dy[0] = p[0] * y[0] - p[1] * y[0] * y[1];
    dy[1] = p[2] * y[0] * y[1] - p[3] * y[1];
}

/* Adds the cotangents of y and p that belong to the cotangent g of dy. */
static inline void model_pullback(const double *y, const double *p, const double *g, double *gy, double *gp) {
    double product = y[0] * y[1];
    gy[0] += g[0] * (p[0] - p[1] * y[1]) + g[1] * p[2] * y[1];
    gy[1] += g[1] * (p[2] * y[0] - p[3]) - g[0] * p[1] * y[0];
    gp[0] += g[0] * y[0];
    gp[1] -= g[0] * product;
    gp[2] += g[1] * product;
    gp[3] -= g[1] * y[1];
}

static inline double norm2(const double *x, const double *scale) {
    double a = x[0] / scale[0], b = x[1] / scale[1];
    return 0.5 * (a * a + b * b);
}

static inline void stage_states(const double *y, double h, double K[7][2], double Y[5][2]) {
    EACH {
        Y[0][c] = y[c] + h * (A(2,1) * K[0][c]);
        Y[1][c] = y[c] + h * (A(3,1) * K[0][c] + A(3,2) * K[1][c]);
        Y[2][c] = y[c] + h * (A(4,1) * K[0][c] + A(4,2) * K[1][c] + A(4,3) * K[2][c]);
        Y[3][c] = y[c] + h * (A(5,1) * K[0][c] + A(5,2) * K[1][c] + A(5,3) * K[2][c] + A(5,4) * K[3][c]);
        Y[4][c] = y[c] + h * (A(6,1) * K[0][c] + A(6,2) * K[1][c] + A(6,3) * K[2][c] + A(6,4) * K[3][c]
                              + A(6,5) * K[4][c]);
    }
}

static inline void dense_weights(double x, double b[7]) {
    b[0] = x * (D(1,1) + x * (D(1,2) + x * (D(1,3) + x * D(1,4))));
    b[1] = x * x * (D(2,2) + x * (D(2,3) + x * D(2,4)));
    b[2] = x * x * (D(3,2) + x * (D(3,3) + x * D(3,4)));
    b[3] = x * x * (D(4,2) + x * (D(4,3) + x * D(4,4)));
    b[4] = x * x * (D(5,2) + x * (D(5,3) + x * D(5,4)));
    b[5] = x * x * (D(6,2) + x * (D(6,3) + x * D(6,4)));
    b[6] = x * x * (D(7,2) + x * (D(7,3) + x * D(7,4)));
}

/* Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, II.4. */
static double first_step(const double *y, const double *k, const double *p, double span, double rtol, double atol) {
    double scale[2], trial[2], slope[2], change[2];
    EACH scale[c] = atol + rtol * fabs(y[c]);
    double d0 = sqrt(norm2(y, scale)), d1 = sqrt(norm2(k, scale));
    double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
    if (h0 > span) h0 = span;
    EACH trial[c] = y[c] + h0 * k[c];
    model(trial, p, slope);
    EACH change[c] = slope[c] - k[c];
    double largest = fmax(d1, sqrt(norm2(change, scale)) / h0);
    double h1 = largest <= 1e-15 ? fmax(1e-6, 1e-3 * h0) : pow(0.01 / largest, 0.2);
    return fmin(fmin(100 * h0, h1), span);
}

/* Fills out[m][2]; returns the number of accepted steps, or -1 when the record (capacity rows, may be NULL) is full. */
int64_t forward(const double *y0, const double *p, const double *times, int64_t m, double rtol, double atol,
                double *out, double *record, int64_t capacity) {
    double t = times[0], end = times[m - 1], y[2] = {y0[0], y0[1]}, ynew[2], K[7][2], Y[5][2], b[7];
    double before = log(1e-8);            /* logarithm of the squared error of the step before */
    int rejected = 0;
    int64_t next = 0, steps = 0;
    model(y, p, K[0]);
    double h = first_step(y, K[0], p, end - t, rtol, atol);
    while (next < m && times[next] <= t) { EACH out[2 * next + c] = y[c]; next++; }
    while (t < end) {
        int last = t + h >= end;
        if (last) h = end - t;
        EACH Y[0][c] = y[c] + h * (A(2,1) * K[0][c]);
        model(Y[0], p, K[1]);
        EACH Y[1][c] = y[c] + h * (A(3,1) * K[0][c] + A(3,2) * K[1][c]);
        model(Y[1], p, K[2]);
        EACH Y[2][c] = y[c] + h * (A(4,1) * K[0][c] + A(4,2) * K[1][c] + A(4,3) * K[2][c]);
        model(Y[2], p, K[3]);
        EACH Y[3][c] = y[c] + h * (A(5,1) * K[0][c] + A(5,2) * K[1][c] + A(5,3) * K[2][c] + A(5,4) * K[3][c]);
        model(Y[3], p, K[4]);
        EACH Y[4][c] = y[c] + h * (A(6,1) * K[0][c] + A(6,2) * K[1][c] + A(6,3) * K[2][c] + A(6,4) * K[3][c]
                                   + A(6,5) * K[4][c]);
        model(Y[4], p, K[5]);
        EACH ynew[c] = y[c] + h * (A(7,1) * K[0][c] + A(7,2) * K[1][c] + A(7,3) * K[2][c] + A(7,4) * K[3][c]
                                   + A(7,5) * K[4][c] + A(7,6) * K[5][c]);
        model(ynew, p, K[6]);
        double error[2], scale[2];
        EACH error[c] = h * (E(1) * K[0][c] + E(2) * K[1][c] + E(3) * K[2][c] + E(4) * K[3][c] + E(5) * K[4][c]
                             + E(6) * K[5][c] + E(7) * K[6][c]);
        EACH scale[c] = atol + rtol * fmax(fabs(y[c]), fabs(ynew[c]));
        double err2 = norm2(error, scale), now = log(fmax(err2, 1e-20));
        if (!(err2 <= 1)) {
            h *= fmax(SHRINK, SAFETY * exp(-0.5 / (CONTROL_ORDER + 1) * now));   /* fmax drops a NaN */
            rejected = 1;
            continue;
        }
        double tnew = last ? end : t + h;
        if (record) {
            if (steps == capacity) return -1;
            double *row = record + steps * ROW;
            row[0] = t, row[1] = h;
            EACH row[2 + c] = y[c];
            for (int i = 0; i < 7; i++) EACH row[4 + 2 * i + c] = K[i][c];
        }
        for (; next < m && times[next] <= tnew; next++) {
            dense_weights((times[next] - t) / h, b);
            EACH out[2 * next + c] = y[c] + h * (b[0] * K[0][c] + b[1] * K[1][c] + b[2] * K[2][c] + b[3] * K[3][c]
                                                 + b[4] * K[4][c] + b[5] * K[5][c] + b[6] * K[6][c]);
        }
        steps++;
        double factor = SAFETY * exp(-0.5 * (BETA1 * now + BETA2 * before));
        h *= fmin(rejected ? 1.0 : GROW, fmax(SHRINK, factor));
        before = fmax(now, log(1e-8));
        rejected = 0;
        t = tnew;
        EACH y[c] = ynew[c];
        EACH K[0][c] = K[6][c];
    }
    return steps;
}

/* Value of sum(y^2) over the outputs; gradient[4] with respect to p and gstart[2] with respect to y0. */
double gradient(const double *y0, const double *p, const double *times, int64_t m, double rtol, double atol,
                double *out, double *record, int64_t capacity, double *gp, double *gstart) {
    int64_t steps = forward(y0, p, times, m, rtol, atol, out, record, capacity);
    double value = 0, G[7][2] = {{0}}, g[2] = {0, 0}, Y[5][2], b[7];
    if (steps < 0) return NAN;
    for (int64_t i = 0; i < 2 * m; i++) value += out[i] * out[i];
    for (int i = 0; i < 4; i++) gp[i] = 0;
    int64_t next = m - 1;
    for (int64_t step = steps - 1; step >= 0; step--) {
        const double *row = record + step * ROW, *y = row + 2;
        double t = row[0], h = row[1], K[7][2], gy[2] = {0, 0};
        for (int i = 0; i < 7; i++) EACH K[i][c] = row[4 + 2 * i + c];
        EACH { G[6][c] = G[0][c]; for (int i = 0; i < 6; i++) G[i][c] = 0; }   /* first stage of the step after */
        for (; next >= 0 && times[next] > t; next--) {
            dense_weights((times[next] - t) / h, b);
            EACH {
                double seed = 2 * out[2 * next + c];
                gy[c] += seed;
                for (int i = 0; i < 7; i++) G[i][c] += h * b[i] * seed;
            }
        }
        stage_states(y, h, K, Y);
        double end[2];
        EACH end[c] = y[c] + h * (A(7,1) * K[0][c] + A(7,2) * K[1][c] + A(7,3) * K[2][c] + A(7,4) * K[3][c]
                                  + A(7,5) * K[4][c] + A(7,6) * K[5][c]);
        model_pullback(end, p, G[6], g, gp);
        EACH {
            gy[c] += g[c];
            G[0][c] += h * A(7,1) * g[c]; G[1][c] += h * A(7,2) * g[c]; G[2][c] += h * A(7,3) * g[c];
            G[3][c] += h * A(7,4) * g[c]; G[4][c] += h * A(7,5) * g[c]; G[5][c] += h * A(7,6) * g[c];
        }
        double gs[2] = {0, 0};
        model_pullback(Y[4], p, G[5], gs, gp);
        EACH {
            gy[c] += gs[c];
            G[0][c] += h * A(6,1) * gs[c]; G[1][c] += h * A(6,2) * gs[c]; G[2][c] += h * A(6,3) * gs[c];
            G[3][c] += h * A(6,4) * gs[c]; G[4][c] += h * A(6,5) * gs[c]; gs[c] = 0;
        }
        model_pullback(Y[3], p, G[4], gs, gp);
        EACH {
            gy[c] += gs[c];
            G[0][c] += h * A(5,1) * gs[c]; G[1][c] += h * A(5,2) * gs[c]; G[2][c] += h * A(5,3) * gs[c];
            G[3][c] += h * A(5,4) * gs[c]; gs[c] = 0;
        }
        model_pullback(Y[2], p, G[3], gs, gp);
        EACH {
            gy[c] += gs[c];
            G[0][c] += h * A(4,1) * gs[c]; G[1][c] += h * A(4,2) * gs[c]; G[2][c] += h * A(4,3) * gs[c]; gs[c] = 0;
        }
        model_pullback(Y[1], p, G[2], gs, gp);
        EACH { gy[c] += gs[c]; G[0][c] += h * A(3,1) * gs[c]; G[1][c] += h * A(3,2) * gs[c]; gs[c] = 0; }
        model_pullback(Y[0], p, G[1], gs, gp);
        EACH { gy[c] += gs[c]; G[0][c] += h * A(2,1) * gs[c]; g[c] = gy[c]; }
    }
    model_pullback(y0, p, G[0], g, gp);
    for (; next >= 0; next--) EACH g[c] += 2 * out[2 * next + c];
    EACH gstart[c] = g[c];
    return value;
}

/* Repeats, so that the caller's overhead does not count. */
double repeat(int64_t times_over, int with_gradient, const double *y0, const double *p, const double *times, int64_t m,
              double rtol, double atol, double *out, double *record, int64_t capacity, double *gp, double *gstart) {
    double sum = 0;
    for (int64_t i = 0; i < times_over; i++)
        sum += with_gradient ? gradient(y0, p, times, m, rtol, atol, out, record, capacity, gp, gstart)
                             : (double)forward(y0, p, times, m, rtol, atol, out, 0, 0);
    return sum;
}
