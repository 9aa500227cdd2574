// Package baseline holds recommenders that need no language model. They see what a strategy's model sees, the same samples with the
// same histories and labels, so that a table can say what the language model adds.
package baseline

import (
	"errors"
	"fmt"

	"lsat/period"
)

// Baseline is a recommender that can be fitted. A new one is one more file with a type that implements it.
type Baseline interface {
	// Name is what tables call it.
	Name() string
	// Fit learns from the labels of the samples, given as indices into stream.Samples, and from their histories. It never looks at
	// another sample's label.
	Fit(stream *period.Stream, samples []int) (Model, error)
}

// Model is a fitted recommender.
type Model interface {
	// Score returns a log-odds of being liked for each sample, from its item and its history alone.
	Score(stream *period.Stream, samples []int) ([]float64, error)
}

// ErrNoSamples says that there is nothing to fit.
var ErrNoSamples = errors.New("no samples to fit")

func check(stream *period.Stream, samples []int) error {
	if stream == nil || stream.Set == nil {
		return errors.New("baseline: no stream")
	}
	for _, i := range samples {
		if i < 0 || i >= len(stream.Samples) {
			return fmt.Errorf("baseline: sample %d asked for, but the stream has samples 0 to %d", i, len(stream.Samples)-1)
		}
	}
	return nil
}
