package baseline

import (
	"errors"
	"slices"
	"testing"

	"lsat/dataset"
	"lsat/period"
)

// What is learnt period after period is what is fitted at once, bit for bit, and a model keeps what it knew.
func TestLearningInPartsIsFitting(t *testing.T) {
	set := dataset.Generate(dataset.GenerateOptions{Users: 60, Items: 200, Interactions: 6000, Seed: 3})
	s, err := period.New(set, period.Options{Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []Counts{{}, {Memory: 30}} {
		l, err := b.Begin(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Model(); !errors.Is(err, ErrNoSamples) {
			t.Errorf("a model of nothing: %v", err)
		}
		last := upTo(s, 3, 4)
		var models []Model
		for p := range 3 {
			if err := l.Learn(upTo(s, p, p+1)); err != nil {
				t.Fatal(err)
			}
			m, err := l.Model()
			if err != nil {
				t.Fatal(err)
			}
			models = append(models, m)
		}
		for p, m := range models { // after all has been learnt
			want, err := b.Fit(s, upTo(s, 0, p+1))
			if err != nil {
				t.Fatal(err)
			}
			a, err := m.Score(s, last)
			if err != nil {
				t.Fatal(err)
			}
			w, err := want.Score(s, last)
			if err != nil || !slices.Equal(a, w) {
				t.Errorf("%s, %d periods: learnt in parts, other scores than fitted at once (%v)", b.Name(), p+1, err)
			}
		}
		if err := l.Learn(upTo(s, 1, 2)); err == nil {
			t.Errorf("%s learnt a period twice", b.Name())
		}
		if err := l.Learn([]int{len(s.Samples)}); err == nil {
			t.Errorf("%s learnt a sample that is not there", b.Name())
		}
	}
}

// upTo lists the samples of periods [from, to).
func upTo(s *period.Stream, from, to int) []int {
	var out []int
	for i := s.Periods[from].All.Lo; i < s.Periods[to-1].All.Hi; i++ {
		out = append(out, i)
	}
	return out
}
