// Package engine runs a frozen backbone with LoRA adapters over sequences: log-odds for scoring, gradients of the adapters for
// training. It packs sequences into rows, pads rows to a few fixed shapes, and keeps one compiled program per shape.
package engine

import (
	"context"

	"lsat/adapter"
	"lsat/prompt"
)

// Progress is told how many of the targets are done. It may be nil.
type Progress func(done, total int)

// Runner is what training and scoring need of an engine. Engine implements it; tests put simpler models in its place.
type Runner interface {
	// BackboneHash identifies the frozen model, and Numerics what else decides the bits of a result (backend and data type).
	BackboneHash() string
	Numerics() string
	// AdapterShapes gives [out, in] of every projection that an adapter may change.
	AdapterShapes() map[adapter.Key][2]int
	// Score returns the log-odds of every target of every sequence, in the order given. A nil adapter scores the bare backbone.
	Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, progress Progress) ([][]float64, error)
	// Gradient adds, over all targets of the sequences, the gradient of the summed loss -log p(label) with respect to the adapter, in
	// the order of adapter.Flatten, to grad, and returns the summed loss. p is that of the model's log-odds plus the target's Offset. Dropout is drawn from seed; 0 means none.
	Gradient(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, dropout float64, seed uint64, grad []float32) (loss float64, err error)
}
