package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"lsat/adapter"
)

// counting is a context that counts how often it is asked: the engine asks once for a batch and once before every layer but the last one.
type counting struct {
	context.Context
	asked int
}

func (c *counting) Err() error { c.asked++; return c.Context.Err() }

// Several adapters at once give the bits of each by itself, and what lies below all of them is computed once.
func TestScoreEachIsScoreOfEach(t *testing.T) {
	for name, b := range backends(t) {
		for _, family := range []string{"llama", "gemma3"} {
			t.Run(name+"/"+family, func(t *testing.T) {
				cfg := smallConfigs()[family]
				cfg.Layers, cfg.SlidingLayers = 5, []bool{true, false, true, true, false}
				e := newEngine(t, randomModel(cfg, 5), b, Options{RowTokens: 64, BatchTokens: 256})
				if len(e.replicas) > 1 {
					e.replicas = e.replicas[:1] // one after another, so that they can be counted
				}
				whole, two, one := topAdapter(t, e, 0), topAdapter(t, e, 2), topAdapter(t, e, 1)
				seqs := headed(5, cfg.Vocab, 2)
				frozen := slices.Clone(seqs)
				file, err := e.Freeze(context.Background(), frozen, 3, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = file.Close() }()
				batches := len(pack(seqs, e.packing(true, true)))
				for _, c := range []struct {
					name     string
					adapters []*adapter.Adapter
					frozen   bool
					layers   int // computed with a look at the context, for a batch
				}{
					{"all layers", []*adapter.Adapter{whole, whole}, false, 4 + 4},
					{"the upper two", []*adapter.Adapter{two, two}, false, 3 + 1 + 1},
					{"unequal ones", []*adapter.Adapter{one, two, nil}, false, 3 + 1 + 1 + 1},
					{"from stored states", []*adapter.Adapter{one, two}, true, 0 + 1 + 1},
					{"one of them from stored states", []*adapter.Adapter{whole, two}, true, 4 + 1},
				} {
					list := seqs
					if c.frozen {
						list = frozen
					}
					ctx := &counting{Context: context.Background()}
					got, err := e.ScoreEach(ctx, list, answers, c.adapters, nil)
					if err != nil {
						t.Fatalf("%s: %v", c.name, err)
					}
					stems := 1
					if c.name == "one of them from stored states" {
						stems = 2
					}
					if want := batches * (stems + c.layers); ctx.asked != want {
						t.Errorf("%s: the context was asked %d times, wanted %d", c.name, ctx.asked, want)
					}
					for k, a := range c.adapters {
						if want := scoreAll(t, e, list, a); !slices.Equal(slices.Concat(got[k]...), want) {
							t.Errorf("%s: adapter %d has %v, by itself %v", c.name, k, got[k], want)
						}
					}
				}
			})
		}
	}
}

func TestScoreEachRefuses(t *testing.T) {
	cfg := smallConfigs()["llama"]
	e := newEngine(t, randomModel(cfg, 5), backends(t)["go"], Options{})
	seqs := randomSequences(2, cfg.Vocab, 3)
	if _, err := e.ScoreEach(context.Background(), seqs, answers, nil, nil); err == nil {
		t.Error("no adapters: no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.ScoreEach(ctx, seqs, answers, []*adapter.Adapter{nil, nil}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
