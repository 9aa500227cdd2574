package strategy

import "fmt"

// noUpdate never updates: the short-term adapter of the study's first update serves all later periods. At the first update it
// equals short; how far it falls behind short afterwards is what an update is worth.
type noUpdate struct{ first int }

func (noUpdate) Name() string { return "no-update" }
func (s noUpdate) About() string {
	return fmt.Sprintf("the adapter trained on D_%d at the study's first update, never updated again", s.first)
}

func (s noUpdate) At(t int) (Combination, error) {
	if t < s.first {
		return Combination{}, fmt.Errorf("no-update: %w: its adapter is trained on period %d, and the update asked for is %d", ErrTooEarly, s.first, t)
	}
	return Combination{Kind: Single, Parts: []*Job{shortJob(s.first)}, Valid: t}, nil
}
