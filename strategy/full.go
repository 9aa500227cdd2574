package strategy

// full is full retraining: a new adapter on D_0 … D_t at every update.
type full struct{}

func (full) Name() string  { return "full" }
func (full) About() string { return "a new adapter on D_0 … D_t" }

func (full) At(t int) (Combination, error) {
	return Combination{Kind: Single, Parts: []*Job{fresh(0, t)}, Valid: t}, nil
}
