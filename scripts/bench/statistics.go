package main

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// errTooFew says that there are too few rounds for an interval.
var errTooFew = errors.New("fewer than two rounds")

// quantile is the q-quantile of values by linear interpolation between the order statistics (NumPy's default); NaN of none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	at := q * float64(len(s)-1)
	lo := int(math.Floor(at))
	hi := min(lo+1, len(s)-1)
	return s[lo] + (at-float64(lo))*(s[hi]-s[lo])
}

// spread is a median with its quartiles.
type spread struct{ Median, Q1, Q3 float64 }

func spreadOf(values []float64) spread {
	return spread{quantile(values, .5), quantile(values, .25), quantile(values, .75)}
}

// interval is an estimate with its 95% interval.
type interval struct{ Value, Low, High float64 }

// pairedRatio is the geometric mean of a[i]/b[i] over the rounds i with Student's interval for the mean of their logarithms. It fails
// for lists of different lengths, values that are not positive, and with errTooFew for one round; Value is then still set where it can be.
func pairedRatio(a, b []float64) (interval, error) {
	if len(a) != len(b) || len(a) == 0 {
		return interval{}, fmt.Errorf("%d and %d rounds do not pair", len(a), len(b))
	}
	n := float64(len(a))
	logs := make([]float64, len(a))
	for i := range a {
		if !(a[i] > 0) || !(b[i] > 0) {
			return interval{}, fmt.Errorf("round %d: %v and %v have no ratio", i, a[i], b[i])
		}
		logs[i] = math.Log(a[i] / b[i])
	}
	mean, deviation := stat.MeanStdDev(logs, nil)
	if len(a) < 2 {
		return interval{math.Exp(mean), math.NaN(), math.NaN()}, errTooFew
	}
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile(.975) * deviation / math.Sqrt(n)
	return interval{math.Exp(mean), math.Exp(mean - half), math.Exp(mean + half)}, nil
}
