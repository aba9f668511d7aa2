"""Prediction intervals as C99 source: from the predictions of all folds, and the errors to be expected."""

import numpy as np

from . import c_text
from .c_inputs import cells_type

PREDICT = """
$predict
{
    double folds[$n_values];
    const int status = ${name}_folds($x, folds$no_error);
    if (status != 0)
        return status;
    for (size_t j = 0; j < $m; j++) {
        double sum = 0.0;
        for (size_t k = 0; k < $n_folds; k++)
            sum += folds[$m * k + j];
        y[j] = $cast(sum / $divisor);
    }
    return 0;
}
"""

EXPECTED = """
/* The error to be expected of a row: the mean of $n networks */
static double ${name}_expected_error(const $cells *x)
{
    double sum = 0.0;
    for (size_t i = 0; i < $n; i++) {
        $real y[1];
        ${name}_network$g($i, y);
        sum += $unit * ($least + fmin((double)y[0], $largest));
    }
    return sum / $divisor;
}

/* Its factor, by the prediction */
static double ${name}_error_factor(double x)
{
    const double *knots = ${name}_error_knots, *factors = ${name}_error_factors;
    size_t i = 0;
    while (i < $n_knots && x >= knots[i])
        i++;
    if (i == 0 || i == $n_knots)
        return factors[i == 0 ? 0 : i - 1];
    const double slope = (factors[i] - factors[i - 1]) / (knots[i] - knots[i - 1]);
    return slope * (x - knots[i - 1]) + factors[i - 1];
}
"""

CENTERED = """
$interval
{
    double folds[$n_values], center = 0.0, scale = $scale;
    const int status = ${name}_folds($x, folds$error);
    if (status != 0)
        return status;
    for (size_t k = 0; k < $n_folds; k++) {
$fold    }
    center /= $divisor;
$factor    scale *= $width;
    lower[0] = $lower;
    upper[0] = $upper;
    return 0;
}
"""

QUANTILES = """
        double low = $value, high = low;
        for (size_t j = 1; j < $m; j++) {
            const double q = $next;
            low = fmin(low, q);
            high = fmax(high, q);
        }
        center += (low + high) / 2.0;
        scale += fmax((high - low) / 2.0, $narrowest) / $divisor;
"""

CV_PLUS = """
/* The sum of rank $rank, from the least, of sign times a prediction and an error of its fold; times sign */
static double ${name}_bound(const double *folds, double sign, const double *errors)
{
    size_t next[$n_folds];
    double least = 0.0;
    memcpy(next, ${name}_first_error, sizeof next);
    for (size_t i = 0; i < $rank; i++) {
        size_t best = $n_folds;
        for (size_t k = 0; k < $n_folds; k++) {
            if (next[k] < ${name}_first_error[k + 1]) {
                const double sum = sign * $value + errors[next[k]];
                if (best == $n_folds || sum < least) {
                    best = k;
                    least = sum;
                }
            }
        }
        next[best]++;
    }
    return sign * least;
}

$interval
{
    double folds[$n_values];
    const int status = ${name}_folds($x, folds);
    if (status != 0)
        return status;
    for (size_t j = 0; j < $n_bounds; j++) {
        const double *errors = ${name}_errors + $n_errors * j;
        lower[j] = $lower;
        upper[j] = $upper;
    }
    return 0;
}
"""


def prototype(model, argument, values):
    """Return the declaration of the function of intervals."""
    n, result = model.interval.n_bounds, values["result"]
    return f"int {values['name']}_interval({argument}, {result} lower[{n}], {result} upper[{n}])"


def interval_comment(interval):
    """Return what the interface says of this function."""
    what = f"An interval that is to hold the target with a probability of {interval.coverage:g}"
    return f"/* {what}; returns what predict returns */"


def error_arrays(interval, name):
    """Return the arrays of errors, sorted within each fold; one after the other for each target.

    Or those of the factors of the expected error.
    """
    if interval.spread is not None:
        arrays = dict(knots=interval.knots, factors=interval.factors)
        return "\n".join(
            c_text.parameter_array(f"{name}_error_{key}", np.array([values]))
            for key, values in arrays.items()
        )
    if interval.errors is None:
        return ""
    first = np.cumsum([0, *map(len, interval.errors)])
    errors = np.concatenate([np.sort(each, axis=0) for each in interval.errors]).T
    return "\n".join(
        [
            c_text.vector("size_t", f"{name}_first_error", list(map(str, first))),
            c_text.parameter_array(f"{name}_errors", np.ascontiguousarray(errors).reshape(1, -1)),
        ]
    )


def expected_error(model, values):
    """Return the function of the error to be expected, "" without networks that learned it."""
    interval, group = model.interval, model.interval.spread
    if group is None:
        return ""
    n = group.layers.n_networks
    return c_text.fill(
        EXPECTED,
        g=len(model.groups),
        n=n,
        i="i, x" if n > 1 else "x",
        divisor=float(n),
        cells=cells_type(model, group.encoder, values["name"]) or values["real"],
        unit=float(interval.unit),
        least=float(interval.least),
        largest=float(interval.largest),
        n_knots=len(interval.knots),
        **values,
    )


def prediction_functions(model, predict, interval, values):
    """Return the definitions of both functions, which take the predictions of all folds from NAME_folds.

    predict, interval : their declarations
    """
    found, m = model.interval, model.groups[0].layers.sizes[-1]
    has_error = found.spread is not None
    cast = "" if values["result"] == "double" else f"({values['result']})"
    values = values | dict(
        m=m,
        x="row" if model.layouts else "x",
        n_folds=found.n_folds,
        n_values=found.n_folds * m,
        divisor=float(found.n_folds),
        no_error=", NULL" * has_error,
        error=", &scale" * has_error,
        cast=cast,
        width=found.width,
        rank=found.rank,
        n_bounds=found.n_bounds,
    )
    value = f"folds[{m} * k]" if m > 1 else "folds[k]"
    if found.errors is not None:
        form, values["n_errors"] = CV_PLUS, sum(map(len, found.errors))
        bounds = {
            name: f"{values['name']}_bound(folds + j, {sign}, errors)"
            for name, sign in (("lower", "-1.0"), ("upper", "1.0"))
        }
    else:
        form, bounds = CENTERED, dict(lower="center - scale", upper="center + scale")
        values["scale"] = 0.0 if has_error or found.narrowest is not None else 1.0
        values["factor"] = f"    scale *= {values['name']}_error_factor(center);\n" * has_error
        fold = f"        center += {_log(value, found)};\n"
        if found.narrowest is not None:
            fold = c_text.fill(
                QUANTILES,
                value=_log(value, found),
                next=_log(f"folds[{m} * k + j]", found),
                narrowest=float(found.narrowest),
                **{key: values[key] for key in ("m", "divisor")},
            )
        values["fold"] = fold
    bounds = _finish(bounds, found, cast)
    values |= dict(bounds, value=_log(value, found), interval=interval)
    return [c_text.fill(PREDICT, predict=predict, **values), c_text.fill(form, **values)]


def _finish(bounds, found, cast):
    """Return the expressions of bounds in units of the target, within limits, of the type of the result."""
    bounds = {name: f"exp({bound})" if found.is_log else bound for name, bound in bounds.items()}
    low, high = found.limits
    if low > -np.inf:
        bounds = {name: f"fmax({bound}, {float(low)!r})" for name, bound in bounds.items()}
    if high < np.inf:
        bounds = {name: f"fmin({bound}, {float(high)!r})" for name, bound in bounds.items()}
    if cast:
        bounds = {name: f"{cast}({bound})" for name, bound in bounds.items()}
    return bounds


def _log(value, interval):
    return f"log({value})" if interval.is_log else value
