package baseline

import (
	"math"

	regression "lsat/internal/logistic"
)

// logistic is a logistic regression on standardised features.
type logistic struct {
	// mean and scale standardise a feature: (x - mean) scale. Scale is 1/(standard deviation), and 0 for a feature that does not vary.
	mean, scale []float64
	// weight holds one weight a feature, in standard deviations, and the intercept at the end.
	weight []float64
}

// fitLogistic fits the regression with penalty/2 times the sum of the squared weights; the intercept is free. rows holds width features a label.
// Labels of both classes have one optimum, and it is finite.
func fitLogistic(rows []float64, width int, labels []bool, penalty float64) (*logistic, error) {
	f := standardised(rows, width)
	x := make([]float64, 0, len(labels)*(width+1))
	for i := range labels {
		for k, v := range rows[i*width : (i+1)*width] {
			x = append(x, (v-f.mean[k])*f.scale[k])
		}
		x = append(x, 1)
	}
	penalties := make([]regression.Penalty, width+1)
	for k := range width {
		penalties[k].Strength = penalty
	}
	var err error
	f.weight, err = regression.Fit(x, labels, penalties)
	return f, err
}

func standardised(rows []float64, width int) *logistic {
	f := &logistic{mean: make([]float64, width), scale: make([]float64, width), weight: make([]float64, width+1)}
	n := float64(len(rows) / width)
	for at, x := range rows {
		f.mean[at%width] += x / n
	}
	for at, x := range rows {
		d := x - f.mean[at%width]
		f.scale[at%width] += d * d / n
	}
	for k, variance := range f.scale {
		if sd := math.Sqrt(variance); sd > 1e-9*(1+math.Abs(f.mean[k])) {
			f.scale[k] = 1 / sd
		} else {
			f.scale[k] = 0
		}
	}
	return f
}

// logOdds is the log-odds of one sample's features.
func (f *logistic) logOdds(features []float64) float64 {
	eta := f.weight[len(features)]
	for k, x := range features {
		eta += f.weight[k] * (x - f.mean[k]) * f.scale[k]
	}
	return eta
}
