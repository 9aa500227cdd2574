package metric

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Holm corrects the p-values of a family of tests for their number (Scandinavian Journal of Statistics 6, 1979): rejecting all that stay
// below alpha keeps the chance of any false rejection below alpha. The result is in the order given.
func Holm(p []float64) ([]float64, error) {
	idx := make([]int, len(p))
	for i, v := range p {
		if math.IsNaN(v) || v < 0 || v > 1 {
			return nil, fmt.Errorf("metric: p-value %d is %g, not in [0, 1]", i, v)
		}
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, len(p))
	var floor float64
	for k, i := range idx {
		floor = max(floor, min(1, p[i]*float64(len(p)-k)))
		out[i] = floor
	}
	return out, nil
}
