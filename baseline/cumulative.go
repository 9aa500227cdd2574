package baseline

import (
	"fmt"
	"slices"

	"lsat/period"
)

// Cumulative is a baseline that can learn period after period. A study asks for the model of every period; fitting each anew would go
// through the first samples again and again.
type Cumulative interface {
	Baseline
	// Begin starts with nothing learnt.
	Begin(stream *period.Stream) (Learner, error)
}

// Learner is a Cumulative baseline that has learnt some samples.
type Learner interface {
	// Learn takes in more samples, all of which come after those that it knows.
	Learn(samples []int) error
	// Model is what Fit makes of all the samples that have been learnt. Learning more leaves it as it is. It fails as Fit does.
	Model() (Model, error)
}

// Begin implements Cumulative.
func (b Counts) Begin(stream *period.Stream) (Learner, error) {
	l, err := b.newLearning(stream, nil)
	if err != nil {
		return nil, err
	}
	return &countsLearner{l, b}, nil
}

type countsLearner struct {
	*learning
	counts Counts
}

// Learn implements Learner.
func (l *countsLearner) Learn(samples []int) error {
	if err := check(l.stream, samples); err != nil {
		return err
	}
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if n := len(l.samples); n > 0 && len(sorted) > 0 && sorted[0] <= l.samples[n-1] {
		return fmt.Errorf("baseline: %s: sample %d comes before %d, which has been learnt", l.counts.Name(), sorted[0], l.samples[n-1])
	}
	for _, i := range sorted {
		l.look(i)
		l.count(i)
	}
	l.samples = append(l.samples, sorted...)
	return nil
}

// Model implements Learner.
func (l *countsLearner) Model() (Model, error) {
	m, err := l.model(l.counts)
	if err != nil {
		return nil, err
	}
	now := m.(*counts)
	t := *now.tally
	t.items, t.attributes = slices.Clone(t.items), slices.Clone(t.attributes)
	now.tally = &t
	now.memory = &memory{length: now.memory.length, since: slices.Clone(now.memory.since)}
	return now, nil
}
