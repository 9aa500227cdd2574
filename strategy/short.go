package strategy

// short is the paper's short-term LoRA: a new adapter on D_t only.
type short struct{}

func (short) Name() string  { return "short" }
func (short) About() string { return "a new adapter on D_t only" }

func (short) At(t int) (Combination, error) {
	return Combination{Kind: Single, Parts: []*Job{shortJob(t)}, Valid: t}, nil
}

func shortJob(t int) *Job {
	j := fresh(t, t)
	j.Update = true
	return j
}
