package baseline

import (
	"fmt"
	"slices"

	"lsat/period"
)

// Prequential is a baseline that can also score the samples it learns from, each as it would have been scored at its own time. Such scores can be
// offsets of a model that is trained on the same samples, or columns of a stack: they are no better informed than those of unseen samples.
type Prequential interface {
	Baseline
	// FitScore returns the model that Fit returns, and a log-odds for each of the samples, in their order. The score of a sample depends on the labels of
	// the given samples that come before it in time, and on the histories of these and its own; never on its own label or on a later one, and
	// not on which samples come later.
	FitScore(stream *period.Stream, samples []int) (Model, []float64, error)
}

// Weights for scoring the training samples are fitted first when there are firstBlock samples of both classes, and again whenever the samples
// have become blockGrowth times as many.
const (
	firstBlock  = 500
	blockGrowth = 1.25
)

// FitScore scores each sample before it is counted. What a score has seen:
//
//   - its features: the labels of all given samples before it, and of their histories, and its own history;
//   - the regression's weights: the given samples of earlier blocks. Blocks end after 500 samples, 625, 781 and so on, each 1.25 times as many,
//     and while all samples so far have one label they go on;
//   - in the first block, where there are no weights yet, the score is that of Means from the labels before it, log-odds of p(item) + u.
//
// The scores of Fit's model come from counts that stand still while it serves; these come from counts up to the sample before. A sample that is given
// twice has one score.
func (b Counts) FitScore(stream *period.Stream, samples []int) (Model, []float64, error) {
	l, err := b.newLearning(stream, samples)
	if err != nil {
		return nil, nil, err
	}
	odds := make([]float64, len(l.samples))
	var weights *logistic
	block := float64(firstBlock)
	for k, i := range l.samples {
		if both := l.liked > 0 && l.liked < k; both && float64(k) >= block {
			if weights, err = l.regress(); err != nil {
				return nil, nil, fmt.Errorf("baseline: %s: %w", b.Name(), err)
			}
			block = float64(k) * blockGrowth
		}
		row := l.look(i)
		if weights != nil {
			odds[k] = weights.logOdds(row)
		} else {
			odds[k] = l.features.means()
		}
		l.count(i)
	}
	model, err := l.model(b)
	if err != nil {
		return nil, nil, err
	}
	out := make([]float64, len(samples))
	for k, i := range samples {
		at, _ := slices.BinarySearch(l.samples, i)
		out[k] = odds[at]
	}
	return model, out, nil
}
