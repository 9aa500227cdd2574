package metric

import (
	"fmt"
	"math"
)

// CalibrationBins is the usual number of bins.
const CalibrationBins = 15

// Bin is one bin of a reliability diagram.
type Bin struct {
	// Count is the number of samples, Predicted the mean of their probabilities, Observed the share of them that was liked.
	Count               int
	Predicted, Observed float64
	// Low and High are the smallest and the largest probability in the bin.
	Low, High float64
}

// Calibration sorts the samples by score into bins of equal mass and returns the expected calibration error, the mean over the samples
// of |Predicted - Observed| of their bin, with the bins. Of n samples, the one with k smaller scores goes to bin floor(k*bins/n); equal
// scores thus share a bin, and bins that stay empty are left out. The result does not depend on the order of the samples.
func Calibration[F Float](logOdds []F, labels []bool, bins int) (ece float64, diagram []Bin, err error) {
	if err := check(logOdds, labels); err != nil {
		return 0, nil, err
	}
	n := len(logOdds)
	if n == 0 {
		return 0, nil, fmt.Errorf("metric: %w", ErrEmpty)
	}
	if bins < 1 {
		return 0, nil, fmt.Errorf("metric: calibration needs at least one bin, not %d", bins)
	}
	last := -1
	idx := order(logOdds)
	for lo := 0; lo < n; {
		at := int(int64(lo) * int64(bins) / int64(n))
		p := Probability(float64(logOdds[idx[lo]]))
		if at != last {
			diagram = append(diagram, Bin{Low: p})
			last = at
		}
		b := &diagram[len(diagram)-1]
		b.High = p
		hi := lo
		for ; hi < n && logOdds[idx[hi]] == logOdds[idx[lo]]; hi++ {
			b.Count++
			b.Predicted += p
			if labels[idx[hi]] {
				b.Observed++
			}
		}
		lo = hi
	}
	for k := range diagram {
		b := &diagram[k]
		ece += math.Abs(b.Predicted-b.Observed) / float64(n)
		b.Predicted /= float64(b.Count)
		b.Observed /= float64(b.Count)
	}
	return ece, diagram, nil
}
