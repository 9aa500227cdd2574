package recommender

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"lsat/baseline"
	"lsat/dataset"
	"lsat/period"
)

// Parts are the samples of one training, as indices into a stream's samples.
type Parts struct {
	// Train is learnt from.
	Train []int
	// Valid decides when to stop; see Options.Patience. It may be empty.
	Valid []int
}

// Model is a trained recommender. It does not change any more, and is safe for concurrent use.
type Model struct {
	r       *Recommender
	sizes   sizes
	content *content
	known   known
	users   []string
	items   []dataset.Item
	// values are the parameters, in the order of the architecture.
	values [][]float32
	// Epochs is after how many epochs of the last training the state was taken: 0 where an update did not help.
	Epochs int
}

var _ baseline.Model = (*Model)(nil)

// Fit trains a model from nothing. Errors: ErrNoSamples, ErrNotFinite, the context's, and samples that the stream does not have.
func (r *Recommender) Fit(ctx context.Context, stream *period.Stream, parts Parts) (*Model, error) {
	return r.train(ctx, stream, parts, nil)
}

// Update trains a model further on other samples and returns the new one: fine-tuning. Adam starts afresh. The stream may know more users and items than the
// one before; their rows, and those of any that training meets for the first time, start from the seed. Errors are those of Fit, and
// ErrOtherData for a stream whose users and items do not begin with those that the model knows.
func (m *Model) Update(ctx context.Context, stream *period.Stream, parts Parts) (*Model, error) {
	if err := check(stream, nil); err != nil {
		return nil, err
	}
	if err := m.fits(stream); err != nil {
		return nil, err
	}
	return m.r.train(ctx, stream, parts, m)
}

// train trains from a model, or from nothing.
func (r *Recommender) train(ctx context.Context, stream *period.Stream, parts Parts, from *Model) (*Model, error) {
	for _, list := range [][]int{parts.Train, parts.Valid} {
		if err := check(stream, list); err != nil {
			return nil, err
		}
	}
	if len(parts.Train) == 0 {
		return nil, fmt.Errorf("recommender: %s: %w", r.name, ErrNoSamples)
	}
	m, err := r.begin(stream, from)
	if err != nil {
		return nil, err
	}
	progs, err := r.programs(m.sizes)
	if err != nil {
		return nil, err
	}
	m.known.meet(stream, parts.Train)
	t := newTrainer(r, progs, m.encoder(stream), m.values)
	defer t.close()
	best := best{valid: len(parts.Valid) > 0, patience: r.options.Patience}
	if from != nil {
		if _, err := best.look(ctx, t, parts.Valid, 0); err != nil {
			return nil, err
		}
	}
	for n := range r.options.Epochs {
		if err := t.epoch(ctx, n, parts.Train); err != nil {
			return nil, err
		}
		if stop, err := best.look(ctx, t, parts.Valid, n+1); err != nil {
			return nil, err
		} else if stop {
			break
		}
	}
	if m.values, m.Epochs = best.values, best.epoch; !best.valid {
		if m.values, err = t.values(); err != nil {
			return nil, err
		}
		m.Epochs = r.options.Epochs
	}
	for k, p := range progs.params {
		m.known.forget(p, r.options.Seed, m.values[k])
	}
	return m, nil
}

// begin is a model before its training: of the seed alone, or the one before with room for what is new.
func (r *Recommender) begin(stream *period.Stream, from *Model) (*Model, error) {
	set := stream.Set
	m := &Model{r: r, users: set.Users, items: set.Items}
	var words map[string]int32
	if from != nil {
		words, m.known = from.content.row, from.known
	}
	m.content = contentOf(set, words)
	m.known = m.known.grown(len(set.Users), len(set.Items))
	m.sizes = sizes{users: len(set.Users), items: len(set.Items), words: m.content.words(), history: stream.Options.History, bag: bagSize, dim: r.options.Dim}
	if m.sizes.history < 1 {
		return nil, fmt.Errorf("recommender: %s: %w: samples without a history", r.name, ErrOptions)
	}
	for k, p := range r.arch.parameters(m.sizes) {
		if from == nil {
			m.values = append(m.values, p.initial(r.options.Seed, 0))
			continue
		}
		old := from.values[k]
		m.values = append(m.values, append(slices.Clone(old), p.initial(r.options.Seed, len(old)/p.cols)...))
	}
	return m, nil
}

// fits says whether a stream is of the data that the model learnt from, or of what that has grown to.
func (m *Model) fits(stream *period.Stream) error {
	set := stream.Set
	switch {
	case len(set.Users) < len(m.users) || len(set.Items) < len(m.items):
		return fmt.Errorf("recommender: %s: %w: %d users and %d items, the model knows %d and %d", m.r.name, ErrOtherData, len(set.Users), len(set.Items), len(m.users), len(m.items))
	case stream.Options.History != m.sizes.history:
		return fmt.Errorf("recommender: %s: %w: histories of %d, the model knows %d", m.r.name, ErrOtherData, stream.Options.History, m.sizes.history)
	}
	for u, id := range m.users {
		if set.Users[u] != id {
			return fmt.Errorf("recommender: %s: %w: user %d is %q and was %q", m.r.name, ErrOtherData, u, set.Users[u], id)
		}
	}
	for i := range m.items {
		if set.Items[i].ID != m.items[i].ID {
			return fmt.Errorf("recommender: %s: %w: item %d is %q and was %q", m.r.name, ErrOtherData, i, set.Items[i].ID, m.items[i].ID)
		}
	}
	return nil
}

func (m *Model) encoder(stream *period.Stream) *encoder {
	return &encoder{stream: stream, content: m.content, sizes: m.sizes, batch: m.r.options.Batch, hideLabels: m.r.options.HideLabels}
}

// Score returns a log-odds of being liked for each sample, from its user, its item and its history. Where the loss is MSE, a score is the log-odds of
// the predicted label, which is a probability but for its being unbounded; baseline.LogOdds keeps its order beyond 0 and 1. A stream that
// has grown since the training is ErrOtherData where the model has no rows for it: see Update.
func (m *Model) Score(stream *period.Stream, samples []int) ([]float64, error) {
	return m.ScoreContext(context.Background(), stream, samples)
}

// ScoreContext is Score that can be cancelled.
func (m *Model) ScoreContext(ctx context.Context, stream *period.Stream, samples []int) ([]float64, error) {
	if err := check(stream, samples); err != nil {
		return nil, err
	}
	if err := m.fits(stream); err != nil {
		return nil, err
	}
	grown, err := m.room(stream)
	if err != nil {
		return nil, err
	}
	progs, err := m.r.programs(grown.sizes)
	if err != nil {
		return nil, err
	}
	var params []*tensors.Tensor
	for k, p := range progs.params {
		params = append(params, tensors.FromFlatDataAndDimensions(grown.values[k], p.rows, p.cols))
	}
	defer release(params)
	out, err := m.r.scores(ctx, progs, grown.encoder(stream), params, samples)
	if err != nil {
		return nil, err
	}
	if m.r.options.Loss == MSE {
		for k := range out {
			out[k] = baseline.LogOdds(out[k])
		}
	}
	return out, nil
}

// room is the model itself, or where the stream has more users or items a copy with room for them.
func (m *Model) room(stream *period.Stream) (*Model, error) {
	if len(stream.Set.Users) == len(m.users) && len(stream.Set.Items) == len(m.items) {
		return m, nil
	}
	return m.r.begin(stream, m)
}
