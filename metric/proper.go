package metric

import "fmt"

// LogLoss is the mean of -log p(label) in nats, computed from the log-odds themselves, so that it neither overflows nor needs a bound on
// the probabilities. It is infinite only where an infinite log-odds is wrong.
func LogLoss[F Float](logOdds []F, labels []bool) (float64, error) {
	return mean(logOdds, labels, func(z float64, label bool) float64 {
		if label {
			z = -z
		}
		return softplus(z)
	})
}

// Brier is the mean squared difference between the probability of a like and the label (1 or 0).
func Brier[F Float](logOdds []F, labels []bool) (float64, error) {
	return mean(logOdds, labels, func(z float64, label bool) float64 {
		if label {
			z = -z
		}
		p := Probability(z) // of the wrong answer, which keeps its precision near 0
		return p * p
	})
}

func mean[F Float](logOdds []F, labels []bool, loss func(z float64, label bool) float64) (float64, error) {
	if err := check(logOdds, labels); err != nil {
		return 0, err
	}
	if len(logOdds) == 0 {
		return 0, fmt.Errorf("metric: %w", ErrEmpty)
	}
	var sum float64
	for i, z := range logOdds {
		sum += loss(float64(z), labels[i])
	}
	return sum / float64(len(logOdds)), nil
}
