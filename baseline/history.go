package baseline

import (
	"math"

	"lsat/period"
)

// History scores a sample by the share of likes in its own history and does not look at the item at all. It learns nothing, and
// tells what of a model's AUC is merely knowing how generous a user has been of late: a model that has learnt more than this ranks
// better within one user, too.
type History struct{}

// Name is "share of likes in the history".
func (History) Name() string { return "share of likes in the history" }

// Fit needs no samples.
func (History) Fit(stream *period.Stream, samples []int) (Model, error) {
	return History{}, check(stream, samples)
}

// Score returns the log-odds of (k + 1/2) / (n + 1), where k of the n history items were liked.
func (History) Score(stream *period.Stream, samples []int) ([]float64, error) {
	if err := check(stream, samples); err != nil {
		return nil, err
	}
	out := make([]float64, len(samples))
	for j, i := range samples {
		history := stream.History(i)
		liked := .5
		for _, e := range history {
			if stream.Liked(e) {
				liked++
			}
		}
		out[j] = math.Log(liked / (float64(len(history)) + 1 - liked))
	}
	return out, nil
}
