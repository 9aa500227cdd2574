package strategy

import "math"

// Weights is the grid of combination weights, {0, .1, …, 1}.
func Weights() []float64 {
	w := make([]float64, 11)
	for i := range w {
		w[i] = float64(i) / 10
	}
	return w
}

// Choose returns the index of the best weight by validation AUC. Of equally good ones it takes the one nearest to .5, the least
// committed; of two equally near, the smaller, which leans on the newer adapter. It returns -1 where no AUC is a number.
func Choose(weights, auc []float64) int {
	best := -1
	for i, a := range auc {
		if math.IsNaN(a) {
			continue
		}
		if best < 0 || a > auc[best] || a == auc[best] && off(weights[i]) < off(weights[best]) {
			best = i
		}
	}
	return best
}

// off is the distance to .5 in steps of a thousandth, so that .4 and .6 are equally far in floating point too.
func off(w float64) int { return int(math.Round(1000 * math.Abs(w-.5))) }
