package recommender

import (
	"context"
	"math"
)

// best keeps the state with the lowest loss on the validation part.
type best struct {
	valid    bool
	patience int
	epoch    int
	loss     float64
	values   [][]float32
}

// look judges the state after an epoch and says whether to stop. Without a validation part there is nothing to judge by.
func (b *best) look(ctx context.Context, t *trainer, valid []int, epoch int) (stop bool, err error) {
	if !b.valid {
		return false, nil
	}
	values, err := t.values()
	if err != nil {
		return false, err
	}
	scores, err := t.r.scores(ctx, t.progs, t.encoder, t.state[:len(t.progs.params)], valid)
	if err != nil {
		return false, err
	}
	labels := make([]bool, len(valid))
	for k, i := range valid {
		labels[k] = t.encoder.stream.Samples[i].Label
	}
	loss := t.r.loss(scores, labels)
	if b.values == nil || loss < b.loss {
		b.epoch, b.loss, b.values = epoch, loss, values
	}
	return (b.patience >= 0 && epoch-b.epoch >= b.patience) || math.IsNaN(loss), nil
}
