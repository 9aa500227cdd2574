package metric

import (
	"fmt"
	"math"
)

// Estimate is a number with its standard error.
type Estimate struct {
	Value, SE float64
}

// Interval is the two-sided normal interval at a confidence level (.95, say). It is not cut at any bound.
func (e Estimate) Interval(level float64) (low, high float64) {
	d := e.SE * math.Sqrt2 * math.Erfinv(level)
	return e.Value - d, e.Value + d
}

// Z is the value in units of its standard error, 0 where both are 0.
func (e Estimate) Z() float64 {
	if e.Value == 0 {
		return 0
	}
	return e.Value / e.SE
}

// P is the two-sided p-value of the hypothesis that the true value is 0, from the normal distribution.
func (e Estimate) P() float64 { return math.Erfc(math.Abs(e.Z()) / math.Sqrt2) }

// Mean is the mean of independent estimates, such as the AUC differences of disjoint test periods.
func Mean(parts []Estimate) (Estimate, error) {
	if len(parts) == 0 {
		return Estimate{}, fmt.Errorf("metric: %w: mean of no estimates", ErrEmpty)
	}
	var m Estimate
	for _, p := range parts {
		m.Value += p.Value
		m.SE += p.SE * p.SE
	}
	n := float64(len(parts))
	return Estimate{Value: m.Value / n, SE: math.Sqrt(m.SE) / n}, nil
}

// Comparison sets two models side by side on the same samples.
type Comparison struct {
	// A and B are the two AUCs, Difference is A - B with the standard error that accounts for their correlation.
	A, B, Difference Estimate
}

// DeLong is the AUC with the standard error of DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), in the O(n log n) form of
// Sun and Xu (IEEE Signal Processing Letters 21, 2014). It needs two samples of each class (ErrTooFew).
func DeLong[F Float](scores []F, labels []bool) (Estimate, error) {
	a, err := place(scores, labels)
	if err != nil {
		return Estimate{}, err
	}
	return Estimate{Value: a.auc, SE: math.Sqrt(covariance(a, a))}, nil
}

// DeLongTest compares the AUCs of two models on the same samples: the paired test of the same paper. P() of the Difference is the test's
// p-value.
func DeLongTest[F Float](a, b []F, labels []bool) (Comparison, error) {
	if len(a) != len(b) {
		return Comparison{}, fmt.Errorf("metric: %w: %d and %d scores", ErrLength, len(a), len(b))
	}
	pa, err := place(a, labels)
	if err != nil {
		return Comparison{}, err
	}
	pb, err := place(b, labels)
	if err != nil {
		return Comparison{}, err
	}
	va, vb := covariance(pa, pa), covariance(pb, pb)
	// The variance of the difference is computed from the differences of the placements: va + vb - 2cov would lose all its digits
	// for two nearly equal models.
	d := placements{auc: pa.auc - pb.auc, pos: minus(pa.pos, pb.pos), neg: minus(pa.neg, pb.neg)}
	return Comparison{
		A:          Estimate{pa.auc, math.Sqrt(va)},
		B:          Estimate{pb.auc, math.Sqrt(vb)},
		Difference: Estimate{d.auc, math.Sqrt(covariance(d, d))},
	}, nil
}

// placements are DeLong's structural components: for each liked sample the share of the others that it beats (V10), for each
// other one the share of liked samples that beat it (V01), ties counting one half.
type placements struct {
	auc      float64
	pos, neg []float64
}

// place computes the placements in the order of the samples within each class.
func place[F Float](scores []F, labels []bool) (placements, error) {
	if err := check(scores, labels); err != nil {
		return placements{}, err
	}
	pos, neg, err := classes(labels)
	if err != nil {
		return placements{}, err
	}
	if pos < 2 || neg < 2 {
		return placements{}, fmt.Errorf("metric: %w: %d liked, %d not", ErrTooFew, pos, neg)
	}
	idx := order(scores)
	value := make([]float64, len(scores))
	var belowPos, belowNeg float64
	for lo := 0; lo < len(idx); {
		var p, n float64
		hi := lo
		for ; hi < len(idx) && scores[idx[hi]] == scores[idx[lo]]; hi++ {
			if labels[idx[hi]] {
				p++
			} else {
				n++
			}
		}
		for _, i := range idx[lo:hi] {
			if labels[i] {
				value[i] = (belowNeg + n/2) / float64(neg)
			} else {
				value[i] = 1 - (belowPos+p/2)/float64(pos)
			}
		}
		belowPos += p
		belowNeg += n
		lo = hi
	}
	r := placements{pos: make([]float64, 0, pos), neg: make([]float64, 0, neg)}
	for i, v := range value {
		if labels[i] {
			r.pos = append(r.pos, v)
			r.auc += v
		} else {
			r.neg = append(r.neg, v)
		}
	}
	r.auc /= float64(pos)
	return r, nil
}

// covariance of two AUCs over the same samples.
func covariance(a, b placements) float64 {
	return cov(a.pos, b.pos)/float64(len(a.pos)) + cov(a.neg, b.neg)/float64(len(a.neg))
}

// cov is the sample covariance, with n-1.
func cov(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i]
		my += y[i]
	}
	mx /= float64(len(x))
	my /= float64(len(y))
	var s float64
	for i := range x {
		s += (x[i] - mx) * (y[i] - my)
	}
	return s / float64(len(x)-1)
}

func minus(x, y []float64) []float64 {
	d := make([]float64, len(x))
	for i := range x {
		d[i] = x[i] - y[i]
	}
	return d
}
