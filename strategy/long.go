package strategy

import "fmt"

// long is the paper's long-term LoRA: an adapter on the first periods, then frozen.
type long struct{ periods int }

func (long) Name() string { return "long" }
func (s long) About() string {
	return fmt.Sprintf("an adapter on D_0 … D_%d, then frozen", s.periods-1)
}

func (s long) At(t int) (Combination, error) {
	j, err := longJob(s.Name(), s.periods, t)
	if err != nil {
		return Combination{}, err
	}
	return Combination{Kind: Single, Parts: []*Job{j}, Valid: t}, nil
}

// longJob trains the frozen long-term adapter: its validation part is that of its own last period, not that of the update.
func longJob(name string, periods, t int) (*Job, error) {
	if t < periods-1 {
		return nil, fmt.Errorf("%s: %w: it needs periods 0-%d, and an update with period %d has only 0-%d", name, ErrTooEarly, periods-1, t, t)
	}
	return fresh(0, periods-1), nil
}
