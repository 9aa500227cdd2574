package metric

import (
	"fmt"
	"math"
)

// MixProbabilities returns the log-odds of w*p(a) + (1-w)*p(b), the ensemble of two models' probabilities (w is in [0, 1]). It keeps
// its precision where probabilities round to 0 or 1, and w = 1 and w = 0 give back the parts exactly.
func MixProbabilities(w float64, a, b []float64) ([]float64, error) {
	return mix(w, a, b, func(x, y float64) float64 {
		lw, lv := math.Log(w), math.Log1p(-w)
		yes := logAddExp(lw-softplus(-x), lv-softplus(-y))
		no := logAddExp(lw-softplus(x), lv-softplus(y))
		return yes - no
	})
}

// MixLogOdds returns w*a + (1-w)*b, the mean of the log-odds themselves (w is in [0, 1]).
func MixLogOdds(w float64, a, b []float64) ([]float64, error) {
	return mix(w, a, b, func(x, y float64) float64 { return w*x + (1-w)*y })
}

func mix(w float64, a, b []float64, f func(x, y float64) float64) ([]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("metric: %w: %d and %d scores", ErrLength, len(a), len(b))
	}
	if math.IsNaN(w) || w < 0 || w > 1 {
		return nil, fmt.Errorf("metric: weight %g is not in [0, 1]", w)
	}
	out := make([]float64, len(a))
	for i := range a {
		switch {
		case w == 1 || a[i] == b[i]:
			out[i] = a[i]
		case w == 0:
			out[i] = b[i]
		default:
			out[i] = f(a[i], b[i])
		}
	}
	return out, nil
}

func logAddExp(x, y float64) float64 {
	hi := max(x, y)
	if math.IsInf(hi, 0) {
		return hi
	}
	return hi + math.Log1p(math.Exp(-math.Abs(x-y)))
}
