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

// Blend returns the log-odds of the probability w*sigmoid(long) + (1-w)*sigmoid(short). It is accurate for large log-odds,
// and w=1 and w=0 give back the parts bit for bit.
func Blend(w, long, short float64) float64 {
	switch w {
	case 0:
		return short
	case 1:
		return long
	}
	return logBlend(w, long, short) - logBlend(w, -long, -short)
}

// logBlend is log(w*sigmoid(a) + (1-w)*sigmoid(b)).
func logBlend(w, a, b float64) float64 {
	x, y := math.Log(w)+logSigmoid(a), math.Log1p(-w)+logSigmoid(b)
	hi, lo := max(x, y), min(x, y)
	return hi + math.Log1p(math.Exp(lo-hi))
}

func logSigmoid(x float64) float64 {
	if x < 0 {
		return x - math.Log1p(math.Exp(x))
	}
	return -math.Log1p(math.Exp(-x))
}
