package strategy

import "fmt"

// finetune is the paper's fine-tuning: one adapter that goes on learning. The update with D_t starts from the adapter of t-1
// and learns from D_t's train part and D_{t-1}'s validation part, which the update before could not learn from; it is rolled
// back where the AUC on D_t's validation part did not improve.
//
// The chain starts with the long-term adapter on D_0 … D_{LongPeriods-1}, or, where the study's first update comes earlier than
// that, with an adapter on all periods up to the first update.
type finetune struct{ o Options }

func (s finetune) start() int { return min(s.o.LongPeriods-1, s.o.First) }

func (finetune) Name() string { return "finetune" }
func (s finetune) About() string {
	return fmt.Sprintf("the adapter of t-1, further, on D_t's train part and D_{t-1}'s validation part, rolled back where validation AUC did not improve; starts on D_0 … D_%d", s.start())
}

func (s finetune) At(t int) (Combination, error) {
	if t < s.start() {
		return Combination{}, fmt.Errorf("finetune: %w: its first adapter is trained on periods 0-%d, and the update asked for is %d", ErrTooEarly, s.start(), t)
	}
	j := fresh(0, s.start())
	for u := s.start() + 1; u <= t; u++ {
		j = &Job{
			Train:    []Piece{{u - 1, Valid}, {u, Train}},
			Valid:    u,
			Init:     j,
			Rollback: true,
			Update:   true,
		}
	}
	return Combination{Kind: Single, Parts: []*Job{j}, Valid: t}, nil
}
