package strategy

import "fmt"

// old serves the short-term adapter of k periods ago: what k missed updates cost.
type old struct{ k int }

func (s old) Name() string { return fmt.Sprintf("short-old-%d", s.k) }
func (s old) About() string {
	return fmt.Sprintf("the adapter trained on D_{t-%d} only, %d periods old", s.k, s.k)
}

func (s old) At(t int) (Combination, error) {
	if t < s.k {
		return Combination{}, fmt.Errorf("%s: %w: an update with period %d has no period %d before it", s.Name(), ErrTooEarly, t, s.k)
	}
	return Combination{Kind: Single, Parts: []*Job{shortJob(t - s.k)}, Valid: t}, nil
}
