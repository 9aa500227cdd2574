package strategy

import "fmt"

// replay is fine-tuning that does not forget: the adapter of t-1, further, on D_t's train part and as many samples again of the
// periods before, by whole users who are drawn anew for every update. Its chain starts where that of fine-tuning does; nothing is rolled back.
type replay struct{ o Options }

func (replay) Name() string { return "replay" }
func (s replay) About() string {
	return fmt.Sprintf("the adapter of t-1, further, on D_t's train part and as many samples again of D_0 … D_{t-1}; starts on D_0 … D_%d", finetune(s).start())
}

func (s replay) At(t int) (Combination, error) {
	start := finetune(s).start()
	if t < start {
		return Combination{}, fmt.Errorf("replay: %w: its first adapter is trained on periods 0-%d, and the update asked for is %d", ErrTooEarly, start, t)
	}
	j := fresh(0, start)
	for u := start + 1; u <= t; u++ {
		j = &Job{Train: []Piece{{u, Train}}, Valid: u, Init: j, Replay: true, Update: true}
	}
	return Combination{Kind: Single, Parts: []*Job{j}, Valid: t}, nil
}
